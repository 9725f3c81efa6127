"""`asgistar shell`: Python with an application and its components, where `await` works.

The loop turns in a thread of its own, and what is typed runs on it; so Ctrl-C at the prompt is only that.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import code
import contextlib
import contextvars
import inspect
import sys
import threading
import traceback
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, wait
from types import CodeType, FunctionType
from typing import Any

from asgistar import __version__
from asgistar.app import App
from asgistar.cli.loading import Application
from asgistar.cli.mistakes import Mistake, failure, of_the_application
from asgistar.cli.parser import Parser
from asgistar.errors import ConfigurationError

BANNER = """\
asgistar {0}, Python {1}
app is {2}; scope has its components: await scope.get(Type), await scope.call(function)"""

TURN = 0.2  # seconds between two looks for a signal


def declare(parser: Parser) -> None:
    """The arguments."""
    parser.description = (
        f"{parser.description}\n\nWhat isn't typed (asgistar shell < file.py) is run as a whole."
    )
    parser.add_argument("-c", "--command", metavar="CODE", help="run this instead, and end")


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Read and run what is typed, or run what is given."""
    app = application.app
    source: str | None = options.command
    if source is None and not sys.stdin.isatty():
        source = sys.stdin.read()
    try:
        with _Loop(app) as loop:
            names = {"app": app, "scope": loop.scope, "asyncio": asyncio, "__name__": "__asgistar__"}
            console = _Console(names, loop)
            if source is not None:
                return console.run(source)
            with _completion(names):
                version = ".".join(map(str, sys.version_info[:3]))
                console.interact(BANNER.format(__version__, version, application.target), "")
    except ConfigurationError as error:
        raise Mistake(str(error)) from error
    except Exception as error:
        raise failure("The components failed", error) from error
    return 0


class _Loop:
    """A loop in a thread, with a scope of components that is open as long as the context.

    Attributes:
        scope: the scope.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._ready: Future[Any] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._live, name="asgistar shell")
        # What is set in one line is there in the next one.
        self._context = contextvars.copy_context()

    def __enter__(self) -> _Loop:
        self._thread.start()
        self._loop, self._stop, self.scope = self._ready.result()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._ended.result()

    def _live(self) -> None:
        try:
            asyncio.run(self._open())
        except BaseException as error:
            (self._ended if self._ready.done() else self._ready).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _open(self) -> None:
        stop = asyncio.Event()
        async with self._app.scope() as scope:
            self._ready.set_result((asyncio.get_running_loop(), stop, scope))
            await stop.wait()

    def call(self, function: FunctionType) -> Any:
        """What a function returns, or its coroutine; KeyboardInterrupt cancels it."""
        done: Future[Any] = Future()
        tasks: list[asyncio.Task[None]] = []

        async def awaited(coroutine: Coroutine[Any, Any, Any]) -> None:
            try:
                done.set_result(await coroutine)
            except BaseException as error:  # SystemExit, too: it is to end the command, not the loop alone
                done.set_exception(error)

        def start() -> None:
            try:
                result = self._context.run(function)
            except BaseException as error:
                done.set_exception(error)
                return
            if inspect.iscoroutine(result):
                tasks.append(self._loop.create_task(awaited(result), context=self._context))
            else:
                done.set_result(result)

        self._loop.call_soon_threadsafe(start)
        try:
            # Ctrl-C doesn't interrupt a lock that is just about to be waited for: it is seen after that.
            while not done.done():
                wait((done,), TURN)
            return done.result()
        except KeyboardInterrupt:
            for task in tasks:
                self._loop.call_soon_threadsafe(task.cancel)
            with contextlib.suppress(BaseException):
                done.result()
            raise


class _Console(code.InteractiveConsole):
    """A prompt whose lines run on the loop."""

    def __init__(self, names: dict[str, Any], loop: _Loop) -> None:
        super().__init__(names)
        self._loop = loop
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def runcode(self, code: CodeType) -> None:
        """Run a line; an error is shown, and the next line is waited for."""
        try:
            self._loop.call(FunctionType(code, self.locals))
        except SystemExit:
            raise
        except BaseException:
            self.showtraceback()

    def run(self, source: str) -> int:
        """Run a whole source; the exit code."""
        try:
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            self._loop.call(FunctionType(compile(source, "<shell>", "exec", flags), self.locals))
        except SystemExit:
            raise
        except SyntaxError:
            traceback.print_exc(limit=0)
            return 1
        except Exception as error:
            sys.stderr.write(of_the_application(error))
            return 1
        return 0


@contextlib.contextmanager
def _completion(names: dict[str, Any]) -> Iterator[None]:
    """Let the tabulator complete names, where there is readline."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        yield
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
