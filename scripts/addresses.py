"""Says which URL to open once Gunicorn runs with these arguments, or in one line why it can't listen there.

Gunicorn itself reads the arguments, its configuration file and its environment variables, so that these are
the addresses it is going to bind. Without this check it tries a taken port for five seconds.
"""

import errno
import os
import socket
import stat
import sys
from pathlib import Path

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.config import Config

# With one of these Gunicorn says something and ends.
QUESTIONS = {"-h", "--help", "-v", "--version", "--check-config", "--print-config"}
WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}


class AddressRefused(Exception):
    """An address cannot be bound. Its text says which, why and what to do."""


def tcp_invitation(host: str, port: int, config: Config) -> str:
    """The URL to open, after a look whether the address can be bound the way Gunicorn binds it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if config.reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise AddressRefused(refusal(f"{host}:{port}", error)) from error
        except OverflowError:
            raise AddressRefused(f"{host}:{port} cannot be bound: a port is a number up to 65535") from None
    if port == 0:
        return "Open the address that Gunicorn prints below; port 0 leaves the choice to the system."
    shown = WILDCARDS.get(host, f"[{host}]" if ":" in host else host)
    return f"Open {'https' if config.is_ssl else 'http'}://{shown}:{port}/"


def refusal(address: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{address} is taken; choose another port, for example: scripts/serve --bind 127.0.0.1:9000"
    if error.errno == errno.EACCES:
        return f"{address} needs more permissions; a port from 1024 up needs none"
    return f"{address} cannot be bound: {error.strerror or error}"


def unix_invitation(path: str) -> str:
    """How to reach a UNIX socket, after a look whether Gunicorn may put its own there.

    A socket file that nobody listens on is a leftover; Gunicorn replaces it.
    """
    file = Path(path)
    if not path.startswith("\0"):
        if not file.absolute().parent.is_dir():
            raise AddressRefused(f"{path} cannot be bound: its folder does not exist")
        if file.exists() and not stat.S_ISSOCK(file.stat().st_mode):
            raise AddressRefused(f"{path} cannot be bound: there is a file, and it is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except OSError:
            return f"Ask with curl --unix-socket {path} http://localhost/"
    raise AddressRefused(f"{path} is taken: a server answers there; choose another path")


def main() -> None:
    if not QUESTIONS.isdisjoint(sys.argv):
        return
    config = WSGIApplication("%(prog)s [OPTIONS]", prog="scripts/serve").cfg
    inherited = os.environ.get("LISTEN_FDS") or any(isinstance(address, int) for address in config.address)
    if inherited:
        print("Open the address of the socket that was handed over.")
        return
    try:
        for address in config.address:
            if isinstance(address, str):
                print(unix_invitation(address))
            else:
                host, port = address
                print(tcp_invitation(host, port, config))
    except AddressRefused as refused:
        sys.exit(f"serve: {refused}")


if __name__ == "__main__":
    main()
