"""Listening sockets: how an address is written, opening it, and saying plainly why it can't be opened.

No loop and no protocol: what comes out is bound, listening and non-blocking, for whoever accepts on it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from asgiworker.process.mistakes import BindError

DEFAULT_PORT = 8000
FIRST_SYSTEMD_FD = 3  # sd_listen_fds(3)

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (a name, IPv4 or IPv6) and a port; port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """As a person writes it, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a UNIX socket; one that starts with "@" is a name in Linux's abstract namespace."""

    path: str

    def __str__(self) -> str:
        """As it is given to `--bind`."""
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FdAddress:
    """A socket somebody else has opened, by its file descriptor."""

    fd: int

    def __str__(self) -> str:
        """As it is given to `--bind`."""
        return f"fd://{self.fd}"


Address = TcpAddress | UnixAddress | FdAddress


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, `HOST`, `[IPV6]:PORT`, `:PORT` (all of IPv4), `unix:PATH` or `fd://N`.

    Raises `ValueError` with a clause that completes "... is no address to listen on: ".
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path:
            raise ValueError("the path is missing")
        return UnixAddress(path)
    if text.startswith("fd://"):
        digits = text.removeprefix("fd://")
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError(f"{digits!r} is no file descriptor")
        return FdAddress(int(digits))
    text = text.removeprefix("tcp://")
    if SCHEME.match(text):
        raise ValueError("an address has no scheme")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("brackets hold an IPv6 address, and :PORT follows")
        return TcpAddress(host, _port(rest[1:]) if rest else DEFAULT_PORT)
    if text.count(":") > 1:
        raise ValueError("an IPv6 address stands in brackets")
    host, colon, port = text.partition(":")
    if not colon and host.isdigit():
        raise ValueError(f"a port alone is written :{host}")
    return TcpAddress(host or "0.0.0.0", _port(port) if colon else DEFAULT_PORT)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError(f"{text!r} is no port from 0 to 65535")
    return int(text)


@dataclass(slots=True)
class Listener:
    """A listening socket, and the file it made, if it is a UNIX socket that we bound."""

    sock: socket.socket
    path: str | None = None
    inode: int = 0

    def url(self, *, tls: bool = False) -> str:
        """What a person may open: `http://127.0.0.1:8000`, or `unix:/run/app.sock`."""
        return socket_url(self.sock, tls=tls)

    def close(self) -> None:
        """Close the socket and remove its file, unless another server has put its own in that place."""
        self.sock.close()
        if self.path is None:
            return
        try:
            if os.stat(self.path).st_ino == self.inode:
                os.unlink(self.path)
        except FileNotFoundError:
            pass


