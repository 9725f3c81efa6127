"""`asgistar shell`: a prompt with the application, its components, and await."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from framework.tests.cli.conftest import Project


def test_what_is_given_is_run_with_await_and_the_scope(shop: Project) -> None:
    source = (
        "from main import Stock\nprint((await scope.get(Stock)).items, app.url_for('items:detail', number=0))"
    )
    ended = shop("shell", "-c", source)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "[Item(name='apple', price=3)] /items/0/\nstock is closed\n"


def test_what_is_piped_in_is_run_as_a_whole(shop: Project) -> None:
    ended = shop(
        "shell", stdin="async def two():\n    await asyncio.sleep(0)\n    return 2\nprint(await two())\n"
    )
    assert (ended.code, ended.out, ended.err) == (0, "2\nstock is closed\n", "")


def test_an_error_is_the_end_of_what_is_given(shop: Project) -> None:
    ended = shop("shell", "-c", "1\nawait scope.get(int)\nprint('never')")
    assert (ended.code, ended.out) == (1, "stock is closed\n")
    assert ended.err.startswith('Traceback (most recent call last):\n  File "<shell>", line 2, in <module>\n')
    assert ended.err.endswith("ConfigurationError: No component provides int.\n")
    ended = shop("shell", "-c", "1 +")
    assert (ended.code, ended.out) == (1, "stock is closed\n")
    assert "SyntaxError" in ended.err
    assert shop("shell", "-c", "raise SystemExit(7)").code == 7
    assert shop("shell", "-c", "await asyncio.sleep(0); exit(8)").code == 8


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ConfigurationError('APP_KEY is missing.')\n    yield", "Error: APP_KEY is missing.\n"),
        (
            "raise OSError('no disk')\n    yield",
            "Error: The components failed: OSError.\nHint: The traceback is above.\n",
        ),
        (
            "yield Stock()\n    raise OSError('no disk')",
            "Error: The components failed: OSError.\nHint: The t",
        ),
    ],
)
def test_components_that_fail_are_told(empty: Project, source: str, message: str) -> None:
    empty.write(
        "main.py",
        f"""
from collections.abc import Iterator
from asgistar import App, ConfigurationError, component
class Stock: ...
@component(scope="app")
def stock() -> Iterator[Stock]:
    {source}
app = App([], components=[stock])
        """,
    )
    ended = empty("shell", "-c", "print('in')")
    assert ended.code == 1
    assert message in ended.err


class Terminal:
    """A shell at a terminal."""

    def __init__(self, project: Project) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            project.command("shell"),
            cwd=project.folder,
            env=project.environment | {"TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, end: str) -> str:
        """What is written, up to and with `end`."""
        written = ""
        while end not in written:
            assert select.select([self._ours], [], [], 30)[0], written
            try:
                written += os.read(self._ours, 4096).decode()
            except OSError:  # it has ended
                assert end == "", written
                break
        return written

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode())

    def say(self, line: str, prompt: str = ">>> ") -> str:
        """What is answered to a line."""
        self.type(line + "\n")
        return self.until(prompt).replace("\r", "")

    def interrupt(self) -> str:
        """Ctrl-C; once more where Python missed it, as it does right after its prompt."""
        for _ in range(30):
            self.process.send_signal(signal.SIGINT)
            if select.select([self._ours], [], [], 1)[0]:
                break
        return self.until(">>> ")

    def close(self) -> None:
        """End it as a person does, by the end of input; in any case."""
        try:
            if self.process.poll() is None:
                self.type("\x04")
                self.until("stock is closed")
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._ours)


@pytest.fixture
def terminal(shop: Project) -> Iterator[Terminal]:
    made = Terminal(shop)
    yield made
    made.close()


def test_at_the_prompt_lines_run_on_one_loop(terminal: Terminal) -> None:
    assert re.search(
        r"asgistar \S+, Python 3\.\d+\.\d+\r\napp is main:app; scope has", terminal.until(">>> ")
    )
    assert "Item(name='apple', price=3)" in terminal.say(
        "from main import Stock; (await scope.get(Stock)).items"
    )
    terminal.say("loop = asyncio.get_running_loop()")
    assert "True" in terminal.say("await asyncio.sleep(0, loop is asyncio.get_running_loop())")
    terminal.say("import contextvars; v = contextvars.ContextVar('v'); await asyncio.sleep(0, v.set(7))")
    assert "7" in terminal.say("v.get()").splitlines()
    assert "ZeroDivisionError" in terminal.say("await asyncio.sleep(1 / 0)")
    assert "NameError" in terminal.say("nothing")
    assert "SyntaxError" in terminal.say("1 1")


def test_ctrl_c_cancels_a_line_and_not_the_shell(terminal: Terminal) -> None:
    terminal.until(">>> ")
    terminal.type("print('be' + 'gun'); await asyncio.sleep(600)\n")
    terminal.until("begun")
    assert "KeyboardInterrupt" in terminal.interrupt()
    assert "KeyboardInterrupt" in terminal.interrupt()
    assert "CancelledError" in terminal.say("asyncio.current_task().cancel(); await asyncio.sleep(1)")
    assert "4" in terminal.say("2 + 2").splitlines()


def test_the_end_of_input_closes_the_scope(terminal: Terminal) -> None:
    terminal.until(">>> ")
    terminal.type("\x04")
    terminal.until("stock is closed")
    assert terminal.process.wait(30) == 0


def test_exit_has_its_code(terminal: Terminal) -> None:
    terminal.until(">>> ")
    terminal.type("exit(3)\n")
    terminal.until("stock is closed")
    assert terminal.process.wait(30) == 3
