"""Workers that are replaced: by HUP, after max_requests, by the reloader."""

from __future__ import annotations

import http.client
import re
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

Eventually = Callable[[Callable[[], bool]], None]


class Load:
    """Clients that ask again and again, on connections that they keep as long as the server does."""

    def __init__(self, url: str, context: ssl.SSLContext | None, clients: int = 8) -> None:
        self.address = urlsplit(url).hostname or "", urlsplit(url).port
        self.context = context
        self.answers: list[bytes] = []
        self.failures: list[str] = []
        self.closes = 0
        self._enough = threading.Event()
        self._clients = [threading.Thread(target=self._ask) for _ in range(clients)]
        for client in self._clients:
            client.start()

    def _ask(self) -> None:
        host, port = self.address
        connection = (
            http.client.HTTPSConnection(host, port, timeout=20, context=self.context)
            if self.context
            else http.client.HTTPConnection(host, port, timeout=20)
        )
        while not self._enough.is_set():
            try:
                connection.request("GET", "/pid")
                response = connection.getresponse()
                self.answers.append(response.read())
                self.closes += response.will_close
                if response.status != 200:
                    self.failures.append(f"status {response.status}")
                if self.context:  # what is at stake with TLS is the handshake
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()

    def end(self) -> None:
        """No more requests; wait for the answers of those that are out."""
        self._enough.set()
        for client in self._clients:
            client.join(20)


@pytest.fixture
def load() -> Iterator[Callable[..., Load]]:
    """Put load on a URL."""
    started: list[Load] = []

    def start(url: str, context: ssl.SSLContext | None = None) -> Load:
        started.append(Load(url, context))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_rolling_restart_fails_no_request(gunicorn: Any, load: Any, eventually: Eventually, loop: str):
    server = gunicorn("--workers", "2", "--asgi-loop", loop)
    traffic = load(server.url)
    eventually(lambda: len(server.serving()) == 2)
    for _ in range(2):
        before = server.workers()
        count = len(traffic.answers)
        eventually(lambda: len(traffic.answers) > count + 100)  # noqa: B023 - called at once
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(server.serving()) == 2 and server.workers().isdisjoint(before))  # noqa: B023
    traffic.end()
    assert traffic.failures == []
    assert len(set(traffic.answers)) >= 3
    assert server.end() == 0
    assert "Traceback" not in server.output
    assert "exited with code" not in server.output


def test_a_rolling_restart_breaks_no_handshake(
    gunicorn: Any, load: Any, eventually: Eventually, tmp_path: Path
):
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    server = gunicorn("--workers", "2", "--certfile", str(pem), "--bind", "localhost:0")
    traffic = load(server.url.replace("127.0.0.1", "localhost"), context)
    eventually(lambda: len(server.serving()) == 2)
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.serving()) == 2 and server.workers().isdisjoint(before))
    traffic.end()
    assert traffic.failures == []
    assert traffic.answers
    assert server.end() == 0


def test_max_requests_under_load_drops_nothing(gunicorn: Any, load: Any):
    server = gunicorn("--workers", "2", "--max-requests", "200", "--max-requests-jitter", "50")
    traffic = load(server.url)
    server.prints("max_requests is reached", times=4)
    traffic.end()
    assert traffic.failures == []
    assert traffic.closes  # connections are told, instead of being cut
    assert server.end() == 0
    assert "exited with code" not in server.output


def test_a_worker_is_replaced_after_max_requests(gunicorn: Any, eventually: Eventually):
    server = gunicorn("--max-requests", "3")
    first = server.get("/pid")
    assert [server.get("/pid"), server.get("/pid")] == [first, first]
    eventually(lambda: server.get("/pid") != first)
    assert server.output.count("max_requests is reached") == 1
    assert server.end() == 0


def test_max_requests_can_come_from_our_environment(gunicorn: Any, eventually: Eventually):
    config = "def pre_request(worker, request):\n    print(worker.max_requests, 'requests')"
    server = gunicorn(ASGIWORKER_MAX_REQUESTS="2", config=config)
    first = server.get("/pid")
    eventually(lambda: server.get("/pid") != first)
    server.prints("^2 requests$")


def test_hup_reads_our_settings_again(gunicorn: Any, project: Path, eventually: Eventually):
    settings = project / "asgiworker.toml"
    settings.write_text('root_path = "/old"\n')
    server = gunicorn()
    assert b'"root_path": "/old"' in server.get("/scope")
    settings.write_text('root_path = "/new"\n')
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: bool(server.serving()) and server.workers().isdisjoint(before))
    assert b'"root_path": "/new"' in server.get("/scope")
    assert len(re.findall(r"Listening on .* worker", server.output)) == 1  # the banner isn't repeated


# With --reload.


ANSWERING = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        {startup}
        await receive(); await send({{"type": "lifespan.startup.complete"}})
        await receive(); print("shutdown\\n", end="", flush=True)
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"{answer}"}})
"""


def test_reload_serves_what_was_saved(gunicorn: Any, project: Path, eventually: Eventually):
    source = project / "fresh.py"
    source.write_text(ANSWERING.format(startup="pass", answer="one"))
    server = gunicorn("--reload", app="fresh:app")
    assert server.get() == b"one"
    idle = http.client.HTTPConnection(urlsplit(server.url).hostname or "", urlsplit(server.url).port)
    idle.connect()  # a browser's connection, which is no reason to wait
    server.save(source, ANSWERING.format(startup="pass", answer="two"))
    began = time.monotonic()
    server.prints("Booting worker", times=2)
    assert time.monotonic() - began < 1.5
    eventually(lambda: server.get() == b"two")
    server.prints("^shutdown")
    assert "exited with code" not in server.output
    idle.close()
    assert server.end() == 0


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("def app(:", b"SyntaxError"),
        ("import fresh_dependency", b"fresh_dependency"),
        ("1 / 0", b"ZeroDivisionError"),
    ],
)
def test_an_application_that_cannot_be_imported_waits_for_its_next_version(
    gunicorn: Any, project: Path, eventually: Eventually, broken: str, complaint: bytes
):
    source = project / "fresh.py"
    source.write_text(broken)
    server = gunicorn("--reload", app="fresh:app")
    assert complaint in server.get()
    server.prints("The application can't be imported; waiting for a change")
    server.save(source, ANSWERING.format(startup="pass", answer="mended"))
    eventually(lambda: server.get() == b"mended")
    assert server.end() == 0


def test_an_application_that_cannot_start_waits_for_its_next_version(
    gunicorn: Any, project: Path, eventually: Eventually
):
    source = project / "fresh.py"
    source.write_text(ANSWERING.format(startup='raise OSError("no database")', answer="one"))
    server = gunicorn("--reload", "--asgi-lifespan", "on", app="fresh:app")
    assert b"no database" in server.get()
    server.save(source, ANSWERING.format(startup="pass", answer="mended"))
    eventually(lambda: server.get() == b"mended")


def test_reload_does_not_wait_for_a_module_that_is_not_there(gunicorn: Any):
    server = gunicorn("--reload", app="nowhere:app")
    assert server.wait() == 3
    assert "No module named 'nowhere'" in server.output


def test_extra_files_are_watched_too(gunicorn: Any, project: Path, eventually: Eventually):
    extra = project / "settings.yaml"
    extra.write_text("a: 1")
    server = gunicorn("--reload", "--reload-extra-file", str(extra))
    before = server.get("/pid")
    server.save(extra, "a: 2")
    eventually(lambda: server.get("/pid") != before)