def socket_url(sock: socket.socket, *, tls: bool = False) -> str:
    """The address `sock` is bound to, as a URL where there is one."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        path = "@" + os.fsdecode(name[1:]) if isinstance(name, bytes) else name
        return f"unix:{path}"
    return f"{'https' if tls else 'http'}://{TcpAddress(name[0], name[1])}"


def socket_port(sock: socket.socket) -> int:
    """The port that `sock` is bound to; 0 for a UNIX socket."""
    name = sock.getsockname()
    return name[1] if isinstance(name, tuple) else 0


def listen(
    addresses: Iterable[str], *, backlog: int = 2048, reuse_port: bool = False, umask: int = 0
) -> list[Listener]:
    """Open every address, in order; a name that resolves to several addresses gets a listener for each.

    Raises `BindError` for the first that can't be opened, after closing those that were.
    """
    parsed = [(text, _parsed(text)) for text in addresses]
    # Where 0.0.0.0 is asked for as well, [::] must leave it alone; otherwise it serves both families.
    tcp = [address for _, address in parsed if isinstance(address, TcpAddress)]
    ipv4_ports = {address.port for address in tcp if address.host == "0.0.0.0"}
    listeners: list[Listener] = []
    try:
        for text, address in parsed:
            try:
                if isinstance(address, UnixAddress):
                    listeners.append(_listen_unix(address, backlog, umask))
                elif isinstance(address, FdAddress):
                    listeners.append(_listen_fd(address, backlog))
                else:
                    listeners += _listen_tcp(address, backlog, reuse_port, address.port in ipv4_ports)
            except OSError as error:
                raise _explained(text, address, error) from error
    except BindError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _parsed(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise BindError(
            f"{text!r} is no address to listen on: {error}.",
            "Write HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N.",
        ) from None


def _listen_tcp(address: TcpAddress, backlog: int, reuse_port: bool, ipv6_only: bool) -> list[Listener]:
    places = dict.fromkeys(
        (family, place)
        for family, _, _, _, place in socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    )
    listeners: list[Listener] = []
    absent: OSError | None = None
    port = address.port
    try:
        for family, place in places:
            try:
                # All addresses of one name share the port that the first was given.
                sock = _bound((place[0], port, *place[2:]), family, reuse_port, ipv6_only)
            except OSError as error:
                # A name may resolve to addresses this machine hasn't got (::1 where IPv6 is off).
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
                continue
            sock.listen(backlog)
            port = sock.getsockname()[1]
            listeners.append(Listener(sock))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    if absent is not None and not listeners:
        raise absent
    return listeners


def _bound(place: tuple[object, ...], family: int, reuse_port: bool, ipv6_only: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # On Windows it would let two servers share the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
        if family == socket.AF_INET6 and ipv6_only:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
    except OSError:
        sock.close()
        raise
    return sock


def _listen_unix(address: UnixAddress, backlog: int, umask: int) -> Listener:
    abstract = address.path.startswith("@")
    if not abstract:
        _remove_stale(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        previous = os.umask(umask)
        try:
            sock.bind("\0" + address.path[1:] if abstract else address.path)
        finally:
            os.umask(previous)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    if abstract:
        return Listener(sock)
    return Listener(sock, os.path.abspath(address.path), os.stat(address.path).st_ino)


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody answers; a file of another kind, or a socket in use, is an error."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(
            f"unix:{path} can't be used: {path} exists and is no socket.",
            "Choose another path, or remove the file.",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # its backlog is full: busy, not stale
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _listen_fd(address: FdAddress, backlog: int) -> Listener:
    sock = socket.socket(fileno=address.fd)
    try:
        sock.setblocking(False)
        sock.listen(backlog)  # harmless where it listens already
    except OSError:
        sock.detach()  # it stays its owner's
        raise
    return Listener(sock)


def _explained(text: str, address: Address, error: OSError) -> BindError:
    """The sentence for what the system refused."""
    if isinstance(address, FdAddress):
        return BindError(f"{address} can't be used: {error.strerror}.", "It must be an open stream socket.")
    if isinstance(error, socket.gaierror):
        return BindError(
            f"{text} can't be bound: the host is unknown ({error.strerror}).", "Check its spelling."
        )
    if error.errno == errno.EADDRINUSE:
        return BindError(f"{address} is in use by another process.", _other_place(address))
    if error.errno in (errno.EACCES, errno.EPERM):
        return BindError(f"{address} can't be bound: permission denied.", _permission_hint(address))
    if error.errno == errno.EADDRNOTAVAIL:
        return BindError(
            f"{address} can't be bound: this machine has no such address.",
            "Bind 0.0.0.0 or [::] for all addresses of the machine, 127.0.0.1 for itself alone.",
        )
    if isinstance(address, UnixAddress) and isinstance(error, FileNotFoundError):
        return BindError(
            f"{address} can't be bound: its directory does not exist.", "Make the directory first."
        )
    return BindError(f"{address} can't be bound: {error.strerror or error}.")


def _other_place(address: Address) -> str:
    if isinstance(address, UnixAddress):
        return "Stop the other server, or choose another path."
    return "Stop the other process, or choose another port with --port; --port 0 takes a free one."


def _permission_hint(address: Address) -> str:
    if isinstance(address, TcpAddress) and address.port < 1024:
        return "Ports below 1024 need root; use a higher one, or give the program CAP_NET_BIND_SERVICE."
    return "Check the owner and mode of the directory."


def systemd_addresses(environ: Mapping[str, str], pid: int) -> tuple[str, ...]:
    """The sockets that systemd opened for this process (sd_listen_fds(3)), as addresses; none elsewhere."""
    if environ.get("LISTEN_PID") != str(pid):
        return ()
    count = environ.get("LISTEN_FDS", "0")
    if not (count.isascii() and count.isdigit()):
        return ()
    return tuple(f"fd://{fd}" for fd in range(FIRST_SYSTEMD_FD, FIRST_SYSTEMD_FD + int(count)))
