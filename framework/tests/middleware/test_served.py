"""Middleware on a server, asked by a client that decodes and follows."""

from __future__ import annotations

import json

import httpx

import asgiworker
from asgistar import App, Route
from asgistar.middleware import compression, cors, request_id, security_headers, trusted_hosts

HERE = "https://here.example"


async def numbers() -> list[int]:
    return list(range(1000))


async def test_all_of_them_together() -> None:
    around = [
        trusted_hosts(["127.0.0.1"]),
        request_id(),
        security_headers(),
        cors(origins=[HERE], expose=["X-Request-ID"]),
        compression(),
    ]
    app = App([Route("/numbers/", "GET", numbers)], middleware=around)
    async with asgiworker.running(app, bind="127.0.0.1:0") as server, httpx.AsyncClient() as client:
        url = f"{server.url}/numbers/"
        for coding in ("gzip", "br", "zstd"):
            answer = await client.get(url, headers={"accept-encoding": coding, "origin": HERE})
            assert answer.headers["content-encoding"] == coding
            assert answer.json() == list(range(1000))
            assert answer.headers["access-control-allow-origin"] == HERE
            assert answer.headers["vary"] == "Accept-Encoding, Origin"
            assert len(answer.headers["x-request-id"]) == 32
            assert answer.headers["x-content-type-options"] == "nosniff"
        missing = await client.get(f"{server.url}/nothing/", headers={"origin": HERE})
        assert missing.status_code == 404
        assert missing.headers["access-control-allow-origin"] == HERE
        wrong = await client.get(url, headers={"host": "evil.example"})
        assert (wrong.status_code, json.loads(wrong.content)["detail"]) == (
            400,
            "This host is not served here.",
        )
        preflight = {"origin": HERE, "access-control-request-method": "GET"}
        assert (await client.options(url, headers=preflight)).status_code == 204
