"""What the tests of the chat share: the application, served by the command. The browser is everybody's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from websockets.sync.client import ClientConnection

FOLDER = Path(__file__).parents[1]
PATIENCE = 30  # seconds for what normally takes milliseconds


# --- the server ---------------------------------------------------------------------------------------------


class Chat:
    """The chat, served by a process of its own, on a port that stays the same when it starts again."""

    def __init__(self, *options: str, scheme: str = "http") -> None:
        self.options = options
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.url = f"{scheme}://{self.address}/"
        self.log = ""
        self.process: subprocess.Popen[str]
        self.clients = ExitStack()

    def start(self) -> None:
        """Start it; it answers when this returns."""
        descriptor = self.listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asgiworker", "app:app", "--bind", f"fd://{descriptor}", *self.options],
            cwd=FOLDER,
            env={name: value for name, value in os.environ.items() if not name.startswith("ASGIWORKER_")},
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,))
        self._reader.start()
        with httpx.Client(verify=False) as client:
            assert client.get(self.url, timeout=PATIENCE).status_code == 200

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.log += line

    def stop(self) -> None:
        """Stop it: it ends well, and has nothing to complain of."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join()
        assert code == 0, self.log
        assert "Traceback" not in self.log, self.log

    def connect(self) -> ClientConnection:
        """A WebSocket of a client that isn't a browser."""
        client = websockets.sync.client.connect(f"ws://{self.address}/chat", proxy=None)
        return self.clients.enter_context(client)


@contextmanager
def served(*options: str, scheme: str = "http") -> Iterator[Chat]:
    """The chat while it runs."""
    chat = Chat(*options, scheme=scheme)
    with chat.listener, chat.clients:
        chat.start()
        try:
            yield chat
        finally:
            chat.stop()


Serve = Callable[..., Chat]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve the chat: `serve("--loop", "asyncio")`."""
    with ExitStack() as stack:
        yield lambda *options, **keywords: stack.enter_context(served(*options, **keywords))


@pytest.fixture
def chat(serve: Serve) -> Chat:
    """The chat, with an empty room."""
    return serve()
