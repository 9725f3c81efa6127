"""The example of the README does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from asgistar import App

README = Path(__file__).parents[1] / "README.md"


async def test_the_example_works(client: Any) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "notes"}
    exec(compile(source, "README.md", "exec"), names)
    assert isinstance(names["app"], App)
    ask = client([])
    ask.app = names["app"]
    assert (await ask.post("/notes/", {"title": "a"})).json == {"title": "a", "done": False}
    assert (await ask.get("/notes/?q=a&page=1")).json == [{"title": "a", "done": False}]
    assert (await ask.get("/notes/0/")).status == 200
    assert (await ask.get("/notes/1/")).json["detail"] == "There is no note 1"
    assert (await ask.post("/notes/", {})).errors == [("body", "title", "missing")]
    assert names["app"].url_for("notes:detail", number=0) == "/notes/0/"
    assert (await ask.get("/docs/")).status == 200
