"""What the server says of itself: where its records go, their shape, and what a configuration may change."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.instrument.statsd import Statsd
from hypothesis import given, settings
from hypothesis import strategies as st

from asgiworker.process import logs
from asgiworker.process.logs import LineFormatter, LogError, banner, configure, follow

NAMES = ("asgiworker.server", "asgiworker.asgi", "asgiworker.access")
SERVER, ASGI, ACCESS = (logging.getLogger(name) for name in NAMES)


@dataclass(frozen=True)
class Settings:
    errorlog: str = "-"
    log_level: str = "info"
    log_config: str | None = None


@contextlib.contextmanager
def fresh_logging() -> Iterator[io.StringIO]:
    """Logging as a new process has it, and its stderr; put back afterwards."""
    root = logging.getLogger()
    loggers = [root, SERVER, ASGI, ACCESS, logging.getLogger("asgiworker"), logging.getLogger("shop")]
    before = [(each, each.handlers, each.level, each.propagate) for each in loggers]
    stderr = io.StringIO()
    for each in loggers:
        each.handlers = []
        each.setLevel(logging.WARNING if each is root else logging.NOTSET)
        each.propagate = True
    try:
        with contextlib.redirect_stderr(stderr):
            yield stderr
    finally:
        for each, handlers, level, propagate in before:
            for handler in each.handlers:
                handler.close()
            each.handlers, each.propagate = handlers, propagate
            each.setLevel(level)


def record(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("asgiworker.server", level, __file__, 1, message, arguments, None)


# --- the shape of a record -------------------------------------------------------------------------------


def test_a_record_is_one_line_in_the_shape_of_gunicorns() -> None:
    made = LineFormatter().format(record("Listening on %s", "http://127.0.0.1:8000", level=logging.WARNING))

    assert re.fullmatch(
        rf"\[\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}}] \[{os.getpid()}] \[WARNING] Listening on http://127.0.0.1:8000",
        made,
    )


def test_a_traceback_is_indented() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        info = sys.exc_info()
    made = LineFormatter().format(logging.LogRecord("x", logging.ERROR, __file__, 1, "It failed.", (), info))

    first, *others = made.splitlines()
    assert first.endswith("[ERROR] It failed.")
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-2:] == ["    ValueError: two", "    lines"]
    assert all(line.startswith("    ") for line in others)


def test_control_characters_are_escaped() -> None:
    made = LineFormatter("%(message)s").format(record("\x1b[2J\r\x00\t\x7f\x9bé\u202e\u2028€\U000e0001"))

    assert made == "\\x1b[2J\\x0d\\x00\t\\x7f\\x9bé\\u202e\\u2028€\\U000e0001"


@settings(deadline=None)
@given(st.text())
def test_no_message_passes_for_a_record_of_its_own(message: str) -> None:
    made = LineFormatter().format(record("%s", message))

    first, *others = made.split("\n")
    assert first.startswith("[")
    assert all(line.startswith("    ") for line in others)
    assert all(each.isprintable() or ord(each) <= 0xFF for each in made)
    assert len(made.splitlines()) in (len(made.split("\n")), len(made.split("\n")) - 1)


# --- the banner ------------------------------------------------------------------------------------------


def test_the_banner_says_where_how_and_with_what() -> None:
    versions = {"asgiworker": "0.1.0", "Python": "3.13.0", "uvloop": "0.23.0"}

    assert banner(["http://127.0.0.1:8000"], 1, "uvloop", ["HTTP/1.1"], versions) == (
        "Listening on http://127.0.0.1:8000 "
        "(1 worker, uvloop, HTTP/1.1; asgiworker 0.1.0, Python 3.13.0, uvloop 0.23.0)"
    )


def test_the_banner_names_all_addresses_and_protocols() -> None:
    made = banner(
        ["https://[::1]:8443", "unix:/run/x"], 4, "asyncio", ["HTTP/1.1", "HTTP/2"], {"asgiworker": "0.1.0"}
    )

    assert made == (
        "Listening on https://[::1]:8443, unix:/run/x "
        "(4 workers, asyncio, HTTP/1.1, HTTP/2; asgiworker 0.1.0)"
    )


# --- without a configuration file ------------------------------------------------------------------------


def test_the_server_and_the_application_side_speak_on_stderr() -> None:
    with fresh_logging() as stderr:
        configure(Settings())
        SERVER.info("up")
        ASGI.error("wrong")
        SERVER.debug("too much")

    assert [line.split("] ")[-1] for line in stderr.getvalue().splitlines()] == ["up", "wrong"]


def test_configuring_twice_installs_nothing_twice() -> None:
    with fresh_logging() as stderr:
        configure(Settings())
        configure(Settings(log_level="DEBUG"))
        SERVER.debug("once")

    assert stderr.getvalue().count("once") == 1


def test_a_root_handler_of_the_application_does_not_double_the_lines() -> None:
    with fresh_logging() as stderr:
        configure(Settings())
        logging.basicConfig()
        SERVER.warning("once")

    assert stderr.getvalue().count("once") == 1


@pytest.mark.parametrize("name", ["", "asgiworker", "asgiworker.server"])
def test_handlers_that_are_there_already_are_left_alone(name: str) -> None:
    with fresh_logging() as stderr:
        theirs = io.StringIO()
        logging.getLogger(name).addHandler(logging.StreamHandler(theirs))
        configure(Settings())
        configure(Settings())
        SERVER.info("theirs")

    assert theirs.getvalue() == "theirs\n"
    assert "theirs" not in stderr.getvalue()


def test_the_error_log_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    with fresh_logging() as stderr:
        configure(Settings(errorlog=str(path)))
        SERVER.info("é \ud800")
        ASGI.info("both")

    assert [line.split("] ")[-1] for line in path.read_text().splitlines()] == ["é \\ud800", "both"]
    assert stderr.getvalue() == ""


def test_an_error_log_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "error.log"
    with fresh_logging(), pytest.raises(LogError) as caught:
        configure(Settings(errorlog=str(path)))

    assert caught.value.message == f"The error log {path} can't be written: No such file or directory."
    assert "--error-logfile" in caught.value.hint


def test_an_unknown_level_is_a_mistake() -> None:
    with fresh_logging(), pytest.raises(LogError, match="no log level 'loud'"):
        configure(Settings(log_level="loud"))


def test_a_process_without_stderr_goes_on() -> None:
    program = (
        "import logging\n"
        "from asgiworker.process.logs import configure\n"
        "class Settings: errorlog, log_level, log_config = '-', 'info', None\n"
        "configure(Settings())\n"
        "logging.getLogger('asgiworker.server').error('nobody hears')\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "alive\n"


# --- with one --------------------------------------------------------------------------------------------

AS_TOML = """
[formatters.short]
format = "%(name)s %(levelname)s %(message)s"

