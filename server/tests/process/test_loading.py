"""Finding the application by its name, telling its interface, and what is said when it can't be found."""

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asgiworker.asgi.types import ASGIApplication, Message
from asgiworker.process.loading import adapt, detect, load
from asgiworker.process.mistakes import LoadingError

ANSWER = """
def answer(text):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})
    return app
"""


@pytest.fixture(autouse=True)
def fresh_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test imports its own modules, whatever their names, and leaves none behind."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in sys.modules.keys() - before:
        del sys.modules[name]
    sys.modules.update(before)
    importlib.invalidate_caches()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "answers.py").write_text(ANSWER)
    return tmp_path


def write(directory: Path, name: str, source: str) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def body_of(app: ASGIApplication, scope_type: str = "http") -> bytes:
    """What the application answers to a GET."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": scope_type,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 5))  # type: ignore[arg-type]
    return b"".join(message.get("body", b"") for message in sent)


def refusal(target: str, directory: Path, **options: Any) -> LoadingError:
    with pytest.raises(LoadingError) as caught:
        load(target, app_dir=str(directory), **options)
    return caught.value


# Names.


@pytest.mark.parametrize(
    ("target", "source", "options"),
    [
        ("main:app", "app = answer('yes')", {}),
        ("main:site.app", "class site: app = answer('yes')", {}),
        ("main:make()", "def make(): return answer('yes')", {}),
        ("main:site.make()", "class site:\n def make(): return answer('yes')", {}),
        ("main:make('y', rest='es')", "def make(a, *, rest): return answer(a + rest)", {}),
        ("main:make", "def make(): return answer('yes')", {"factory": True}),
        ("main:make()", "def make(): return answer('yes')", {"factory": True}),
        ("main", "app = answer('yes')", {}),
        ("main", "application = answer('yes')", {}),
        ("main", "def create_app(): return answer('yes')", {}),
        ("main", "def make_app(): return answer('yes')", {}),
        ("main", "def make_app(): return answer('yes')\napp = 1", {"factory": True}),
        ("main", "app, create_app = answer('yes'), None", {}),
        (
            "main:Site",
            "class Site:\n def __call__(self, s, r, t): return answer('yes')(s, r, t)",
            {"factory": True},
        ),
        ("main:make", "import functools; make = functools.partial(answer, 'yes')", {"factory": True}),
    ],
)
def test_an_application_is_found_by_its_name(
    sources: Path, target: str, source: str, options: dict[str, Any]
):
    write(sources, "main.py", f"from answers import answer\n{source}\n")
    assert body_of(load(target, app_dir=str(sources), **options)) == b"yes"


def test_a_package_is_searched_like_a_module_but_its_submodule_app_is_no_application(sources: Path):
    write(
        sources,
        "site_/__init__.py",
        "from site_ import app\nfrom answers import answer\nmake_app = lambda: answer('yes')",
    )
    write(sources, "site_/app.py", "from answers import answer\napp = answer('inner')")
    assert body_of(load("site_", app_dir=str(sources))) == b"yes"
    assert body_of(load("site_.app", app_dir=str(sources))) == b"inner"


def test_the_application_directory_comes_first(sources: Path):
    write(sources, "json/__init__.py", "from answers import answer\napp = answer('ours')")
    sys.modules.pop("json")
    assert body_of(load("json:app", app_dir=str(sources))) == b"ours"
    load("json:app", app_dir=str(sources))
    assert sys.path.count(str(sources)) == 1


def test_no_application_at_all_is_said(tmp_path: Path):
    assert refusal("", tmp_path).message == "No application is given."


def test_a_missing_directory_is_said(tmp_path: Path):
    assert refusal("main:app", tmp_path / "no").message.startswith("There is no directory ")


# Modules that are not there, or fail.


def test_a_missing_module_is_named_with_those_nearby(sources: Path):
    write(sources, "mian.py", "app = 1")
    write(sources, "other.py", "app: object = 1")
    write(sources, "web/asgi.py", "async def application(scope, receive, send): ...")
    write(sources, "web/__init__.py", "def create_app(): ...")
    write(sources, "web/broken.py", "app = (")
    write(sources, "tests/test_app.py", "app = 1")
    write(sources, "setup.cfg", "app = 1")
    error = refusal("main:app", sources)
    assert error.message == "There is no module main."
    assert error.hint == f"In {sources} these look like applications: mian"
    error = refusal("xyzzy:app", sources)
    assert error.hint == f"In {sources} these look like applications: mian, other, web, web.asgi"
    assert refusal("web.main:app", sources).message == "There is no module web.main."
    assert refusal("mian.web:app", sources).message == "There is no module mian.web."


def test_where_nothing_looks_like_an_application_that_is_said(sources: Path):
    assert refusal("main:app", sources).hint.startswith(f"Nothing in {sources} looks like an application")


def test_a_directory_that_cannot_be_read_is_passed_over(sources: Path, monkeypatch: pytest.MonkeyPatch):
    write(sources, "web/main.py", "app = 1")

    iterdir = Path.iterdir

    def forbidden(path: Path) -> Iterator[Path]:  # root may read everything
        if path.name == "web":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert refusal("main:app", sources).hint.startswith("Nothing in ")


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("main.py:app", "Write main:app"),
        ("./web/main.py:app", "Write web.main:app"),
        ("web/main", "Write web.main"),
    ],
)
def test_a_file_name_is_told_from_a_module(tmp_path: Path, target: str, hint: str):
    error = refusal(target, tmp_path)
    assert error.message.endswith("is a file's name, not a module's.")
    assert error.hint == hint


@pytest.mark.parametrize("target", [":app", "a-b:app", "a..b:app"])
def test_what_is_no_module_name_is_said(tmp_path: Path, target: str):
    assert "is no module's name." in refusal(target, tmp_path).message


def test_a_module_that_fails_is_shown_with_the_frames_of_its_code_alone(sources: Path):
    write(sources, "inner.py", "def fail():\n    1 / 0\n")
    write(
        sources,
        "main.py",
        "import inner\ntry:\n    inner.fail()\nexcept ArithmeticError as e:\n"
        "    raise ValueError('a') from e\n",
    )
    error = refusal("main:app", sources)
    assert error.message == "The module main failed on import with ValueError."
    assert "ZeroDivisionError: division by zero" in error.detail
    assert "ValueError: a" in error.detail
    frames = [line.split('"')[1] for line in error.detail.splitlines() if line.startswith("  File")]
    assert frames == [str(sources / "main.py"), str(sources / "inner.py"), str(sources / "main.py")]


def test_a_module_that_misses_another_is_shown_too(sources: Path):
    write(sources, "main.py", "import main_missing\n")
    error = refusal("main:app", sources)
    assert error.message == "The module main failed on import with ModuleNotFoundError."
    assert "No module named 'main_missing'" in error.detail
    write(sources, "nameless.py", "raise ModuleNotFoundError('x')\n")
    assert refusal("nameless:app", sources).message.startswith("The module nameless failed on import")


def test_a_syntax_error_is_shown_where_it_is(sources: Path):
    write(sources, "main.py", "app = (\n")
    error = refusal("main:app", sources)
    assert error.message == "The module main failed on import with SyntaxError."
    assert f'File "{sources / "main.py"}", line 1' in error.detail
    assert "importlib" not in error.detail


def test_a_module_that_exits_is_named(sources: Path):
    write(sources, "main.py", "import sys; sys.exit(5)\n")
    assert refusal("main:app", sources).message == (
        "The module main ended the program while it was imported (exit code 5)."
    )


# Attributes that are not there, or are something else.


def test_a_missing_attribute_is_named_with_what_looks_like_an_application(sources: Path):
    write(
        sources,
        "main.py",
        "from answers import answer\n"
        "import asyncio\n"
        "class Site:\n"
        "    async def __call__(self, scope, receive, send): ...\n"
        "class Proxy:\n"
        "    @property\n"
        "    def __class__(self): raise RuntimeError('outside of its context')\n"
        "    def __call__(self): ...\n"
        "class Anything:\n"
        "    def __call__(self, *args): ...\n"
        "site = Site()\n"
        "proxy = Proxy()\n"
        "anything = Anything()\n"
        "_private = site\n"
        "inner = answer('')\n"
        "async def other(x): ...\n"
        "def create_app(): ...\n"
        "number = 1\n",
    )
    error = refusal("main:app", sources)
    assert error.message == "The module main has no attribute app."
    assert error.hint == "This looks like an application: main:site, main:inner, main:create_app"


def test_without_candidates_the_nearest_name_is_the_hint(sources: Path):
    write(sources, "main.py", "apps = {}\nclass config:\n    application = 1\n")
    assert refusal("main:app", sources).hint == "Did you mean main:apps?"
    assert refusal("main:xyzzy", sources).hint == "Nothing in it looks like an application."
    error = refusal("main:config.aplication", sources)
    assert error.message == "The object main.config has no attribute aplication."
    assert error.hint == "Did you mean application?"
    assert refusal("main:config.xyzzy", sources).hint == ""


def test_an_attribute_of_a_submodule_is_looked_for_there(sources: Path):
    write(sources, "main.py", "import answers\n")
    assert refusal("main:answers.app", sources).message == "The module main.answers has no attribute app."


def test_a_module_without_any_of_the_usual_names_is_said(sources: Path):
    write(sources, "main.py", "")
    message = "The module main has none of app, application, create_app, make_app."
    assert refusal("main", sources).message == message
    assert (
        refusal("main", sources, factory=True).message == "The module main has none of create_app, make_app."
    )


@pytest.mark.parametrize(("value", "kind"), [("None", "None"), ("{}", "of type dict")])
def test_what_is_not_callable_is_named(sources: Path, value: str, kind: str):
    write(sources, "main.py", f"app = {value}\ndef make(): return app\n")
    assert refusal("main:app", sources).message == f"main:app is not callable: it is {kind}."
    assert refusal("main:make()", sources).message == (
        f"what main:make() returned is not callable: it is {kind}."
    )
    assert refusal("main:app()", sources).message == f"main:app can't be called: it is {kind}."


@pytest.mark.parametrize("source", ["def make(): ...", "def make(debug=False): ...", "class make: ..."])
def test_a_factory_that_is_not_called_is_told_from_an_application(sources: Path, source: str):
    write(sources, "main.py", source)
    error = refusal("main:make", sources)
    assert error.message.startswith("main:make takes no scope: it looks like a factory")
    assert error.hint == "Write main:make(), or add --factory."


@pytest.mark.parametrize("expression", ["app(", "app + 1", "1", "app[0]", "app()()", "(lambda: 1)()"])
def test_what_names_nothing_is_said(sources: Path, expression: str):
    write(sources, "main.py", "app = 1")
    assert (
        refusal(f"main:{expression}", sources).message == f"'main:{expression}' does not name an application."
    )


def test_arguments_are_literals(sources: Path):
    write(sources, "main.py", "def make(a): ...")
    assert (
        refusal("main:make(other)", sources).message
        == "The arguments in 'main:make(other)' are not literals."
    )
    assert "can't be unpacked" in refusal("main:make(**{'a': 1})", sources).message


# Factories that fail.


def test_a_call_that_does_not_fit_is_told_from_a_failure_inside(sources: Path):
    write(sources, "main.py", "def make(name):\n    raise TypeError('inside')\n")
    error = refusal("main:make()", sources)
    assert (
        error.message
        == "main:make can't be called with these arguments: missing a required argument: 'name'."
    )
    error = refusal("main:make(1)", sources)
    assert error.message == "main:make() raised TypeError."
    assert error.detail.endswith("TypeError: inside\n")
    assert "loading.py" not in error.detail


def test_a_factory_without_a_signature_is_called_all_the_same(sources: Path):
    write(sources, "main.py", "make = dict")
    assert refusal("main:make()", sources).message == (
        "what main:make() returned is not callable: it is of type dict."
    )


def test_a_coroutine_function_is_no_factory(sources: Path):
    write(sources, "main.py", "async def make(): ...")
    assert refusal("main:make()", sources).message == (
        "main:make is a coroutine function, and a factory can't be one."
    )


# Interfaces.


async def coroutine(scope: object, receive: object, send: object) -> None: ...


def plain_3(scope: object, receive: object, send: object) -> None: ...


def plain_2(environ: object, start_response: object) -> None: ...


def plain_1(scope: object) -> None: ...


def plain_any(*args: object) -> None: ...


def optional_third(environ: object, start_response: object, exc_info: object = None) -> None: ...


@functools.wraps(plain_2)
def wrapped(*args: object) -> None: ...


class AwaitableScope:
    def __init__(self, scope: object, receive: object, send: object) -> None: ...


class ScopeClass:
    def __init__(self, scope: object) -> None: ...

    async def __call__(self, receive: object, send: object) -> None: ...


class WsgiClass:
    def __init__(self, environ: object, start_response: object) -> None: ...


class AsyncInstance:
    async def __call__(self, *args: object) -> None: ...


class WsgiInstance:
    def __call__(self, environ: object, start_response: object) -> None: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (coroutine, "asgi3"),
        (plain_3, "asgi3"),
        (plain_any, "asgi3"),
        (AwaitableScope, "asgi3"),
        (AsyncInstance(), "asgi3"),
        (AsyncInstance().__call__, "asgi3"),
        (functools.partial(coroutine), "asgi3"),
        (functools.partial(AsyncInstance(), 1), "asgi3"),
        (plain_1, "asgi2"),
        (ScopeClass, "asgi2"),
        (plain_2, "wsgi"),
        (optional_third, "wsgi"),
        (wrapped, "wsgi"),
        (WsgiClass, "wsgi"),
        (WsgiInstance(), "wsgi"),
        (functools.partial(plain_3, None), "wsgi"),
        (dict, "asgi3"),  # it has no signature
    ],
)
def test_the_interface_is_told_by_what_the_application_takes(app: Any, interface: str):
    assert detect(app) == interface


def test_an_asgi_3_application_is_left_as_it_is():
    assert adapt(coroutine) is coroutine  # type: ignore[arg-type, comparison-overlap]


def test_an_asgi_2_application_is_adapted(sources: Path):
    write(
        sources,
        "main.py",
        "from answers import answer\n"
        "def app(scope):\n"
        "    async def instance(receive, send):\n"
        "        await answer('asgi 2')(scope, receive, send)\n"
        "    return instance\n",
    )
    assert body_of(load("main:app", app_dir=str(sources))) == b"asgi 2"


def test_a_wsgi_application_is_adapted(sources: Path):
    write(
        sources,
        "main.py",
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [environ['REQUEST_METHOD'].encode()]\n",
    )
    assert body_of(load("main:app", app_dir=str(sources))) == b"GET"


def test_the_interface_can_be_said(sources: Path):
    write(sources, "main.py", "def app(*args):\n    args[1]('200 OK', [])\n    return [b'wsgi']\n")
    assert body_of(load("main:app", app_dir=str(sources), interface="wsgi")) == b"wsgi"
