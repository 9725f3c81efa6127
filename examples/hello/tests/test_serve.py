"""`scripts/serve`: what it says about addresses, and about a machine without the right Python."""

import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


def addresses(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What scripts/serve asks before it starts Gunicorn with these arguments."""
    command = [sys.executable, str(SCRIPTS / "addresses.py"), *arguments, "app:app"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_it_names_the_url_of_each_address(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    said = addresses("-b", f"127.0.0.1:{first}", f"--bind=0.0.0.0:{second}", folder=tmp_path)
    assert said.stdout.splitlines() == [f"Open http://127.0.0.1:{first}/", f"Open http://127.0.0.1:{second}/"]
    assert said.returncode == 0


def test_with_a_certificate_the_url_is_https(tmp_path: Path) -> None:
    port = free_port()
    said = addresses("--bind", f"localhost:{port}", "--certfile", "any.pem", folder=tmp_path)
    assert said.stdout == f"Open https://localhost:{port}/\n"


def test_the_address_may_stand_in_gunicorns_own_configuration_file(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "gunicorn.conf.py").write_text(f'bind = "127.0.0.1:{port}"\n')
    assert addresses(folder=tmp_path).stdout == f"Open http://127.0.0.1:{port}/\n"


def test_a_taken_port_is_one_line_and_no_success(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        said = addresses("--bind", f"127.0.0.1:{port}", folder=tmp_path)
    assert said.returncode == 1
    taken, _, hint = said.stderr.partition("; ")
    assert taken == f"serve: 127.0.0.1:{port} is taken"
    assert hint == "choose another port, for example: scripts/serve --bind 127.0.0.1:9000\n"


@pytest.mark.parametrize("address", ["192.0.2.1:8000", "127.0.0.1:65536", "name.invalid:8000"])
def test_an_address_that_is_none_of_ours_is_one_line_and_no_success(tmp_path: Path, address: str) -> None:
    said = addresses("--bind", address, folder=tmp_path)
    assert said.returncode == 1
    assert said.stderr.startswith(f"serve: {address} cannot be bound: ")
    assert said.stderr.count("\n") == 1


def test_a_unix_socket_comes_with_the_command_to_reach_it(tmp_path: Path) -> None:
    said = addresses("--bind", "unix:hello.sock", folder=tmp_path)
    assert said.stdout == "Ask with curl --unix-socket hello.sock http://localhost/\n"


def test_a_leftover_unix_socket_is_no_obstacle(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "hello.sock"))
    assert addresses("--bind", "unix:hello.sock", folder=tmp_path).returncode == 0


def test_a_unix_socket_that_somebody_listens_on_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hello.sock"))
        listener.listen()
        said = addresses("--bind", "unix:hello.sock", folder=tmp_path)
    assert said.returncode == 1
    assert said.stderr == "serve: hello.sock is taken: a server answers there; choose another path\n"


@pytest.mark.parametrize("path", ["nowhere/hello.sock", "file"])
def test_a_path_where_no_unix_socket_can_be_is_one_line_and_no_success(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    said = addresses("--bind", f"unix:{path}", folder=tmp_path)
    assert said.returncode == 1
    assert said.stderr.startswith(f"serve: {path} cannot be bound: ")
    assert said.stderr.count("\n") == 1


def test_an_inherited_socket_is_left_alone(tmp_path: Path) -> None:
    assert addresses("--bind", "fd://3", folder=tmp_path).returncode == 0


def test_a_python_that_is_too_old_is_one_line_and_no_success(tmp_path: Path) -> None:
    """In a house without .venv, on a machine whose only Python is a 3.9."""
    house, machine = tmp_path / "house", tmp_path / "bin"
    shutil.copytree(SCRIPTS, house / "scripts")
    machine.mkdir()
    for name in ("bash", "cat", "dirname", "grep"):
        found = shutil.which(name)
        assert found
        (machine / name).symlink_to(found)
    python = machine / "python3"
    python.write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo Python 3.9.2; else echo 3.9; fi\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    said = subprocess.run(
        ["bash", house / "scripts" / "serve"],
        env={"PATH": str(machine), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 1
    assert (
        said.stderr
        == "serve: Python 3.11 or newer is needed, with its venv module; python3 is Python 3.9.2\n"
    )
    assert not (house / ".venv").exists()