[handlers.file]
class = "logging.FileHandler"
filename = "{path}"
formatter = "short"

[root]
level = "WARNING"
handlers = ["file"]

[loggers."asgiworker.asgi"]
level = "DEBUG"
"""
AS_YAML = """
formatters: {{short: {{format: '%(name)s %(levelname)s %(message)s'}}}}
handlers: {{file: {{class: logging.FileHandler, filename: '{path}', formatter: short}}}}
root: {{level: WARNING, handlers: [file]}}
loggers: {{asgiworker.asgi: {{level: DEBUG}}}}
"""


def as_json(path: Path) -> str:
    return json.dumps(
        {
            "formatters": {"short": {"format": "%(name)s %(levelname)s %(message)s"}},
            "handlers": {
                "file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "short"}
            },
            "root": {"level": "WARNING", "handlers": ["file"]},
            "loggers": {"asgiworker.asgi": {"level": "DEBUG"}},
        }
    )


@pytest.mark.parametrize("suffix", [".toml", ".json", ".yaml", ".yml", ".TOML"])
def test_a_configuration_file_has_the_word(tmp_path: Path, suffix: str) -> None:
    if suffix in (".yaml", ".yml"):
        pytest.importorskip("yaml")
    path, config = tmp_path / "all.log", tmp_path / f"log{suffix}"
    text = as_json(path) if suffix == ".json" else (AS_YAML if "y" in suffix else AS_TOML).format(path=path)
    config.write_text(text)
    with fresh_logging() as stderr:
        shop = logging.getLogger("shop")
        configure(Settings(log_config=str(config)))
        SERVER.info("at the level of the settings")
        ASGI.debug("at its own level")
        shop.warning("existing loggers live on")

    assert path.read_text().splitlines() == [
        "asgiworker.server INFO at the level of the settings",
        "asgiworker.asgi DEBUG at its own level",
        "shop WARNING existing loggers live on",
    ]
    assert stderr.getvalue() == ""


def test_a_configuration_that_says_nothing_of_us_leaves_us_where_we_were(tmp_path: Path) -> None:
    config = tmp_path / "log.json"
    config.write_text('{"loggers": {"shop": {"level": "DEBUG"}}}')
    with fresh_logging() as stderr:
        configure(Settings(log_config=str(config)))
        configure(Settings(log_config=str(config)))
        SERVER.info("up")

    assert stderr.getvalue().count("up") == 1


def test_the_access_logger_gets_its_lines_without_a_level_of_its_own(tmp_path: Path) -> None:
    path, config = tmp_path / "access.log", tmp_path / "log.json"
    config.write_text(
        json.dumps(
            {
                "handlers": {"file": {"class": "logging.FileHandler", "filename": str(path)}},
                "loggers": {"asgiworker.access": {"handlers": ["file"]}},
            }
        )
    )
    with fresh_logging():
        configure(Settings(log_level="error", log_config=str(config)))
        ACCESS.info("GET /")

    assert path.read_text() == "GET /\n"


def test_a_level_that_the_configuration_gives_the_access_logger_counts(tmp_path: Path) -> None:
    config = tmp_path / "log.json"
    config.write_text('{"loggers": {"asgiworker.access": {"level": "WARNING"}}}')
    with fresh_logging():
        configure(Settings(log_config=str(config)))

        assert not ACCESS.isEnabledFor(logging.INFO)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log.toml", "a = \n", r"log.toml is not valid TOML: .*line 1"),
        ("log.json", "{", r"log.json is not valid JSON: .*line 1"),
        ("log.json", "\xff", r"log.json is not valid JSON: .*utf-8"),
        ("log.json", "[]", r"log.json is no logging configuration: it holds no mapping\."),
        (
            "log.ini",
            "[loggers]",
            r"log.ini can't be read as a logging configuration: its name doesn't end in \.toml,",
        ),
        ("log.json", '{"version": 2}', r"log.json is no logging configuration: .*2"),
        (
            "log.json",
            '{"root": {"handlers": ["x"]}, "handlers": {"x": {"class": "nowhere.Handler"}}}',
            r"log.json is no logging configuration: Unable to configure handler 'x': .*nowhere",
        ),
        (
            "log.json",
            '{"handlers": {"x": {"class": "logging.FileHandler", "filename": "/missing/x.log"}}}',
            r"Unable to configure handler 'x': .*/missing/x.log",
        ),
        ("log.json", '{"formatters": 1}', r"log.json is no logging configuration: 'int' object"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_a_mistake(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    config = tmp_path / name
    config.write_text(text, encoding="latin-1")

    with fresh_logging(), pytest.raises(LogError, match=said):
        configure(Settings(log_config=str(config)))


def test_a_configuration_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with (
        fresh_logging(),
        pytest.raises(LogError, match=r"log.toml can't be read: No such file or directory\."),
    ):
        configure(Settings(log_config=str(tmp_path / "log.toml")))


def test_bad_yaml_is_a_mistake_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    config = tmp_path / "log.yaml"
    config.write_text("a: [1\nb: 2\n")

    with fresh_logging(), pytest.raises(LogError, match=r"not valid YAML: .*line 2") as caught:
        configure(Settings(log_config=str(config)))
    assert "\n" not in caught.value.message


def test_yaml_without_pyyaml_is_a_mistake_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    config = tmp_path / "log.yaml"
    config.write_text("{}")

    with fresh_logging(), pytest.raises(LogError, match="PyYAML is not installed") as caught:
        configure(Settings(log_config=str(config)))
    assert "Install pyyaml" in caught.value.hint


# --- rotation --------------------------------------------------------------------------------------------


def test_after_a_rotation_records_go_to_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    with fresh_logging():
        configure(Settings(errorlog=str(path)))
        SERVER.info("old")
        path.rename(tmp_path / "error.log.1")
        SERVER.info("still old")
        logs.reopen()
        ASGI.info("new")

    assert [line.split("] ")[-1] for line in (tmp_path / "error.log.1").read_text().splitlines()] == [
        "old",
        "still old",
    ]
    assert path.read_text().endswith("] new\n")


def test_the_files_of_the_application_are_opened_anew_too(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    with fresh_logging():
        shop = logging.getLogger("shop")
        shop.addHandler(logging.FileHandler(path))
        shop.warning("old")
        path.unlink()
        logs.reopen()
        shop.warning("new")

    assert path.read_text() == "new\n"


def test_a_file_that_was_not_moved_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    with fresh_logging():
        shop = logging.getLogger("shop")
        shop.addHandler(logging.FileHandler(path, mode="w"))
        shop.addHandler(logging.FileHandler(tmp_path / "later.log", delay=True))
        shop.addHandler(logging.StreamHandler(io.StringIO()))
        shop.warning("one")
        logs.reopen()
        shop.warning("two")

    assert path.read_text() == "one\ntwo\n"


def test_a_file_not_opened_yet_waits_for_its_first_record(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    with fresh_logging():
        logging.getLogger("shop").addHandler(logging.FileHandler(path, delay=True))
        logs.reopen()

    assert not path.exists()


def test_a_file_that_cannot_be_opened_anew_goes_on_as_it_was(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    with fresh_logging() as stderr:
        configure(Settings())
        shop = logging.getLogger("shop")
        shop.addHandler(logging.FileHandler(directory / "shop.log"))
        directory.rename(tmp_path / "moved")
        logs.reopen()
        shop.warning("not lost")

    assert (tmp_path / "moved" / "shop.log").read_text() == "not lost\n"
    assert (
        f"The log file {directory}/shop.log can't be opened anew: No such file or directory."
        in stderr.getvalue()
    )


# --- under Gunicorn --------------------------------------------------------------------------------------


class KeepingLogger(Logger):
    """A logger_class of one's own."""

    def __init__(self, cfg: Config) -> None:
        self.seen: list[tuple[str, str]] = []

    def critical(self, msg: str, *args: object, **kwargs: object) -> None:
        self.seen.append(("critical", msg % args))

    def error(self, msg: str, *args: object, **kwargs: object) -> None:
        self.seen.append(("error", msg % args))

    def warning(self, msg: str, *args: object, **kwargs: object) -> None:
        self.seen.append(("warning", msg % args))

    def info(self, msg: str, *args: object, **kwargs: object) -> None:
        self.seen.append(("info", msg % args))

    def debug(self, msg: str, *args: object, **kwargs: object) -> None:
        self.seen.append(("debug", msg % args))


