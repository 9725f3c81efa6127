"""Schemathesis reads the document of an application, and asks the application on a server for all of it.

All of its checks are on. What is no failure although it looks like one stands in `lenience`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

import asgiworker
from asgistar.openapi import encoded
from framework.tests.openapi.shop import TOKEN, shop

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.slow
async def test_an_application_does_what_its_document_says(tmp_path: Path) -> None:
    # Without msgpack: in it, bytes aren't base64, and JSON Schema has no word for that.
    app = shop(msgpack=False)
    file = tmp_path / "openapi.json"
    file.write_bytes(encoded(app))
    async with asgiworker.running(app) as server:
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(file)),
            *("--url", server.url.rstrip("/"), "--header", f"Authorization: Bearer {TOKEN}"),
            *("--checks", "all", "--max-examples", "6", "--generation-deterministic"),
            "--no-color",
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "SCHEMATHESIS_HOOKS": "framework.tests.openapi.lenience",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(300):
            printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    assert b"16 selected / 16 total" in printed
    assert b" 16 passed" in printed, printed.decode()
