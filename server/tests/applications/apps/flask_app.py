"""A Flask application, which is a WSGI application."""

import hashlib
import threading
from collections.abc import Iterator
from typing import NoReturn

from flask import Flask, Response, abort, redirect, request, send_file, session, url_for
from werkzeug import Response as BaseResponse

app = Flask(__name__)
app.secret_key = "no secret"

proceed = threading.Event()
departed = threading.Event()
both = threading.Barrier(2)


@app.get("/")
def hello() -> Response:
    return Response("Hello from Flask!\n", content_type="text/plain")


@app.get("/greet/<name>")
def greet(name: str) -> str:
    return f"Hello, {name}!\n" * request.args.get("times", 1, int)


@app.post("/echo")
def echo() -> Response:
    return Response(request.get_data(), content_type=request.headers["content-type"])


@app.post("/upload")
def upload() -> dict[str, int | str]:
    size, digest = 0, hashlib.sha256()
    while part := request.stream.read(65536):
        size += len(part)
        digest.update(part)
    return {"size": size, "sha256": digest.hexdigest()}


@app.post("/file")
def file() -> dict[str, int | str | None]:
    upload = request.files["file"]
    content = upload.read()
    return {"name": upload.filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        proceed.clear()
        yield "one\n"
        proceed.wait()
        yield "two\n"

    return Response(lines(), content_type="text/plain")


@app.post("/continue")
def go_on() -> tuple[str, int]:
    proceed.set()
    return "", 204


@app.get("/events")
def events() -> Response:
    def ticks() -> Iterator[str]:
        try:
            yield "data: hello\n\n"
            while True:  # what is sent after the client has left closes this generator
                yield ": still here\n\n"
        finally:
            departed.set()

    return Response(ticks(), content_type="text/event-stream")


@app.get("/departure")
def departure() -> str:
    departed.wait()
    departed.clear()
    return "noticed\n"


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("broken on purpose")


@app.get("/broken-stream")
def broken_stream() -> Response:
    def lines() -> Iterator[str]:
        yield "one\n"
        raise RuntimeError("broken in the middle")

    return Response(lines(), content_type="text/plain")


@app.get("/refused")
def refused() -> NoReturn:
    abort(403, "Not today")


@app.get("/meet")
def meet() -> str:
    both.wait(20)
    return "met\n"


@app.get("/visit")
def visit() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return f"{session['visits']}\n"


@app.get("/old")
def old_home() -> BaseResponse:
    return redirect(url_for("hello", _external=True))


@app.get("/source")
def source() -> Response:
    return send_file(__file__, mimetype="text/x-python")


@app.get("/environ")
def environ() -> dict[str, str]:
    return {name: value for name, value in request.environ.items() if isinstance(value, str)}
