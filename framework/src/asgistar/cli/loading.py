"""Which application is meant, and how it is imported."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from asgistar.app import App
from asgistar.cli.mistakes import USAGE, Mistake, failure, near
from asgistar.errors import ConfigurationError

EXAMPLE = "Name it as in: asgistar --app main:app"

DEFAULTS = ("app", "main")
"""The modules that are looked into for `app`, if no application is named."""

SETTINGS = ("app", "app-dir")
"""What [tool.asgistar] may say."""

MODULES = 500
"""So many modules are looked through at most, for a hint."""

_UNLIKELY = frozenset(("tests", "test", "docs", "scripts", "node_modules", "venv", "env", "build", "dist"))


class Application:
    """The application that a command is for; found, and imported, when it is asked for.

    Args:
        target: `module:attribute`, if the command line names it.
        folder: where to import it from, if the command line says so.
    """

    def __init__(self, target: str | None = None, folder: str | None = None) -> None:
        self._target = target
        self._folder = folder

    @cached_property
    def named(self) -> str:
        """What names it: the command line, the variable ASGISTAR_APP, pyproject.toml; empty if none does."""
        return self._target or os.environ.get("ASGISTAR_APP", "") or self._setting("app")

    @cached_property
    def folder(self) -> str:
        """Where it is imported from."""
        folder = os.path.abspath(self._folder or self._setting("app-dir") or ".")
        if not os.path.isdir(folder):
            raise Mistake(f"There is no folder {folder} to import the application from.", "See --app-dir.")
        return folder

    @cached_property
    def target(self) -> str:
        """It, as `module:attribute`.

        Raises:
            Mistake: none is named, and there is none where it usually is, or there are two.
        """
        if self.named:
            return self.named
        found = [name for name in DEFAULTS if any("app" in _names(path) for path in self._files(name))]
        if len(found) == 1:
            return f"{found[0]}:app"
        if found:
            both = " and ".join(f"{name}:app" for name in found)
            raise Mistake(f"There are several applications, {both}.", EXAMPLE, code=USAGE)
        for name in DEFAULTS:
            # Where the source doesn't tell, the module does; or why it can't be imported.
            if any(map(_may_have_more, self._files(name))) and hasattr(self._imported(name, "app"), "app"):
                return f"{name}:app"
        others = self._candidates()
        example = f"Name it as in: asgistar --app {others[0]}" if others else EXAMPLE
        raise Mistake(
            f"No application is named, and there is neither app:app nor main:app in {self.folder}.",
            f"These look like applications: {', '.join(others)}. {example}" if others else example,
            code=USAGE,
        )

    @cached_property
    def app(self) -> App:
        """It, imported.

        Raises:
            Mistake: it isn't there, can't be imported, or is no App.
        """
        name, _, attribute = self.target.partition(":")
        attribute = attribute.strip()
        calls = attribute.endswith("()")
        attribute = attribute.removesuffix("()")
        if not all(part.isidentifier() for part in attribute.split(".") if attribute):
            raise Mistake(f"{self.target!r} doesn't name an application.", EXAMPLE, code=USAGE)
        module = self._imported(name, attribute)
        found = self._attribute(module, attribute) if attribute else self._only(module)
        if calls:
            found = self._made(found)
        if isinstance(found, App):
            return found
        raise Mistake(f"{self.target} is {_described(found)}, not an App of asgistar.", _instead(found, self))

    def _setting(self, key: str) -> str:
        value = _settings().get(key, "")
        if not isinstance(value, str):
            raise Mistake(f"{key} of [tool.asgistar] in pyproject.toml is text, not {value!r}.")
        return value

    def _files(self, name: str) -> Iterator[Path]:
        for path in (Path(self.folder, f"{name}.py"), Path(self.folder, name, "__init__.py")):
            if path.is_file():
                yield path

    def _candidates(self) -> list[str]:
        """What looks like an application below the folder."""
        modules = islice(_modules(Path(self.folder)), MODULES)
        return [f"{module}:{name}" for module, path in modules for name in _apps(path)][:5]

    def _imported(self, name: str, attribute: str) -> ModuleType:
        if name.endswith(".py") or os.sep in name:
            module = name.removesuffix(".py").strip("./" + os.sep).replace(os.sep, ".")
            right = f"{module}:{attribute or 'app'}"
            raise Mistake(f"{name!r} is the name of a file, not of a module.", f"Write {right}", code=USAGE)
        if not all(part.isidentifier() for part in name.split(".")):
            raise Mistake(f"{name!r} is no name of a module.", EXAMPLE, code=USAGE)
        if self.folder not in sys.path[:1]:
            sys.path.insert(0, self.folder)
        try:
            return importlib.import_module(name)
        except ConfigurationError as error:
            raise Mistake(str(error)) from error
        except ModuleNotFoundError as error:
            # The module itself, or a package on the way to it; anything else is missing in its code.
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise failure(f"The module {name} can't be imported", error) from error
            others = self._candidates()
            meant = near(self.target, others) or (f"There is {', '.join(others)}." if others else EXAMPLE)
            raise Mistake(f"There is no module {name} in {self.folder}.", meant) from None
        except SystemExit as error:
            raise Mistake(
                f"The module {name} ended the program while it was imported (exit code {error.code}).",
                'Put what runs it below: if __name__ == "__main__":',
            ) from error
        except Exception as error:
            raise failure(f"The module {name} can't be imported", error) from error

    def _attribute(self, module: ModuleType, attribute: str) -> Any:
        found: Any = module
        for name in attribute.split("."):
            try:
                found = getattr(found, name)
            except AttributeError:
                apps = [each for each, value in vars(module).items() if isinstance(value, App)]
                names = apps or [each for each in dir(found) if not each.startswith("_")]
                hint = near(name, names) or (f"There is {', '.join(apps)}." if apps else "")
                raise Mistake(f"There is no {name} in {module.__name__}.", hint or EXAMPLE) from None
        return found

    def _only(self, module: ModuleType) -> App:
        """The application of a module that is named without an attribute."""
        apps = {name: value for name, value in vars(module).items() if isinstance(value, App)}
        if "app" in apps:
            return apps["app"]
        if len({id(app) for app in apps.values()}) == 1:
            return next(iter(apps.values()))
        if apps:
            names = ", ".join(f"{module.__name__}:{name}" for name in apps)
            raise Mistake(f"There are several applications in {module.__name__}.", f"Name one: {names}")
        raise Mistake(f"There is no application in {module.__name__}.", EXAMPLE)

    def _made(self, factory: Any) -> Any:
        if not callable(factory):
            raise Mistake(f"{self.target.removesuffix('()')} is {_described(factory)}, and can't be called.")
        try:
            made = factory()
        except ConfigurationError as error:
            raise Mistake(str(error)) from error
        except Exception as error:
            raise failure(f"{self.target} failed", error) from error
        if inspect.iscoroutine(made):
            made.close()
            raise Mistake(
                f"{self.target} is async, and what makes an application can't be.",
                'What needs the event loop is a component: @component(scope="app")',
            )
        return made


def _described(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, ModuleType):
        return "a module"
    return "a function" if callable(value) and hasattr(value, "__code__") else f"a {type(value).__name__}"


def _instead(found: Any, application: Application) -> str:
    """What to do about something that isn't an App."""
    if hasattr(found, "__code__"):
        return f"If it makes the application, write {application.target}()"
    if isinstance(found, ModuleType):
        return f"Perhaps {found.__name__}:app"
    if isinstance(found, type) and issubclass(found, App):
        return "It is the class; name an object of it."
    if callable(found):
        return "If it is wrapped around the App, name the App itself. Any ASGI server serves the other."
    return EXAMPLE


