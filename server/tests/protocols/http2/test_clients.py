"""Clients as people use them: curl, httpx, nghttp2's own tools, and a browser."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme

from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.http2.conftest import Opener

pytestmark = pytest.mark.every_python

DEADLINE = 30.0

PAGE = b"""<!doctype html><title>a test</title><script type=module>
const seen = {errors: []};
addEventListener("error", event => seen.errors.push(String(event.message)));
addEventListener("unhandledrejection", event => seen.errors.push(String(event.reason)));
try {
  seen.page = performance.getEntriesByType("navigation")[0].nextHopProtocol;
  seen.answers = await Promise.all([...Array(50).keys()].map(async n => (await fetch("/echo?" + n)).text()));
  const body = new Uint8Array(1 << 20).fill(7);
  const echoed = new Uint8Array(await (await fetch("/echo", {method: "POST", body})).arrayBuffer());
  seen.echoed = echoed.length === body.length && echoed.every(byte => byte === 7);
  const aborting = new AbortController();
  const endless = await fetch("/endless", {signal: aborting.signal});
  await endless.body.getReader().read();
  aborting.abort();
  const socket = new WebSocket("wss://" + location.host + "/socket", "chat");
  seen.socket = await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send("hello");
    socket.onmessage = event => {
      socket.close(4000, "enough");
      resolve(event.data + " " + socket.protocol);
    };
    socket.onerror = () => reject("WebSocket");
  });
} catch (error) { seen.errors.push(String(error)); }
await fetch("/result", {method: "POST", body: JSON.stringify(seen)});
</script>"""


class Site:
    """A page, an echo, a stream without end, a WebSocket, and the place where the page tells what it saw."""

    def __init__(self) -> None:
        self.result: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.scopes: list[Scope] = []
        self.left = asyncio.Event()
        self.closed: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await self.socket(receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/result" and not self.result.done():
            self.result.set_result(json.loads(body))
        headers = [(b"content-type", b"text/html" if scope["path"] == "/" else b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/endless":
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            self.left.set()
            return
        answers = {"/": PAGE, "/echo": body or scope["query_string"]}
        await send({"type": "http.response.body", "body": answers.get(scope["path"], b"")})

    async def socket(self, receive: Receive, send: Send) -> None:
        """Accepts, and repeats what it gets."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        self.closed.append(message)


Run = Callable[..., Awaitable[str]]


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Runs a program to its end, and gives what it prints; one that isn't installed skips the test."""
    running: list[asyncio.subprocess.Process] = []

    async def start(*words: str, waits: bool = True) -> str:
        if shutil.which(words[0]) is None:
            pytest.skip(f"{words[0]} is not installed")
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        running.append(process)
        if not waits:
            return ""
        output, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode == 0, output.decode()
        return output.decode()

    yield start
    for process in running:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.communicate(), DEADLINE)


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate in a file."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_curl(http2: Opener, run: Run, ca: str, tmp_path: Path, tls: bool) -> None:
    server = await http2.serve(Site(), tls=tls)
    url = server.url.replace("127.0.0.1", "localhost") if tls else server.url
    options = ["--http2", "--cacert", ca] if tls else ["--http2-prior-knowledge"]
    curl = ["curl", "--silent", "--show-error", *options, "--write-out", " %{http_version} %{http_code}"]
    assert await run(*curl, f"{url}/echo?hello") == "hello 2 200"
    assert await run(*curl, "--head", "--output", "/dev/null", f"{url}/echo?hello") == " 2 200"
    upload = tmp_path / "upload"
    upload.write_bytes(b"0123456789" * 100_000)
    for more in ([], ["--header", "expect: 100-continue"]):
        posted = await run(*curl, *more, "--data-binary", f"@{upload}", f"{url}/echo")
        assert posted == "0123456789" * 100_000 + " 2 200"
    if tls:  # by prior knowledge, curl 7.88 can't use a connection twice, whatever the server
        several = [f"{url}/echo?{number}" for number in range(5)]
        assert (await run(*curl, *several)).count(" 2 200") == 5
        assert (await run(*curl, "--parallel", *several)).count(" 2 200") == 5


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_httpx(http2: Opener, trust: ssl.SSLContext, tls: bool) -> None:
    server = await http2.serve(Site(), tls=tls)
    url = server.url.replace("127.0.0.1", "localhost") if tls else server.url
    async with httpx.AsyncClient(http1=False, http2=True, verify=trust, base_url=url) as client:
        answers = await asyncio.gather(*[client.get(f"/echo?{number}") for number in range(50)])
        assert [answer.text for answer in answers] == [str(number) for number in range(50)]
        assert {answer.http_version for answer in answers} == {"HTTP/2"}
        posted = await client.post("/echo", content=bytes(1_000_000))
        assert posted.content == bytes(1_000_000)
    assert len(http2.servers) == 1


async def test_h2load(http2: Opener, run: Run) -> None:
    server = await http2.serve(Site())
    output = await run("h2load", "-n", "2000", "-c", "4", "-m", "50", f"{server.url}/echo?hello")
    assert "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout" in output


async def test_nghttp(http2: Opener, run: Run) -> None:
    server = await http2.serve(Site())
    assert await run("nghttp", f"{server.url}/echo?hello") == "hello"
    assert "[ERROR]" not in await run("nghttp", "--verbose", "--continuation", f"{server.url}/echo?hello")


@pytest.mark.slow
async def test_a_browser(http2: Opener, run: Run, tmp_path: Path) -> None:
    """Requests side by side, an upload, a stream that is left, and a WebSocket, all on one connection."""
    site = Site()
    server = await http2.serve(site, tls=True)
    await run(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--ignore-certificate-errors",
        f"--user-data-dir={tmp_path / 'browser'}", "--remote-debugging-port=0",
        f"{server.url.replace('127.0.0.1', 'localhost')}/", waits=False,
    )  # fmt: skip
    seen = await asyncio.wait_for(site.result, DEADLINE)
    assert seen == {
        "errors": [],
        "page": "h2",
        "answers": [str(number) for number in range(50)],
        "echoed": True,
        "socket": "hello chat",
    }
    await asyncio.wait_for(site.left.wait(), DEADLINE)
    assert {scope["http_version"] for scope in site.scopes} == {"2"}
    [scope] = [scope for scope in site.scopes if scope["type"] == "websocket"]
    assert (scope["scheme"], scope["subprotocols"]) == ("wss", ["chat"])
    assert site.closed == [{"type": "websocket.disconnect", "code": 4000, "reason": "enough"}]
