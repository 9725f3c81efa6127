"""What the tests of the notes share: databases, the application in process, and people who use it."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgistar.testing import AsyncClient

FOLDER = Path(__file__).parents[1]
PATIENCE = 30  # seconds for what normally takes milliseconds
PASSWORD = "correct horse"


# --- databases ----------------------------------------------------------------------------------------------


# One process for all, since it takes longer to start than to do it.
ALEMBIC = """
import sys
from alembic.config import main
for line in sys.argv[1:]:
    print("$", line, flush=True)
    main(line.split(), prog="alembic")
"""


def alembic(url: str, *lines: str) -> str:
    """Run `alembic` on a database, once for each line; what it says."""
    ended = subprocess.run(
        [sys.executable, "-c", ALEMBIC, *lines],
        cwd=FOLDER,
        env={**os.environ, "NOTES_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class SQLite:
    """Databases that are files.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.db"
        alembic(f"sqlite:///{self.template}", "upgrade head")

    def empty(self, name: str) -> str:
        """The address of a new database without tables."""
        return f"sqlite:///{self.folder / name}.db"

    def tables(self, name: str) -> str:
        """The address of a new database with the tables."""
        shutil.copy(self.template, self.folder / f"{name}.db")
        return self.empty(name)


class PostgreSQL:
    """A cluster of PostgreSQL that is thrown away. It refuses to run as root, so it has a user of its own.

    Args:
        programs: the folder with initdb, pg_ctl and so on.
        user: who it runs as; None for ourselves.
    """

    def __init__(self, programs: Path, user: str | None) -> None:
        # Not below pytest's folder: that is open to ourselves alone.
        self.folder = Path(tempfile.mkdtemp(prefix="notes-postgresql-"))
        self.programs = programs
        self.user = user
        if user:
            shutil.chown(self.folder, user)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]

    def start(self) -> None:
        """Make it, and start it."""
        data = self.folder / "data"
        self.run("initdb", "-D", data, "-U", "notes", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", data, "-l", self.folder / "log", "-o", options, "-w", "start")
        alembic(self.empty("notes"), "upgrade head")

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of its programs."""
        # What it starts keeps our pipes open: its words go to a file.
        with open(os.devnull) as nothing, tempfile.TemporaryFile("w+") as said:
            code = subprocess.run(
                [self.programs / program, *arguments],
                user=self.user,
                cwd="/",
                stdin=nothing,
                stdout=said,
                stderr=said,
                timeout=60,
                check=False,
            ).returncode
            said.seek(0)
            assert code == 0, said.read()

    def _url(self, name: str) -> str:
        return f"postgresql://notes@127.0.0.1:{self.port}/{name}"

    def _ask(self, program: str, *arguments: str) -> None:
        """Run one of its clients."""
        self.run(program, "-h", "127.0.0.1", "-p", str(self.port), "-U", "notes", *arguments)

    def empty(self, name: str) -> str:
        """The address of a new database without tables."""
        self._ask("createdb", "-T", "template0", name)
        return self._url(name)

    def tables(self, name: str) -> str:
        """The address of a database with empty tables: always the same one, for a new one has 7 MB."""
        self._ask("psql", "-q", "-d", "notes", "-c", "TRUNCATE users RESTART IDENTITY CASCADE")
        return self._url("notes")

    def close(self) -> None:
        """Stop it, if it runs, and throw it away."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)


@pytest.fixture(scope="session")
def _sqlite(tmp_path_factory: pytest.TempPathFactory) -> SQLite:
    return SQLite(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[PostgreSQL]:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip(
            "there is no PostgreSQL on this machine; on Debian and Ubuntu: apt-get install postgresql"
        )
    cluster = PostgreSQL(folders[-1], "postgres" if os.geteuid() == 0 else None)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> SQLite | PostgreSQL:
    """Where databases are made; a test that uses it runs with each kind."""
    found: SQLite | PostgreSQL = request.getfixturevalue(f"_{request.param}")
    return found


_made = iter(range(1_000_000))


@pytest.fixture
def run_alembic(databases: SQLite | PostgreSQL) -> Callable[..., str]:
    """`run_alembic("upgrade head", …)`: run `alembic` on a database without tables."""
    return partial(alembic, databases.empty(f"empty{next(_made)}"))


@pytest.fixture
def settings(
    databases: SQLite | PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The variables that the notes are set up with: for this test, and what it starts."""
    made = {
        "NOTES_DATABASE_URL": databases.tables(f"test{next(_made)}"),
        "NOTES_ATTACHMENTS": str(tmp_path / "attachments"),
    }
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    return made


# --- in process ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def notes() -> Iterator[Any]:
    """The module of the application. Others are called app, too, so it is forgotten again."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("app")
    finally:
        sys.path.remove(str(FOLDER))
        for name in list(sys.modules):
            if name.partition(".")[0] in ("app", "notes"):
                del sys.modules[name]


@pytest.fixture
async def client(
    notes: Any, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncClient]:
    """A client that nobody knows. Every answer must be as the documentation says."""
    monkeypatch.setattr(sys.modules["notes.passwords"], "COST", 2)  # not what is tested, but often done
    async with AsyncClient(notes.app, conforms=True) as client:
        yield client


Join = Callable[[str], Awaitable[AsyncClient]]


@pytest.fixture
def join(notes: Any, client: AsyncClient) -> Join:
    """A client of somebody who has just signed up: `await join("Eve")`."""

    async def join(name: str) -> AsyncClient:
        form = {"email": f"{name}@example.com", "name": name, "password": PASSWORD}
        answer = await client.post("/users/", json=form)
        assert answer.status_code == 201, answer.text
        return client.as_(notes.users.Identity(answer.json()["id"]))

    return join


@pytest.fixture
async def ada(join: Join) -> AsyncClient:
    """A client of Ada."""
    return await join("Ada")


@pytest.fixture
async def eve(join: Join) -> AsyncClient:
    """A client of Eve, who wants what is Ada's."""
    return await join("Eve")


# --- processes ----------------------------------------------------------------------------------------------


class Served:
    """The notes, served by processes of their own.

    Args:
        server: what serves them: asgiworker, gunicorn, uvicorn or granian.
        app: the application.
        options: of the server.
        path: where Python looks for modules besides.
    """

    def __init__(self, server: str, *options: str, app: str = "app:app", path: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        arguments = {
            "asgiworker": ["--bind", self.address, app],
            "gunicorn": ["--bind", self.address, "-k", "asgiworker.ASGIWorker", app],
            "uvicorn": ["--port", port, app],
            "granian": ["--interface", "asgi", "--port", port, app],
        }[server]
        self.command = [sys.executable, "-m", server, *options, *arguments]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, str(FOLDER)])}
        self.start()

    def start(self) -> None:
        """Start it; it answers when this returns. Once stopped, it can be started again."""
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by stop()
        self.process = subprocess.Popen(
            self.command, cwd=FOLDER, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        self._await()

    def said(self) -> str:
        """What it has said."""
        self.log.seek(0)
        return self.log.read()

    def _await(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.said()
            try:
                assert httpx.get(f"{self.url}/", trust_env=False, timeout=PATIENCE).status_code == 200
                return
            except httpx.TransportError:
                assert time.monotonic() < end, self.said()
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            said = self.said()
            self.log.close()
        assert "Traceback" not in said, said


Serve = Callable[..., Served]


@pytest.fixture
def serve(settings: dict[str, str]) -> Iterator[Serve]:
    """Serve the notes: `serve("gunicorn", "-w", "2")`."""
    with ExitStack() as stack:

        def start(*arguments: str, **named: str) -> Served:
            served = Served(*arguments, **named)
            stack.callback(served.stop)
            return served

        yield start
