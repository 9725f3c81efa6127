"""Finding the application: importing it by name, calling a factory, telling and adapting its interface.

Whatever goes wrong is a `LoadingError` with one sentence and a hint. Only an exception raised by the
application's own code comes with its traceback, from its first frame on.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from asgiworker.asgi.types import ASGIApplication
from asgiworker.process.mistakes import LoadingError

Interface = Literal["auto", "asgi3", "asgi2", "wsgi"]

APPLICATION_NAMES = ("app", "application")
FACTORY_NAMES = ("create_app", "make_app")
# Directories that hold no application, whatever they contain.
UNLIKELY_DIRECTORIES = frozenset(
    {"test", "tests", "docs", "scripts", "node_modules", "venv", "env", "build", "dist"}
)


def load(
    target: str, *, app_dir: str = ".", factory: bool = False, interface: Interface = "auto"
) -> ASGIApplication:
    """Import the application that `target` names and adapt it to ASGI 3.

    `target` is `module:attribute`, `module:object.attribute`, `module:factory(literal, key=literal)`, or a
    module alone, which is searched for `app`, `application`, `create_app` and `make_app`. `app_dir` comes
    first on `sys.path`. With `factory` the attribute is called without arguments.

    Raises `LoadingError`.
    """
    if not target:
        raise LoadingError("No application is given.", "Name one as in: asgiworker main:app")
    directory = _import_from(app_dir)
    module_name, _, expression = target.partition(":")
    path = _attribute_path(target, expression) if expression else None
    module = _import(module_name, expression, directory)
    if path is None:
        found, name, call = _search(module, factory)
    else:
        names, call = path
        found, name = _attribute(module, names), f"{module_name}:{'.'.join(names)}"
        if call is None and factory:
            call = Call((), {})
    if call is not None:
        found = call.of(found, name)
        name = f"what {name}() returned"
    if not callable(found):
        raise LoadingError(f"{name} is not callable: it is {_described(found)}.", _candidates_hint(module))
    if call is None and _is_factory(found):
        raise LoadingError(
            f"{name} takes no scope: it looks like a factory, which returns the application.",
            f"Write {name}(), or add --factory.",
        )
    return adapt(found, interface)


# Names.


class Call:
    """The arguments a factory is called with."""

    __slots__ = ("keywords", "positional")

    def __init__(self, positional: Sequence[Any], keywords: dict[str, Any]) -> None:
        self.positional = positional
        self.keywords = keywords

    def of(self, factory: object, name: str) -> object:
        """Call `factory`. A mistake in the call is told from one inside the factory."""
        if not callable(factory):
            raise LoadingError(
                f"{name} can't be called: it is {_described(factory)}.", "A factory is a function."
            )
        try:
            inspect.signature(factory).bind(*self.positional, **self.keywords)
        except TypeError as error:
            raise LoadingError(
                f"{name} can't be called with these arguments: {error}.",
                f"Write them as in: {name}(1, debug=True)",
            ) from None
        except ValueError:  # it has no signature to look at
            pass
        try:
            made = factory(*self.positional, **self.keywords)
        except Exception as error:
            raise LoadingError(
                f"{name}() raised {type(error).__name__}.",
                "The traceback is above.",
                _application_traceback(error),
            ) from error
        if inspect.iscoroutine(made):
            made.close()
            raise LoadingError(
                f"{name} is a coroutine function, and a factory can't be one.",
                "What needs the event loop belongs into the lifespan startup.",
            )
        return made


def load_function(target: str, *, app_dir: str = ".") -> Callable[..., Any]:
    """Import the function that `target` names, as `module:function`. Raises `LoadingError`."""
    directory = _import_from(app_dir)
    module_name, _, name = target.partition(":")
    found = _attribute(_import(module_name, name, directory), name.split("."))
    if not callable(found):
        raise LoadingError(f"{target} is not callable: it is {_described(found)}.", "It must be a function.")
    return found


def _import_from(app_dir: str) -> str:
    """Let modules be imported from this directory first; its full path."""
    directory = os.path.abspath(app_dir)
    if not os.path.isdir(directory):
        raise LoadingError(
            f"There is no directory {app_dir} to import the application from.", "See --app-dir."
        )
    if directory not in sys.path[:1]:
        sys.path.insert(0, directory)
    return directory


def _attribute_path(target: str, expression: str) -> tuple[list[str], Call | None]:
    """Read `attribute`, `package.attribute` or `factory(literal, key=literal)`."""
    example = 'Write it as in: main:app, main:sub.app, main:create_app("production", debug=True)'
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise LoadingError(f"{target!r} does not name an application.", example) from None
    call = None
    if isinstance(node, ast.Call):
        try:
            keywords = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
            call = Call([ast.literal_eval(each) for each in node.args], cast(dict[str, Any], keywords))
        except ValueError:
            raise LoadingError(f"The arguments in {target!r} are not literals.", example) from None
        if None in keywords:
            raise LoadingError(f"The arguments in {target!r} can't be unpacked from a mapping.", example)
        node = node.func
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise LoadingError(f"{target!r} does not name an application.", example)
    return [node.id, *reversed(names)], call


def _import(name: str, expression: str, directory: str) -> ModuleType:
    if name.endswith(".py") or os.sep in name:
        stem = name.removesuffix(".py").strip("./" + os.sep).replace(os.sep, ".")
        right = f"{stem}:{expression}" if expression else stem
        raise LoadingError(f"{name!r} is a file's name, not a module's.", f"Write {right}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadingError(
            f"{name!r} is no module's name.", "Name the application as in: asgiworker main:app"
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The module itself or a package on the way to it; anything else is missing in its code.
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _failed_import(name, error) from error
        raise LoadingError(f"There is no module {name}.", _modules_hint(name, directory)) from None
    except Exception as error:
        raise _failed_import(name, error) from error
    except SystemExit as error:
        raise LoadingError(
            f"The module {name} ended the program while it was imported (exit code {error.code}).",
            'Put what runs it below: if __name__ == "__main__"',
        ) from error


def _failed_import(name: str, error: Exception) -> LoadingError:
    return LoadingError(
        f"The module {name} failed on import with {type(error).__name__}.",
        "The traceback is above.",
        _application_traceback(error),
    )


def _application_traceback(error: BaseException) -> str:
    """The traceback without the frames of the import system and of this module."""
    report = traceback.TracebackException.from_exception(error)
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        part = pending.pop()
        if part is not None:
            part.stack = traceback.StackSummary.from_list(
                [
                    frame
                    for frame in part.stack
                    if frame.filename != __file__
                    and not frame.filename.startswith("<frozen importlib")
                    and frame.filename != importlib.__file__
                ]
            )
            pending += (part.__cause__, part.__context__)
    return "".join(report.format())


def _attribute(module: ModuleType, names: Sequence[str]) -> object:
    found: object = module
    for position, name in enumerate(names):
        holder = ".".join([module.__name__, *names[:position]])
        try:
            found = getattr(found, name)
        except AttributeError:
            kind = "module" if isinstance(found, ModuleType) else "object"
            if found is module:
                hint = _candidates_hint(module, name)
            else:
                close = difflib.get_close_matches(name, dir(found), 1)
                hint = f"Did you mean {close[0]}?" if close else ""
            raise LoadingError(f"The {kind} {holder} has no attribute {name}.", hint) from None
    return found


def _search(module: ModuleType, factory: bool) -> tuple[object, str, Call | None]:
    """The application of a module that is named without an attribute."""
    for name in (*APPLICATION_NAMES, *FACTORY_NAMES) if not factory else FACTORY_NAMES:
        # A submodule of that name (package/app.py) is no application.
        if hasattr(module, name) and not isinstance(found := getattr(module, name), ModuleType):
            call = Call((), {}) if name in FACTORY_NAMES else None
            return found, f"{module.__name__}:{name}", call
    names = FACTORY_NAMES if factory else (*APPLICATION_NAMES, *FACTORY_NAMES)
    raise LoadingError(
        f"The module {module.__name__} has none of {', '.join(names)}.", _candidates_hint(module)
    )


# Hints.


def _candidates_hint(module: ModuleType, name: str = "") -> str:
    """What in `module` looks like an application, or like what was meant by `name`."""
    candidates = [
        attribute
        for attribute, value in vars(module).items()
        if not attribute.startswith("_") and _looks_like_application(attribute, value)
    ]
    if candidates:
        listed = ", ".join(f"{module.__name__}:{each}" for each in candidates[:5])
        return f"This looks like an application: {listed}"
    close = difflib.get_close_matches(name, vars(module), 1) if name else []
    return (
        f"Did you mean {module.__name__}:{close[0]}?" if close else "Nothing in it looks like an application."
    )


def _looks_like_application(name: str, value: Any) -> bool:
    try:
        if inspect.isclass(value) or not callable(value):
            return False
        if inspect.isfunction(value):
            return name in FACTORY_NAMES or (inspect.iscoroutinefunction(value) and _accepts(value, 3))
        return (_accepts(value, 3) or _accepts(value, 2)) and not _accepts(value, 4)
    except Exception:  # a proxy outside of its context raises whatever one asks of it
        return False


def _modules_hint(name: str, directory: str) -> str:
    """Which modules with an application could have been meant."""
    modules = [
        module for module, path in islice(_modules(Path(directory)), 500) if _mentions_application(path)
    ]
    listed = ", ".join(difflib.get_close_matches(name, modules, 3) or modules[:5])
    if listed:
        return f"In {directory} these look like applications: {listed}"
    return f"Nothing in {directory} looks like an application; --app-dir names another directory."


def _modules(directory: Path, prefix: str = "", depth: int = 2) -> Iterator[tuple[str, Path]]:
    """The modules below `directory` that could be imported from there; they are not."""
    try:
        paths = sorted(directory.iterdir())
    except OSError:
        return
    for path in paths:
        if path.name == "__init__.py" and prefix:
            yield prefix.rstrip("."), path
        elif path.suffix == ".py" and path.stem.isidentifier():
            yield prefix + path.stem, path
        elif depth and path.name.isidentifier() and path.name not in UNLIKELY_DIRECTORIES and path.is_dir():
            yield from _modules(path, f"{prefix}{path.name}.", depth - 1)


def _mentions_application(path: Path) -> bool:
    """Whether one of the usual names is defined at the top of the source."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    wanted = {*APPLICATION_NAMES, *FACTORY_NAMES}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in wanted:
            return True
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id in wanted for target in targets):
            return True
    return False


