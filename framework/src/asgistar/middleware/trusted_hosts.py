"""Only requests for hosts that are ours: links made of the Host field lead nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from asgistar.errors import BadRequest, ConfigurationError
from asgistar.middleware.refusal import refuse
from asgistar.types import ASGIApplication, Middleware, Receive, Scope, Send

_DIGITS = frozenset("0123456789")


def trusted_hosts(hosts: Sequence[str]) -> Middleware:
    """Answer 400 to requests for other hosts than these.

    Args:
        hosts: `example.com`, or `*.example.com` for all below it; the port doesn't matter.

    Raises:
        ConfigurationError: there are none, or one isn't the name of a host.
    """
    if isinstance(hosts, str) or not hosts:
        raise ConfigurationError("trusted_hosts: give a list of hosts, as in ['example.com'].")
    for host in hosts:
        name = host.removeprefix("*.")
        has_port = ":" in name and not name.endswith("]")
        if not name or name != name.lower() or any(character in name for character in "/*@ ") or has_port:
            raise ConfigurationError(
                f"trusted_hosts: {host!r} is no host. Write the name alone, in lower case: 'example.com', or "
                "'*.example.com' for all below it."
            )
    exact = frozenset(host for host in hosts if not host.startswith("*."))
    below = tuple(host[1:] for host in hosts if host.startswith("*."))
    return lambda app: TrustedHosts(app, exact, below)


class TrustedHosts:
    """The middleware; see `trusted_hosts`."""

    raises = (BadRequest,)

    def __init__(self, app: ASGIApplication, exact: frozenset[str], below: tuple[str, ...]) -> None:
        self.app = app
        self.exact = exact
        self.below = below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket") or self._trusts(scope):
            await self.app(scope, receive, send)
            return
        await refuse(BadRequest("This host is not served here."), scope, receive, send)

    def _trusts(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return False
        host = named[0].decode("latin-1").lower()
        host = host.removesuffix(_port(host)).removesuffix(".")
        return host in self.exact or host.endswith(self.below)


def _port(host: str) -> str:
    """The port at the end of a host, with its colon; an IPv6 address has colons inside of its brackets.

    What is no number is none: in `example.com:@example.org`, the host is the second one.
    """
    _, colon, port = host.rpartition(":")
    return colon + port if colon and _DIGITS.issuperset(port) else ""
