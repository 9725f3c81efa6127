"""Listening sockets: how addresses are read, what is opened, and what is said when it can't be."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asgiworker.process.mistakes import BindError
from asgiworker.process.sockets import (
    Address,
    FdAddress,
    Listener,
    TcpAddress,
    UnixAddress,
    listen,
    parse_address,
    systemd_addresses,
)


@contextmanager
def listening(*addresses: str, **options: int) -> Iterator[list[Listener]]:
    listeners = listen(addresses, **options)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def refusal(*addresses: str, **options: int) -> BindError:
    with pytest.raises(BindError) as caught, listening(*addresses, **options):
        pass
    return caught.value


def port_of(listener: Listener) -> int:
    port: int = listener.sock.getsockname()[1]
    return port


def accepts(listener: Listener) -> bool:
    """Whether a client can connect, and is the one that is accepted."""
    with socket.socket(listener.sock.family) as client:
        client.connect(listener.sock.getsockname())
        accepted, _ = listener.sock.accept()
        with accepted:
            return accepted.getsockname() == client.getpeername()


# Addresses.


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("127.0.0.1:80", TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
        ("localhost:0", TcpAddress("localhost", 0), "localhost:0"),
        ("localhost", TcpAddress("localhost", 8000), "localhost:8000"),
        (":80", TcpAddress("0.0.0.0", 80), "0.0.0.0:80"),
        ("[::1]:80", TcpAddress("::1", 80), "[::1]:80"),
        ("[::]", TcpAddress("::", 8000), "[::]:8000"),
        ("tcp://127.0.0.1:80", TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
        ("unix:/run/app.sock", UnixAddress("/run/app.sock"), "unix:/run/app.sock"),
        ("unix:///run/app.sock", UnixAddress("/run/app.sock"), "unix:/run/app.sock"),
        ("unix:app.sock", UnixAddress("app.sock"), "unix:app.sock"),
        ("unix:@app", UnixAddress("@app"), "unix:@app"),
        ("fd://3", FdAddress(3), "fd://3"),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address, written: str):
    assert parse_address(text) == address
    assert str(address) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://localhost:80", "an address has no scheme"),
        ("localhost:http", "'http' is no port from 0 to 65535"),
        ("localhost:65536", "'65536' is no port from 0 to 65535"),
        ("localhost:", "'' is no port from 0 to 65535"),
        ("localhost:-1", "'-1' is no port from 0 to 65535"),
        ("localhost:８０", "'８０' is no port from 0 to 65535"),
        ("::1:80", "an IPv6 address stands in brackets"),
        ("[::1", "brackets hold an IPv6 address, and :PORT follows"),
        ("[::1]80", "brackets hold an IPv6 address, and :PORT follows"),
        ("8000", "a port alone is written :8000"),
        ("unix:", "the path is missing"),
        ("fd://x", "'x' is no file descriptor"),
        ("fd://-1", "'-1' is no file descriptor"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, reason: str):
    error = refusal(text)
    assert error.message == f"{text!r} is no address to listen on: {reason}."
    assert error.hint == "Write HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N."


# TCP.


def test_port_0_takes_a_free_port_and_the_url_says_which():
    with listening("127.0.0.1:0") as [listener]:
        assert listener.url() == f"http://127.0.0.1:{port_of(listener)}"
        assert listener.url(tls=True) == f"https://127.0.0.1:{port_of(listener)}"
        assert port_of(listener) != 0
        assert accepts(listener)


def test_a_listener_does_not_block_and_its_connections_send_at_once():
    with listening("127.0.0.1:0") as [listener]:
        assert listener.sock.getblocking() is False
        with pytest.raises(BlockingIOError):
            listener.sock.accept()
        with socket.create_connection(listener.sock.getsockname()):
            connection, _ = listener.sock.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_ipv6_is_shown_in_brackets():
    with listening("[::1]:0") as [listener]:
        assert listener.url() == f"http://[::1]:{port_of(listener)}"
        assert accepts(listener)


def test_several_addresses_are_opened_in_order(tmp_path: Path):
    with listening("127.0.0.1:0", f"unix:{tmp_path}/a", "127.0.0.1:0") as listeners:
        assert [listener.sock.family for listener in listeners] == [
            socket.AF_INET,
            socket.AF_UNIX,
            socket.AF_INET,
        ]
        assert all(accepts(listener) for listener in listeners)


def test_all_of_ipv6_leaves_ipv4_to_its_own_listener():
    with listening("0.0.0.0:0") as [probe]:
        port = port_of(probe)
    with listening(f"0.0.0.0:{port}", f"[::]:{port}") as listeners:
        assert all(accepts(listener) for listener in listeners)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    def resolve(host: str, port: int, **_: object) -> list[object]:
        found: list[object] = []
        for each in hosts:
            family = socket.AF_INET6 if ":" in each else socket.AF_INET
            place = (each, port, 0, 0) if ":" in each else (each, port)
            found.append((family, socket.SOCK_STREAM, 6, "", place))
        return found

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_name_is_opened_on_all_its_addresses_with_one_port(monkeypatch: pytest.MonkeyPatch):
    resolving_to(monkeypatch, "127.0.0.1", "::1", "127.0.0.1")
    with listening("name:0") as [first, second]:
        assert port_of(first) == port_of(second)


def test_an_address_of_a_name_that_the_machine_has_not_got_is_left_out(monkeypatch: pytest.MonkeyPatch):
    resolving_to(monkeypatch, "203.0.113.1", "127.0.0.1")
    with listening("name:0") as [listener]:
        assert accepts(listener)
    resolving_to(monkeypatch, "203.0.113.1", "203.0.113.2")
    assert refusal("name:0").message == "name:0 can't be bound: this machine has no such address."


def test_a_name_half_of_whose_addresses_are_taken_is_refused(monkeypatch: pytest.MonkeyPatch):
    with listening("127.0.0.2:0") as [taken]:
        port = port_of(taken)
        resolving_to(monkeypatch, "127.0.0.1", "127.0.0.2")
        assert refusal(f"name:{port}").message == f"name:{port} is in use by another process."
        monkeypatch.undo()
        with listening(f"127.0.0.1:{port}"):  # what was opened has been closed again
            pass


def test_a_port_in_use_is_named():
    with listening("127.0.0.1:0") as [taken]:
        address = f"127.0.0.1:{port_of(taken)}"
        error = refusal("127.0.0.1:0", address)
        assert error.message == f"{address} is in use by another process."
        assert "--port 0" in error.hint


def test_with_reuse_port_two_servers_share_a_port():
    with listening("127.0.0.1:0", reuse_port=True) as [first]:
        address = f"127.0.0.1:{port_of(first)}"
        listen([address], reuse_port=True)[0].close()
        assert refusal(address).message == f"{address} is in use by another process."


def test_an_address_of_another_machine_is_named():
    error = refusal("203.0.113.1:0")
    assert error.message == "203.0.113.1:0 can't be bound: this machine has no such address."


def test_an_unknown_host_is_named():
    assert refusal("no-such-host.invalid:80").message.startswith(
        "no-such-host.invalid:80 can't be bound: the host is unknown ("
    )


def test_a_forbidden_port_is_named(monkeypatch: pytest.MonkeyPatch):
    # As root every port is allowed, so the system's refusal is the one thing that is made up.
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("asgiworker.process.sockets._bound", forbidden)
    error = refusal("127.0.0.1:80")
    assert error.message == "127.0.0.1:80 can't be bound: permission denied."
    assert error.hint.startswith("Ports below 1024 need root")
    assert refusal("127.0.0.1:8080").hint == "Check the owner and mode of the directory."


# UNIX sockets.


def test_a_unix_socket_is_shown_by_its_path_and_removed_at_the_end(tmp_path: Path):
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}") as [listener]:
        assert listener.url() == f"unix:{path}"
        assert accepts(listener)
    assert not path.exists()


def test_a_relative_unix_socket_is_removed_wherever_the_process_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with listening("unix:app.sock"):
        monkeypatch.chdir("/")
    assert not (tmp_path / "app.sock").exists()


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o777), (0o027, 0o750)])
def test_the_umask_sets_the_mode_of_a_unix_socket(tmp_path: Path, umask: int, mode: int):
    path = tmp_path / "app.sock"
    before = os.umask(0o022)
    try:
        with listening(f"unix:{path}", umask=umask):
            assert stat.S_IMODE(path.stat().st_mode) == mode
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_socket_that_nobody_answers_is_replaced(tmp_path: Path):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(f"unix:{path}") as [listener]:
        assert accepts(listener)


def test_a_socket_that_somebody_answers_is_left_alone(tmp_path: Path):
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}") as [alive]:
        error = refusal(f"unix:{path}")
        assert error.message == f"unix:{path} is in use by another process."
        assert error.hint == "Stop the other server, or choose another path."
        alive.sock.accept()[0].close()  # the probe
        assert accepts(alive)


def test_a_socket_whose_backlog_is_full_is_in_use(tmp_path: Path):
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}", backlog=1):
        waiting = []
        try:
            while True:
                client = socket.socket(socket.AF_UNIX)
                waiting.append(client)
                client.setblocking(False)
                client.connect(str(path))
        except BlockingIOError:
            assert refusal(f"unix:{path}").message == f"unix:{path} is in use by another process."
        finally:
            for client in waiting:
                client.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path):
    path = tmp_path / "app.sock"
    path.write_text("precious")
    error = refusal(f"unix:{path}")
    assert error.message == f"unix:{path} can't be used: {path} exists and is no socket."
    assert path.read_text() == "precious"


def test_a_missing_directory_is_named(tmp_path: Path):
    error = refusal(f"unix:{tmp_path}/missing/app.sock")
    assert error.message == f"unix:{tmp_path}/missing/app.sock can't be bound: its directory does not exist."


def test_a_path_that_is_too_long_is_named(tmp_path: Path):
    assert refusal(f"unix:{tmp_path}/{'x' * 200}").message.endswith("AF_UNIX path too long.")


def test_closing_leaves_a_successor_alone(tmp_path: Path):
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}"):
        path.rename(tmp_path / "moved")
        path.touch()
    assert path.exists()


def test_closing_does_not_mind_that_the_file_is_gone(tmp_path: Path):
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}"):
        path.unlink()


def test_an_abstract_unix_socket_has_no_file():
    name = f"@asgiworker-{os.getpid()}"
    with listening(f"unix:{name}") as [listener]:
        assert listener.url() == f"unix:{name}"
        assert accepts(listener)


# File descriptors.


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_socket_of_any_family_is_taken_over(tmp_path: Path, family: socket.AddressFamily):
    original = socket.socket(family)
    places = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
    original.bind(places.get(family, str(tmp_path / "app.sock")))
    with listening(f"fd://{original.detach()}") as [listener]:
        assert listener.sock.family == family
        assert listener.sock.getblocking() is False
        assert accepts(listener)


def test_a_unix_socket_that_was_taken_over_stays_its_owners(tmp_path: Path):
    path = tmp_path / "app.sock"
    with listening(f"unix:{path}") as [owner]:
        with listening(f"fd://{os.dup(owner.sock.fileno())}"):
            pass
        assert accepts(owner)


def test_a_closed_file_descriptor_is_named():
    error = refusal("fd://987654")
    assert error.message == "fd://987654 can't be used: Bad file descriptor."


def test_a_file_descriptor_that_is_no_stream_socket_is_named_and_left_open():
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        address = f"fd://{datagrams.fileno()}"
        assert refusal(address).message == f"{address} can't be used: Operation not supported."
        assert datagrams.getsockname()


def test_systemd_hands_over_its_sockets_to_the_process_it_names():
    assert systemd_addresses({"LISTEN_PID": "42", "LISTEN_FDS": "2"}, 42) == ("fd://3", "fd://4")
    assert systemd_addresses({"LISTEN_PID": "41", "LISTEN_FDS": "2"}, 42) == ()
    assert systemd_addresses({"LISTEN_PID": "42", "LISTEN_FDS": "x"}, 42) == ()
    assert systemd_addresses({"LISTEN_PID": "42"}, 42) == ()
    assert systemd_addresses({}, 42) == ()
