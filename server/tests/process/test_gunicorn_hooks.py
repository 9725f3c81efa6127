"""Gunicorn's server hooks: each is called where Gunicorn documents it, with what it expects."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Eventually = Callable[[Callable[[], bool]], None]

EVERY_HOOK = """
def say(*words):
    print("hook " + " ".join(map(str, words)) + "\\n", end="", flush=True)

def on_starting(server): say("on_starting")
def on_reload(server): say("on_reload")
def when_ready(server): say("when_ready")
def pre_fork(server, worker): say("pre_fork", worker.age)
def post_fork(server, worker): say("post_fork", worker.age)
def post_worker_init(worker): say("post_worker_init", worker.age, worker.settings.app_dir)
def worker_int(worker): say("worker_int")
def worker_exit(server, worker): say("worker_exit", worker.age)
def child_exit(server, worker): say("child_exit", worker.age)
def nworkers_changed(server, new, old): say("nworkers_changed", new, old)
def on_exit(server): say("on_exit")
def pre_exec(server): say("pre_exec")
"""

REQUEST_HOOKS = """
def pre_request(worker, req):
    req.mark = "marked"
    host = dict(req.headers)["HOST"]
    print("before", req.method, req.uri, req.path, req.query, req.version, host, flush=True)
    if req.path == "/refused":
        raise PermissionError("not today")

def post_request(worker, req, environ, resp):
    print("after", req.mark, req.path, resp.status, resp.status_code, resp.sent, environ["REMOTE_ADDR"],
          dict(resp.headers).get("x-probe"), flush=True)
    if req.query == "fail":
        raise ValueError("a hook that fails")
"""


def test_every_hook_is_called_in_its_place(gunicorn: Any, eventually: Eventually):
    server = gunicorn(config=EVERY_HOOK)
    server.get("/pid")
    server.process.send_signal(signal.SIGHUP)
    server.prints("^hook child_exit 1")
    server.prints(r"^startup \d+", times=2)
    assert server.end(signal.SIGINT) == 0
    said = re.findall("^hook (.*)$", server.output, re.MULTILINE)
    expected = ["nworkers_changed 1 None", "on_starting", "when_ready", "pre_fork 1", "post_fork 1"]
    assert said[: len(expected)] == expected
    order = [
        *expected,
        "post_worker_init 1 .",
        "on_reload",
        "pre_fork 2",
        "post_fork 2",
        "post_worker_init 2 .",
    ]
    order += ["worker_int", "worker_exit 2", "child_exit 2", "on_exit"]
    positions = [said.index(each) for each in order]
    assert positions == sorted(positions)
    assert said.index("worker_exit 1") < said.index("child_exit 1")


def test_request_hooks_see_the_request_and_its_response(gunicorn: Any):
    server = gunicorn(config=REQUEST_HOOKS)
    size = len(server.get("/pid?a=b"))
    server.prints(r"^before GET /pid\?a=b /pid a=b \(1, 1\) 127.0.0.1:\d+$")
    server.prints(f"^after marked /pid 200 OK 200 {size} 127.0.0.1 on$")


def test_a_request_hook_that_raises(gunicorn: Any):
    server = gunicorn(config=REQUEST_HOOKS)
    assert server.get("/refused") == b"Internal Server Error"
    server.prints("PermissionError: not today")
    assert server.get("/pid?fail")
    server.prints(r"\[ERROR\] Exception in post_request hook\n(.*\n)+ValueError: a hook that fails")
    assert server.get("/pid")
    assert server.end() == 0


def test_post_request_is_called_for_an_application_that_fails(gunicorn: Any, project: Path):
    (project / "failing.py").write_text("async def app(scope, receive, send):\n    1 / 0\n")
    server = gunicorn(config=REQUEST_HOOKS, app="failing:app")
    server.get("/broken")
    server.prints("^after marked /broken 500 Internal Server Error 500 0 127.0.0.1 None$")


def test_a_stream_is_counted_to_its_end(gunicorn: Any, project: Path):
    (project / "streaming.py").write_text(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    await send({'type': 'http.response.early_hint', 'links': []})\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'12345', 'more_body': True})\n"
        "    await send({'type': 'http.response.body', 'body': b'67'})\n"
        "    print('the application goes on\\n', end='', flush=True)\n"
    )
    server = gunicorn(config=REQUEST_HOOKS, app="streaming:app")
    assert server.get("/s") == b"1234567"
    server.prints("^after marked /s 200 OK 200 7 127.0.0.1 None\nthe application goes on")


def test_one_hook_alone_is_enough(gunicorn: Any):
    config = "def post_request(worker, req, environ, resp):\n    print('after', worker.nr, req.path)"
    server = gunicorn(config=config)
    server.get("/pid")
    server.get("/pid")
    server.prints("^after 1 /pid\nafter 2 /pid$")