def test_under_gunicorn_its_logger_speaks_for_us() -> None:
    log = KeepingLogger(Config())
    with fresh_logging() as stderr:
        follow(log, "debug")
        follow(log, "debug")
        SERVER.debug("a")
        SERVER.info("100%% of %s", "b")
        ASGI.warning("c")
        SERVER.error("forged\n[2026] \x1b")
        SERVER.critical("e")
        try:
            raise ValueError("f")
        except ValueError:
            ASGI.exception("raised")

    assert log.seen[:-1] == [
        ("debug", "a"),
        ("info", "100% of b"),
        ("warning", "c"),
        ("error", "forged\n    [2026] \\x1b"),
        ("critical", "e"),
    ]
    level, text = log.seen[-1]
    assert level == "error"
    assert text.startswith("raised\n    Traceback")
    assert text.endswith("\n    ValueError: f")
    assert stderr.getvalue() == ""


def test_gunicorns_level_is_ours() -> None:
    log = KeepingLogger(Config())
    with fresh_logging():
        follow(log, "error")
        SERVER.warning("not said")
        SERVER.error("said")

    assert log.seen == [("error", "said")]


def test_statsd_counts_what_we_log() -> None:
    cfg = Config()
    cfg.set("errorlog", os.devnull)
    cfg.set("statsd_host", "127.0.0.1:8125")
    counted: list[str] = []
    with fresh_logging():
        log = Statsd(cfg)
        log.increment = lambda name, value: counted.append(name)
        follow(log, "info")
        SERVER.error("counted")
    log.sock.close()
    for handler in log.error_log.handlers:
        handler.close()
    log.error_log.handlers.clear()
    log.error_log.propagate = log.access_log.propagate = True

    assert counted == ["gunicorn.log.error"]


def test_a_logger_of_ours_that_gunicorns_configuration_names_keeps_its_handlers() -> None:
    log = KeepingLogger(Config())
    theirs = io.StringIO()
    with fresh_logging():
        ASGI.addHandler(logging.StreamHandler(theirs))
        follow(log, "info")
        ASGI.info("theirs")
        SERVER.info("gunicorn's")

    assert theirs.getvalue() == "theirs\n"
    assert log.seen == [("info", "gunicorn's")]


def test_a_gunicorn_logger_that_raises_is_logging_s_own_trouble() -> None:
    class Raising(KeepingLogger):
        def error(self, msg: str, *args: object, **kwargs: object) -> None:
            raise RuntimeError("a defect")

    with fresh_logging() as stderr:
        follow(Raising(Config()), "info")
        SERVER.error("lost")
        SERVER.log(35, "of a level that Gunicorn has not")

    assert stderr.getvalue().count("--- Logging error ---") == 2
