"""The code that the page offers does what the page does: it is run, and what comes is compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

if TYPE_CHECKING:
    from conftest import Page, Visit

NASTY = "a 'b' \"c\" $HOME `d` \\ ü \n&=@+%20;!"

REQUESTS: dict[str, dict[str, Any]] = {
    "query and headers": {
        "id": "notes:list",
        "values": {
            "query": {"q": NASTY, "tag": ["x y", "z"]},
            "header": {"X-Request-Id": 'it\'s "1"'},
            "cookie": {"tenant": "acme"},
        },
    },
    "JSON": {
        "id": "notes:update",
        "values": {"path": {"id": 3}},
        "body": {"title": NASTY, "done": False, "due": None, "n": [1, {"a": 1.5}]},
    },
    "JSON that HTTPie has signs for": {
        "id": "notes:update",
        "values": {"path": {"id": 3}},
        "body": {"a:=b": "@x", "title": "=y"},
    },
    "a list": {"id": "notes:search", "body": [True, None, "x" * 60]},
    "text": {"id": "notes:search", "body": "x"},
    "a form": {"id": "login", "body": {"name": NASTY, "password": "@x", "n": [1, 2]}},
    "a form of simple values": {"id": "login", "body": {"name": "ada", "password": "x y"}},
    "a form with files": {"id": "files:upload", "body": {"title": "@a;b=ü", "pages": ["FILE", "FILE"]}},
    "a file": {"id": "files:replace", "values": {"path": {"path": "a/b c"}}, "body": "FILE"},
    "an empty answer": {
        "id": "notes:remove",
        "values": {"path": {"id": 1}},
        "secrets": {"basic": {"username": "ada", "password": "hi:thére"}},
    },
    "events": {"id": "live:events", "values": {"query": {"count": 2}}},
    "lines": {"id": "live:export"},
}


ANSWERS = {
    "an empty answer": "",
    "events": r".*change.*\"id\": ?1.*change.*\"id\": ?2.*",
    "lines": r"{\"id\": ?1.*}\n+{\"id\": ?2.*}",
}
"""Patterns of what comes, where the server doesn't tell what it was sent."""


@pytest.fixture
def page(visit: Visit, url: str) -> Page:
    found: Page = visit(url)
    return found


def written(page: Page, name: str) -> dict[str, str]:
    """The code of a request in each language."""
    request = REQUESTS[name]
    given = {"body": request.get("body"), "parameters": request.get("values", {})}
    made: dict[str, str] = page.evaluate(f"""(async () => {{
        const {{ authenticate, composed, operationsOf }} = await import("./client.js");
        const {{ languagesFor }} = await import("./snippets.js");
        const schema = await (await fetch("openapi.json")).json();
        const operation = operationsOf(schema).get({json.dumps(request["id"])});
        const file = new File(["in the file"], "file.txt", {{ type: "text/plain" }});
        const filled = (_, each) => each === "FILE" ? file : each;
        const {{ body, parameters }} = JSON.parse({json.dumps(json.dumps(given))}, filled);
        const type = Object.keys(operation.body?.content ?? {{}})[0];
        const said = {{ parameters, body: body ?? undefined, type }};
        const request = composed(operation, {{ ...said, base: new URL("..", location.href).href }});
        authenticate(request, operation, schema, {json.dumps(request.get("secrets", {}))});
        const answers = Object.keys(Object.values(operation.responses)[0].content ?? {{}});
        const all = languagesFor(operation);
        const whole = {{ ...request, ...said, answers }};
        return Object.fromEntries(all.map(({{ id, write }}) => [id, write(whole)]));
    }})()""")
    return made


def run(arguments: list[str], folder: Path, **options: Any) -> str:
    """What a command prints; it must succeed, and has no settings of its own."""
    environment = {
        **os.environ,
        "HTTPIE_CONFIG_DIR": str(folder),
        "PYTHONWARNINGS": "ignore",
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def javascript(page: Page, code: str) -> str:
    """What it logs, in the page; `import` stands in modules only."""
    code = re.sub(r'^import (.*) from (".*");$', r"const \1 = await import(\2);", code, flags=re.MULTILINE)
    logged: list[Any] = page.evaluate(f"""(async () => {{
        const logged = [];
        const console = {{ log: (...values) => logged.push(...values) }};
        const file = new File(["in the file"], "file.txt", {{ type: "text/plain" }});
        {code}
        return logged;
    }})()""")
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in logged)