# --- without importing anything ---------------------------------------------------------------------------


def _settings() -> Mapping[str, Any]:
    """The table [tool.asgistar] of pyproject.toml in the current folder."""
    try:
        content = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Mistake(f"pyproject.toml can't be read: {error}.") from None
    table = content.get("tool", {}).get("asgistar", {})
    if not isinstance(table, dict):
        raise Mistake(f"[tool.asgistar] in pyproject.toml is a table, not {table!r}.")
    for key in sorted(table.keys() - set(SETTINGS)):
        hint = near(key, SETTINGS) or f"There is {' and '.join(SETTINGS)}."
        raise Mistake(f"[tool.asgistar] in pyproject.toml has no setting {key}.", hint)
    return table


def _modules(folder: Path, prefix: str = "", depth: int = 2) -> Iterator[tuple[str, Path]]:
    """The modules below a folder that could be imported from there."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.name == "__init__.py" and prefix:
            yield prefix.rstrip("."), path
        elif path.suffix == ".py" and path.stem.isidentifier():
            yield prefix + path.stem, path
        elif depth and path.name.isidentifier() and path.name not in _UNLIKELY and path.is_dir():
            yield from _modules(path, f"{prefix}{path.name}.", depth - 1)


def _statements(path: Path) -> list[ast.stmt]:
    try:
        return ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []


def _names(path: Path) -> set[str]:
    """What a source defines or imports at its top; `app` if it can't be read: importing it tells why."""
    names: set[str] = set()
    statements = _statements(path)
    if not statements and path.stat().st_size:
        return {"app"}
    for node in statements:
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name for each in node.names}
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def _may_have_more(path: Path) -> bool:
    """Whether a source may make or import an application in a way that doesn't show at its top.

    What has nothing to do with asgistar may be a program: it isn't imported.
    """
    for node in _statements(path):
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] == "asgistar" or any(
                each.name == "*" for each in node.names
            ):
                return True
        elif isinstance(node, ast.Import) and any(
            each.name.partition(".")[0] == "asgistar" for each in node.names
        ):
            return True
    return False


def _apps(path: Path) -> Iterator[str]:
    """The names that a source gives to what `App(…)` makes."""
    for node in _statements(path):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            call = node.value.func
            made = call.id if isinstance(call, ast.Name) else getattr(call, "attr", "")
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if made == "App" and isinstance(target, ast.Name):
                    yield target.id
