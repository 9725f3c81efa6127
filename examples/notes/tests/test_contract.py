"""The notes do what their document says: Schemathesis reads it, and asks for all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import Serve

REPOSITORY = Path(__file__).parents[3]
ADA = {"email": "ada@example.com", "password": "correct horse"}


@pytest.mark.slow
@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)  # the one that refuses more
def test_every_answer_is_as_the_document_says(serve: Serve, tmp_path: Path) -> None:
    served = serve("asgiworker")
    with httpx.Client(base_url=served.url, trust_env=False, timeout=30) as client:
        client.post("/users/", json={**ADA, "name": "Ada"})
        token = client.post("/login/", json=ADA).json()["token"]
        (tmp_path / "openapi.json").write_bytes(client.get("/docs/openapi.json").content)
    ended = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json"),
            *("--url", served.url, "--header", f"Authorization: Bearer {token}"),
            *("--checks", "all", "--max-examples", "3", "--generation-deterministic", "--no-color"),
            # A stream that has no end, and the end of the token.
            *("--exclude-path", "/changes/", "--exclude-path", "/logout/"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "framework.tests.openapi.lenience",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "12 selected / 14 total" in ended.stdout
