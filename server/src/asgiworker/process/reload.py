"""`--reload`: a parent that watches the sources, and a child that serves and is replaced when they change.

The parent opens the listening sockets once and the child inherits them: while no child accepts, connections
wait in the backlog and none is refused. The child is a new interpreter: nothing of the old code is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from asgiworker.process.mistakes import Mistake
from asgiworker.process.settings import OPTIONS, Settings
from asgiworker.process.sockets import Listener

if TYPE_CHECKING:
    from watchfiles import Change

logger = logging.getLogger("asgiworker.server")

# "3,4/5": the listening sockets, and the pipe by which the parent speaks.
INHERITANCE_VARIABLE = "_ASGIWORKER_RELOAD"

INCLUDED = ("*.py",)
EXCLUDED_DIRECTORIES = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})

# What only an arbiter of several workers does; the child is one process.
ARBITER_ONLY = ("workers", "preload", "pid", "user", "group")

# In milliseconds: the quiet that ends a burst of changes, the longest burst, the time between two looks.
QUIET, BURST, LOOK = 25, 250, 100

# In seconds: what a child may take after the terminal's own SIGINT, and between SIGTERM and SIGKILL.
INTERRUPT_GRACE, KILL_GRACE = 0.5, 5.0
# In seconds: what requests in flight and the lifespan's shutdown may take when a change replaces the server.
REQUEST_GRACE, SHUTDOWN_GRACE = 0.25, 2.0


# The child's side.


def inherit(settings: Settings, environ: MutableMapping[str, str]) -> Settings | None:
    """In a child, the settings it serves with: its parent's sockets, one process, a short farewell.

    None in any other process. Returns when the parent says so; SIGTERM comes when the parent is gone.
    """
    inheritance = environ.pop(INHERITANCE_VARIABLE, None)
    if inheritance is None:
        return None
    listening, _, lifeline = inheritance.partition("/")
    _wait(int(lifeline))
    threading.Thread(target=_wait, args=(int(lifeline),), name="lifeline", daemon=True).start()
    one_process: dict[str, Any] = {name: OPTIONS[name].default for name in ARBITER_ONLY}
    return dataclasses.replace(
        settings,
        bind=tuple(f"fd://{fd}" for fd in listening.split(",")),
        reload=False,
        graceful_timeout=min(settings.graceful_timeout, REQUEST_GRACE),
        drain_delay=0.0,
        timeout_shutdown=min(settings.timeout_shutdown or SHUTDOWN_GRACE, SHUTDOWN_GRACE),
        **one_process,
    )


def _wait(lifeline: int) -> None:
    """Wait for the parent's word, which is written once; its end reads as none, and ends the child."""
    if not os.read(lifeline, 1):
        os.kill(os.getpid(), signal.SIGTERM)


# The parent's side.


class Child:
    """A server in a process of its own. It starts up and waits for `go` before it imports the application."""

    def __init__(
        self, command: Sequence[str], directory: str, environ: Mapping[str, str], listening: Sequence[int]
    ) -> None:
        lifeline, self._lifeline = os.pipe()
        inheritance = f"{','.join(map(str, listening))}/{lifeline}"
        try:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**environ, INHERITANCE_VARIABLE: inheritance},
                pass_fds=[*listening, lifeline],
            )
        finally:
            os.close(lifeline)

    def go(self) -> None:
        """Let it import the application and serve."""
        with contextlib.suppress(BrokenPipeError):  # it has failed already, which `code` will tell
            os.write(self._lifeline, b"!")

    @property
    def code(self) -> int | None:
        """Its exit code, when it has ended."""
        return self._process.poll()

    def end(self, patience: float = 0) -> None:
        """End it: politely, if it has not ended by itself after `patience` seconds, and by force later."""
        deadlines = [
            threading.Timer(patience, self._process.terminate),
            threading.Timer(patience + KILL_GRACE, self._process.kill),
        ]
        for deadline in deadlines:
            deadline.start()
        self._process.wait()
        for deadline in deadlines:
            deadline.cancel()
        os.close(self._lifeline)