def seen(printed: str, request: dict[str, Any]) -> Any:
    """What the server has seen, as far as it must be the same in every language."""
    echo = json.loads(printed)
    headers, body = echo["headers"], echo["body"]
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        body = json.loads(body.encode("latin-1"))
    elif kind == "application/x-www-form-urlencoded":
        body = parse_qsl(body.encode("latin-1").decode())
    elif kind == "multipart/form-data":
        title = "@a;b=ü".encode().decode("latin-1")
        body = [
            f'name="title"\r\n\r\n{title}\r\n' in body or f"\r\n\r\n{title}\r\n" in body,
            body.count("in the file"),
        ]
    told = {name: headers.get(name) for name in ("x-request-id", "cookie", "authorization")}
    return (
        echo["method"],
        echo["raw"],
        echo["query"],
        "" if request.get("body") == "FILE" else kind,
        told,
        body,
    )


def printed(page: Page, name: str, folder: Path) -> dict[str, str]:
    """What the code prints in each language that is there."""
    code = written(page, name)
    (folder / "file.txt").write_text("in the file")
    python = re.sub(r"print\(response.*\)", "print(response.text)", code["python"])
    (folder / "code.py").write_text(python)
    found = {"python": run([sys.executable, "code.py"], folder)}
    if shutil.which("curl"):
        line = code["curl"].replace("curl ", "curl -sS --fail-with-body --noproxy '*' ", 1)
        found["curl"] = run(["sh", "-c", line], folder)
    http = Path(sys.executable).with_name("http")
    if http.exists():
        options = "--ignore-stdin --check-status --print=b --pretty=none"
        found["httpie"] = run(["sh", "-c", code["httpie"].replace("http ", f"{http} {options} ", 1)], folder)
    if name not in ("a file", "query and headers"):  # a page sends no cookies, and says the type of its files
        found["javascript"] = javascript(page, code["javascript"])
    return found


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in ANSWERS])
def test_all_languages_send_the_same(page: Page, name: str, tmp_path: Path) -> None:
    request = REQUESTS[name]
    found = {language: seen(text, request) for language, text in printed(page, name, tmp_path).items()}
    assert all(each == found["python"] for each in found.values()), found
    _, raw, query, *_, body = found["python"]
    assert raw.startswith("/")
    if name == "query and headers":
        assert query == [["q", NASTY], ["tag", "x y"], ["tag", "z"]]
    elif "FILE" in json.dumps(request["body"]):
        assert body in ("in the file", [True, 2])
    elif request["id"] == "login":
        assert dict(body)["name"] == request["body"]["name"]
    else:
        assert body == request["body"]


@pytest.mark.parametrize("name", ANSWERS)
def test_all_languages_read_what_comes(page: Page, name: str, tmp_path: Path) -> None:
    for language, text in printed(page, name, tmp_path).items():
        assert re.fullmatch(ANSWERS[name], text.strip(), re.DOTALL), (language, text)


def test_a_websocket_is_opened_in_python(visit: Visit, url: str, tmp_path: Path) -> None:
    page = visit(f"{url}#live:chat")
    page.waits_for("document.querySelector('.code-card [data-id=python]')")
    page.evaluate("document.querySelector('.code-card [data-id=python]').click()")
    code = page.evaluate("document.querySelector('.code-card pre').textContent")
    assert 'connect(\n    "ws://' in code or 'connect("ws://' in code
    (tmp_path / "code.py").write_text(
        code.replace("        print(message)", "        print(message)\n        break")
    )
    assert json.loads(run([sys.executable, "code.py"], tmp_path)) == {"who": "server", "text": "Hello!"}
    page.evaluate("document.querySelector('.code-card [data-id=curl]').click()")
    assert "--protocol chat.v1" in page.evaluate("document.querySelector('.code-card pre').textContent")
