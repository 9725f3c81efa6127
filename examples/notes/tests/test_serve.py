"""`scripts/serve`: the notes, served from anywhere by one command."""

from __future__ import annotations

import os
import shutil
import site
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 60


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The repo, with a .venv in which all is installed: it sees what ours has."""
    house = tmp_path / "house"
    shutil.copytree(ROOT / "scripts", house / "scripts")
    for name in ("server", "framework", "examples"):
        (house / name).symlink_to(ROOT / name)
    venv = house / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=PATIENCE)
    packages = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    lines = [f"import site; site.addsitedir({each!r})\n" for each in site.getsitepackages()]
    (packages / "ours.pth").write_text("".join(lines))
    for name, main in {"alembic": "alembic.config", "gunicorn": "gunicorn.app.wsgiapp"}.items():
        command = venv / "bin" / name
        start = "main(prog='alembic')" if name == "alembic" else "run()"
        command.write_text(f"#!{venv}/bin/python\nfrom {main} import *\n{start}\n")
        command.chmod(0o755)
    for stamp, files in {
        "server": ["server/pyproject.toml"],
        "notes": ["framework/pyproject.toml", "examples/notes/requirements.txt"],
    }.items():
        state = subprocess.run(
            f"cat {' '.join(files)} | cksum", shell=True, cwd=house, capture_output=True, check=True
        ).stdout
        (venv / f"installed-{stamp}").write_bytes(state)
    return house


def test_one_command_makes_the_tables_and_serves_the_notes(house: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "app.py").write_text("raise RuntimeError('not this one')\n")
    (elsewhere / "log.txt").touch()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GUNICORN"))
    }
    environment["NOTES_DATABASE_URL"] = f"sqlite:///{tmp_path}/notes.db"
    environment["NOTES_ATTACHMENTS"] = str(tmp_path / "attachments")
    options = ["--bind", address, "--access-logfile", "log.txt", "--no-control-socket"]
    process = subprocess.Popen(
        ["bash", house / "scripts" / "serve", *options],
        cwd=elsewhere,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "Listening on" in line:
                break
        else:
            pytest.fail(f"It ended:\n{said}")
        with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE) as client:
            assert "<title>Notes</title>" in client.get("/").text
            ada = {"email": "ada@example.com", "name": "Ada", "password": "correct horse"}
            assert client.post("/users/", json=ada).status_code == 201
    finally:
        process.terminate()
        said += process.stdout.read()
        process.stdout.close()
        code = process.wait(PATIENCE)
    assert code == 0, said
    assert said.startswith(f"Open http://{address}/\n"), said
    assert said.count("Booting worker") == 2, said
    assert '"POST /users/ HTTP/1.1" 201' in (elsewhere / "log.txt").read_text()


def test_tables_that_cannot_be_made_are_told_of_before_anything_is_served(
    house: Path, tmp_path: Path
) -> None:
    start = time.monotonic()
    ended = subprocess.run(
        ["bash", house / "scripts" / "serve", "--bind", "127.0.0.1:0"],
        env={**os.environ, "NOTES_DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/notes.db"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    assert "unable to open database file" in ended.stderr
    assert ended.stderr.endswith("serve: the tables of the notes could not be made; why stands above\n")
    assert "Open" not in ended.stdout
    assert time.monotonic() - start < PATIENCE