class Reloader:
    """The parent: one child at a time, replaced when a file changes."""

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[Listener],
        arguments: Sequence[str],
        environ: Mapping[str, str],
        directory: str,
        extra_files: Iterable[Path] = (),
    ) -> None:
        """The child is started with `arguments` and `environ` in `directory`, as the parent was.

        `extra_files` are watched beside those of the settings. Raises `Mistake` for a directory that is not
        there.
        """
        self._settings = settings
        self._listening = [listener.sock.fileno() for listener in listeners]
        self._command = [sys.executable, "-m", "asgiworker", *arguments]
        self._environ = environ
        self._directory = directory
        self._sources = Sources(settings)
        self._files = Files([*map(Path, settings.reload_extra_files), *extra_files])
        self._stopping = threading.Event()
        self._patience = 0.0

    def run(self) -> int:
        """Serve and restart until SIGINT or SIGTERM; returns the exit code of the command."""
        unused = [OPTIONS[name].flag for name in ARBITER_ONLY if name in self._settings.origins]
        if unused:
            logger.warning("Reloading runs one process, without %s", ", ".join(unused))
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        child = self._child()
        child.go()
        waiting = False  # for a change, because the child has failed
        try:
            for changed in self._changes():
                if changed or (child.code == 0 and not waiting):  # 0: it has had its --max-requests
                    if changed:
                        logger.info("%s changed, restarting", ", ".join(changed))
                    # The next one starts up while this one ends; they never run the application at once.
                    following = self._child()
                    child.end()
                    child, waiting = following, False
                    child.go()
                elif child.code is not None and not waiting:
                    logger.warning("The server ended with exit code %d; waiting for a change", child.code)
                    waiting = True
        finally:
            child.end(self._patience)
            for number, handler in previous.items():
                signal.signal(number, handler)
        return 0

    def _child(self) -> Child:
        return Child(self._command, self._directory, self._environ, self._listening)

    def _changes(self) -> Iterator[list[str]]:
        """What has changed, by its path; an empty list when it is time to look at the child."""
        from watchfiles import watch  # here, because the child, which is to start fast, has no use for it

        watching = watch(
            *self._sources.roots,
            watch_filter=self._sources.includes,
            debounce=BURST,
            step=QUIET,
            stop_event=self._stopping,
            rust_timeout=LOOK,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        try:
            for changes in watching:
                yield sorted({os.path.relpath(path) for _, path in changes} | self._files.changed())
        except OSError as error:
            raise Mistake(
                f"The sources can't be watched: {error}.",
                "Name fewer directories with --reload-dir, or raise the system's limit (fs.inotify).",
            ) from error

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            # At Ctrl-C the terminal tells the child, too; a second signal would cut its farewell short.
            self._patience = INTERRUPT_GRACE
        self._stopping.set()


class Sources:
    """Which files below the watched directories count as sources."""

    def __init__(self, settings: Settings) -> None:
        """Raises `Mistake` for a directory that is not there."""
        self.roots = [Path(directory).resolve() for directory in settings.reload_dirs or (settings.app_dir,)]
        for root in self.roots:
            if not root.is_dir():
                raise Mistake(f"There is no directory {root} to watch.", "See --reload-dir.")
        self._included = (*INCLUDED, *settings.reload_include)
        self._excluded = settings.reload_exclude

    def includes(self, change: Change, path: str) -> bool:
        """Whether a change of the file at this absolute path asks for a restart."""
        whole = Path(path)
        return any(self._counts(whole.relative_to(root)) for root in self.roots if whole.is_relative_to(root))

    def _counts(self, below: Path) -> bool:
        if any(part.startswith(".") or part in EXCLUDED_DIRECTORIES for part in below.parts):
            return False
        if any(_matches(each, self._excluded) for each in (below, *below.parents)):
            return False
        return _matches(below, self._included)


def _matches(path: Path, patterns: Iterable[str]) -> bool:
    """Whether the name, or the whole path below the watched directory, fits one of the patterns."""
    return any(
        fnmatch.fnmatch(path.name, pattern) or fnmatch.fnmatch(str(path), pattern) for pattern in patterns
    )


class Files:
    """Single files, by the time they were written: few, anywhere, and often replaced rather than changed."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._seen = {path: _written(path) for path in paths}

    def changed(self) -> set[str]:
        """Those that were written, made or removed since the last call."""
        changed = set()
        for path, before in self._seen.items():
            now = _written(path)
            if now != before:
                self._seen[path] = now
                changed.add(str(path))
        return changed


def _written(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
