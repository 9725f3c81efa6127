"""Logs under Gunicorn: its formats, its loggers, its signals."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

Eventually = Callable[[Callable[[], bool]], None]


def test_the_access_log_has_gunicorns_format_and_its_atoms(gunicorn: Any):
    server = gunicorn("--access-logfile", "-")
    worker = server.get("/pid").decode()
    server.prints(
        r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /pid HTTP/1\.1" 200 '
        rf'{len(worker)} "-" "-"$'
    )
    server.end()
    server = gunicorn(
        "--access-logfile",
        "-",
        "--access-logformat",
        "%(h)s|%(l)s|%(u)s|%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(b)s|%(B)s|%(T)s|%(p)s|%({host}i)s|%({x-probe}o)s"
        "|%({raw_uri}e)s",
    )
    worker = server.get("/pid?a=b").decode()
    size = len(worker)
    server.prints(
        rf"^127\.0\.0\.1\|-\|-\|GET /pid\?a=b HTTP/1\.1\|GET\|/pid\|a=b\|HTTP/1\.1\|200\|{size}\|{size}\|0"
        rf"\|<{worker}>\|127\.0\.0\.1:\d+\|on\|/pid\?a=b$"
    )


def test_without_accesslog_there_is_none(gunicorn: Any):
    server = gunicorn()
    server.get("/pid")
    assert server.end() == 0
    assert "/pid" not in server.output


def test_json_lines_come_by_our_environment_and_a_command_line_wins_over_it(gunicorn: Any):
    server = gunicorn("--access-logfile", "-", ASGIWORKER_ACCESS_LOG_FORMAT="json")
    server.get("/pid")
    assert json.loads(server.prints(r"^\{.*\}$")[0])["path"] == "/pid"
    server.end()
    server = gunicorn(
        "--access-logfile", "-", "--access-logformat", "<%(U)s>", ASGIWORKER_ACCESS_LOG_FORMAT="json"
    )
    server.get("/pid")
    server.prints("^</pid>$")


def test_usr1_reopens_both_logs_in_all_processes(gunicorn: Any, project: Path, eventually: Eventually):
    access, errors = project / "access.log", project / "error.log"
    server = gunicorn("--access-logfile", str(access), "--error-logfile", str(errors))
    eventually(lambda: errors.exists() and "Listening on" in errors.read_text())
    url = re.search(r"Listening at: (\S+)", errors.read_text())
    assert url is not None
    server.output += f"Listening on {url[1]} (worker\n"  # what it says it says elsewhere
    server.get("/pid?before")
    eventually(lambda: "before" in access.read_text())
    access.rename(project / "access.1")
    errors.rename(project / "error.1")
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: access.exists() and errors.exists())

    def asked() -> bool:
        server.get("/pid?after")
        return "after" in access.read_text()

    eventually(asked)
    assert server.end() == 0
    assert "Stopped" in errors.read_text()
    assert "Shutting down" in errors.read_text()
    assert "Stopped" not in (project / "error.1").read_text()


def test_statsd_counts_requests_with_and_without_an_access_log(gunicorn: Any):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(20)
        port = statsd.getsockname()[1]
        server = gunicorn("--statsd-host", f"127.0.0.1:{port}", "--statsd-prefix", "shop")
        server.get("/pid")
        received: set[str] = set()
        while not {"shop.gunicorn.requests", "shop.gunicorn.request.status.200"} <= received:
            received.add(statsd.recv(1024).decode().partition(":")[0])
        assert "shop.gunicorn.request.duration" in received
        assert server.end() == 0


def test_a_logger_class_of_ones_own_gets_each_request(gunicorn: Any):
    config = """
from gunicorn.glogging import Logger
accesslog = "-"
class logger_class(Logger):
    def access(self, resp, req, environ, request_time):
        print("mine", req.method, req.path, resp.status, environ["REMOTE_ADDR"], flush=True)
"""
    server = gunicorn(config=config)
    server.get("/pid")
    server.prints("^mine GET /pid 200 OK 127.0.0.1$")


def test_the_access_log_goes_to_syslog(gunicorn: Any):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(20)
        port = syslog.getsockname()[1]
        server = gunicorn(
            "--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{port}", "--log-syslog-prefix", "shop"
        )
        server.get("/pid")
        while b'"GET /pid HTTP/1.1" 200' not in (line := syslog.recv(4096)):
            pass
        assert b"shop.access" in line
        assert server.end() == 0


def test_a_logging_configuration_of_gunicorns_gets_our_records_and_lines(gunicorn: Any):
    config = """
logconfig_dict = {
    "formatters": {"marked": {"format": "marked %(name)s %(message)s"}},
    "handlers": {"marked": {"class": "logging.StreamHandler", "formatter": "marked"}},
    "root": {"level": "INFO", "handlers": []},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["marked"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["marked"], "propagate": False},
    },
}
"""
    server = gunicorn(config=config)
    server.get("/pid")
    server.prints("^marked gunicorn.access 127.0.0.1 - -")
    assert server.end() == 0
    server.prints("^marked gunicorn.error Stopped")


def test_our_log_config_has_the_word_under_gunicorn_too(gunicorn: Any, project: Path):
    (project / "logging.toml").write_text(
        "[formatters.marked]\n"
        'format = "marked %(name)s %(message)s"\n'
        "[handlers.marked]\n"
        'class = "logging.StreamHandler"\n'
        'formatter = "marked"\n'
        "[loggers.asgiworker]\n"
        'handlers = ["marked"]\n'
        "[loggers.'asgiworker.access']\n"
        'handlers = ["marked"]\n'
        "propagate = false\n"
    )
    server = gunicorn("--access-logfile", "-", ASGIWORKER_LOG_CONFIG="logging.toml")
    server.get("/pid")
    server.prints("^marked asgiworker.access 127.0.0.1 - -")
    assert server.end() == 0
    server.prints("^marked asgiworker.server Stopped")


def test_a_failure_of_the_application_is_in_gunicorns_log(gunicorn: Any, project: Path):
    (project / "failing.py").write_text("async def app(scope, receive, send):\n    1 / 0\n")
    server = gunicorn("--access-logfile", "-", app="failing:app")
    assert server.get("/x") == b"Internal Server Error"
    server.prints(r"^\[.*\] \[ERROR\] Exception in ASGI application: GET /x\n    Traceback")
    server.prints('"GET /x HTTP/1.1" 500 21')


def test_requests_that_are_refused_are_in_the_access_log(gunicorn: Any):
    server = gunicorn("--access-logfile", "-", "--limit-request-line", "50")
    server.get("/" + "x" * 100)
    server.prints(r'"GET /x+ HTTP/1.1" 414 ')