def _described(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


# Interfaces.


def adapt(app: Callable[..., Any], interface: Interface = "auto") -> ASGIApplication:
    """`app` as an ASGI 3 application: itself, or wrapped where it speaks ASGI 2 or WSGI."""
    if interface == "auto":
        interface = detect(app)
    if interface == "asgi2":
        from asgiref.compatibility import double_to_single_callable

        return cast(ASGIApplication, double_to_single_callable(app))  # type: ignore[no-untyped-call]
    if interface == "wsgi":
        from asgiworker.process.wsgi import WSGIAdapter

        return WSGIAdapter(app)
    return cast(ASGIApplication, app)


def detect(app: Callable[..., Any]) -> Literal["asgi3", "asgi2", "wsgi"]:
    """Which interface `app` speaks, judged by what it accepts.

    ASGI 3 is `await app(scope, receive, send)`, ASGI 2 is `await app(scope)(receive, send)`, WSGI is
    `app(environ, start_response)`. What can't be told is taken for ASGI 3.
    """
    if _is_coroutine(app) or _accepts(app, 4):  # four: it takes any number, and leaves no way to tell
        return "asgi3"
    if _accepts(app, 2):
        return "wsgi"
    return "asgi2" if _accepts(app, 1) else "asgi3"


def _is_coroutine(app: Any) -> bool:
    while isinstance(app, partial):
        app = app.func
    if inspect.isclass(app):
        return False
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)


def _is_factory(app: Callable[..., Any]) -> bool:
    return not _is_coroutine(app) and _accepts(app, 0) and not _accepts(app, 4)


def _accepts(app: Callable[..., Any], count: int) -> bool:
    """Whether `app` can be called with so many positional arguments, as far as its signature tells."""
    try:
        inspect.signature(app).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # it has no signature: anything may do
        return True
    return True
