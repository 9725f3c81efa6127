"""Type checkers see precise types in code that uses asgistar: `user_code.py` says which."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = Path(__file__).parent / "user_code.py"


def test_mypy_sees_what_is_said(tmp_path: Path) -> None:
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nstrict = true\n", "utf-8")
    arguments = ["--config-file", str(settings), "--cache-dir", str(ROOT / ".mypy_cache"), str(CODE)]
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_pyright_sees_what_is_said(tmp_path: Path) -> None:
    pyright = shutil.which("pyright") or shutil.which("basedpyright")
    if pyright is None:
        pytest.skip("there is no pyright: npm install --global pyright")
    shutil.copy(CODE, tmp_path)
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(
        json.dumps(
            {
                "include": [CODE.name],
                "typeCheckingMode": "strict",
                "pythonVersion": "3.11",
                # A line that is marked as wrong must be wrong.
                "reportUnnecessaryTypeIgnoreComment": "error",
            }
        ),
        "utf-8",
    )
    ended = subprocess.run(
        [pyright, "--project", str(settings), "--pythonpath", sys.executable, "--outputjson"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    report = json.loads(ended.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    found = report["generalDiagnostics"]
    assert not found, "\n".join(
        f"{each['range']['start']['line'] + 1}: {each.get('rule')}: {each['message']}" for each in found
    )


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
