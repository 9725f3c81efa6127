"""What needs a package that isn't installed says so, each in the same way, and what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asgistar import ConfigurationError
from asgistar.extras import Extra, MissingExtra


@pytest.mark.parametrize(
    ("package", "use", "message"),
    [
        ("httpx", "import asgistar.client; asgistar.client.Client", "asgistar.client needs httpx"),
        ("httpx", "import asgistar.testing", "asgistar.testing needs httpx"),
        (
            "jsonschema",
            "from asgistar.testing import Conformity; Conformity({'openapi': '3.1.0'})",
            "The check of responses needs jsonschema",
        ),
        ("jinja2", "import asgistar.templates", "asgistar.templates needs jinja2"),
        ("a2wsgi", "from asgistar.wsgi import wsgi; wsgi(print)", "An application of WSGI needs a2wsgi"),
        ("pydantic", "import asgistar.pydantic", "asgistar.pydantic needs pydantic"),
        (
            "brotli",
            "from asgistar.middleware import compression; compression(codings=['br'])",
            "The coding br needs brotli",
        ),
        (
            "zstandard",
            "from asgistar.middleware import compression; compression(codings=['zstd'])",
            "The coding zstd needs zstandard",
        ),
    ],
)
def test_it_is_said_what_to_install(package: str, use: str, message: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from asgistar.extras import MissingExtra\n"
        f"try:\n    {use}\n"
        "except MissingExtra as error: print(error.name, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert not done.stderr
    assert done.stdout.startswith(f"{package} {message}: pip install 'asgistar[")


def test_what_is_missing_is_a_mistake_in_the_configuration_and_of_the_import() -> None:
    assert issubclass(MissingExtra, ConfigurationError)
    assert issubclass(MissingExtra, ModuleNotFoundError)


def test_what_is_missing_of_asgistar_itself_no_extra_brings() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"asgistar\.nothing") as error, Extra("client", "It"):
        import asgistar.nothing  # noqa: F401
    assert not isinstance(error.value, MissingExtra)
    with pytest.raises(ZeroDivisionError), Extra("client", "It"):
        1 / 0  # noqa: B018
