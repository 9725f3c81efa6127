"""A WSGI application that is hard to recognise: a decorator has hidden its signature."""

from collections.abc import Callable, Iterator
from typing import Any


def logged(app: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **options: Any) -> Any:
        return app(*arguments, **options)

    return wrapper


@logged
def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"Hello from WSGI!\n"
    yield b"%d bytes\n" % len(body)
