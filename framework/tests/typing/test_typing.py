"""Type checkers see precise types in code that uses asgistar: `user_code.py` says which."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = Path(__file__).parent / "user_code.py"

Pyright = Callable[[Path], list[str]]


def test_mypy_sees_what_is_said(tmp_path: Path) -> None:
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nstrict = true\n", "utf-8")
    arguments = ["--config-file", str(settings), "--cache-dir", str(ROOT / ".mypy_cache"), str(CODE)]
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_pyright_sees_what_is_said(pyright: Pyright, tmp_path: Path) -> None:
    shutil.copy(CODE, tmp_path)
    assert pyright(tmp_path) == []


@pytest.mark.slow
def test_pyright_that_looks_finds_mistakes(pyright: Pyright, tmp_path: Path) -> None:
    wrong = CODE.read_text("utf-8").replace("assert_type(q, str)", "assert_type(q, int)")
    (tmp_path / "wrong.py").write_text(wrong, "utf-8")
    (found,) = pyright(tmp_path)
    assert "reportAssertTypeFailure" in found


def test_a_checker_that_looks_finds_mistakes(tmp_path: Path) -> None:
    """A sample that nobody looks at would be right, too."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(CODE.read_text("utf-8").replace("assert_type(q, str)", "assert_type(q, int)"), "utf-8")
    arguments = ["--strict", "--cache-dir", str(ROOT / ".mypy_cache"), "--config-file=", str(wrong)]
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "Expression is of type" in ended.stdout
