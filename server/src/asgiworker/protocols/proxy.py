"""Who the client is when a proxy stands between: trusted peers, Forwarded fields, the PROXY protocol.

Sources: RFC 7239 (Forwarded), the X-Forwarded-* fields as proxies send them, HAProxy's PROXY protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from asgiworker.asgi.types import Address, Headers

FORWARDING = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"))


@dataclass(frozen=True, slots=True)
class TrustedPeers:
    """The peers whose word on the client counts.

    `parse` reads addresses and networks, `unix` for peers on a UNIX socket, `*` for everyone.
    """

    everyone: bool
    unix: bool
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def parse(cls, text: str) -> TrustedPeers:
        """Read a comma-separated list.

        Raises:
            ValueError: an entry is no address, network, `unix` or `*`.
        """
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        networks = tuple(ip_network(entry, strict=False) for entry in entries if entry not in ("*", "unix"))
        return cls("*" in entries, "unix" in entries or "*" in entries, networks)

    def __contains__(self, host: str | None) -> bool:
        """Whether the peer at address `host` is trusted; None is a peer on a UNIX socket."""
        if self.everyone:
            return True
        if host is None:
            return self.unix
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)


# --- what a trusted proxy says in header fields -----------------------------------------------------------

# Some proxies name the protocol that a WebSocket's client speaks by its own scheme.
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request really came from; None where the proxy didn't say."""

    client: Address | None
    scheme: str | None


def read_forwarding(headers: Headers, trusted: TrustedPeers) -> Origin:
    """What the fields of a trusted peer say of the client.

    The list of addresses is read from its right end, where the nearest proxy wrote: the first address that
    is not itself trusted is the client's. `Forwarded` (RFC 7239) counts only where no X-Forwarded field came.
    """
    lists: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in FORWARDING:
            text = value.decode("latin-1")
            members = _split(text, ",") if name == b"forwarded" else text.split(",")
            lists.setdefault(name, []).extend(member.strip() for member in members)
    hops: list[str] = lists.get(b"x-forwarded-for", [])
    protocols = lists.get(b"x-forwarded-proto", [])
    if not hops and not protocols:
        for element in lists.get(b"forwarded", []):
            pairs = dict(_forwarded_pairs(element))
            hops.append(pairs.get("for", "unknown"))
            if "proto" in pairs:
                protocols.append(pairs["proto"])
    client: Address | None = None
    for hop in reversed(hops):
        address = _parse_hop(hop)
        if address is None:
            break
        client = address
        if address[0] not in trusted:
            break
    scheme = protocols[-1].lower() if protocols else None
    return Origin(client, SCHEMES.get(scheme or ""))


def _split(text: str, separator: str) -> list[str]:
    """The parts of `text` between the separators that stand outside of quoted strings (RFC 9110 §5.6.4).

    Quotes are paired from the right end, where the nearest proxy wrote: what a client left unbalanced before
    that can't reach into the proxy's own part.
    """
    parts, end, quoted = [], len(text), False
    for place in range(len(text) - 1, -1, -1):
        character = text[place]
        if character == '"':
            before = place
            while before and text[before - 1] == "\\":
                before -= 1
            if (place - before) % 2 == 0:
                quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[place + 1 : end])
            end = place
    parts.append(text[:end])
    return parts[::-1]


def _forwarded_pairs(element: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in _split(element, ";"):
        name, _, value = pair.partition("=")
        pairs.append((name.strip().lower(), value.strip().strip('"')))
    return pairs


def _parse_hop(hop: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for anything else."""
    host, port = hop, ""
    if hop.startswith("["):
        host, closed, port = hop[1:].partition("]")
        if not closed:
            return None
        port = port.removeprefix(":")
    elif hop.count(":") == 1:
        host, _, port = hop.partition(":")
    if "%" in host:
        return None  # the zone of another machine's interface means nothing here
    try:
        ip_address(host)
    except ValueError:
        return None
    return host, int(port) if port.isdecimal() and len(port) < 6 else 0


# --- the PROXY protocol -----------------------------------------------------------------------------------

V1_BOUND = 107  # the longest v1 header, with CRLF
V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2_BOUND = 16 + 4096  # more TLVs than that, no proxy sends


class ProxyHeaderError(Exception):
    """The connection didn't begin with a valid PROXY header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A PROXY header.

    Attributes:
        size: its length in bytes.
        client, server: the ends of the proxied connection; None for LOCAL and UNKNOWN (health checks).
    """

    size: int
    client: Address | None
    server: Address | None


def read_proxy_header(data: bytes, version: str) -> ProxyHeader | None:
    """The PROXY header at the start of `data`; None if more bytes are needed.

    Args:
        data: what the connection has sent so far.
        version: "v1", "v2" or "auto" for either.

    Raises:
        ProxyHeaderError: `data` can't become a valid header of that version.
    """
    if version != "v1" and data[:12] == V2_SIGNATURE[: len(data)]:
        return _read_v2(data)
    if version != "v2" and data[:6] == b"PROXY "[: len(data)]:
        return _read_v1(data)
    raise ProxyHeaderError("no PROXY header")


def _read_v1(data: bytes) -> ProxyHeader | None:
    line, crlf, _ = data[:V1_BOUND].partition(b"\r\n")
    if not crlf:
        if len(data) >= V1_BOUND:
            raise ProxyHeaderError("PROXY v1 header too long")
        return None
    size = len(line) + 2
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyHeaderError("PROXY v1 header isn't ASCII") from None
    if words[1] == "UNKNOWN":
        return ProxyHeader(size, None, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("malformed PROXY v1 header")
    family = 4 if words[1] == "TCP4" else 6
    ports = words[4:]
    if not all(port.isdecimal() and len(port) < 6 and int(port) < 65536 for port in ports):
        raise ProxyHeaderError("invalid port in PROXY v1 header")
    for host in words[2:4]:
        try:
            valid = "%" not in host and ip_address(host).version == family
        except ValueError:
            valid = False
        if not valid:
            raise ProxyHeaderError("invalid address in PROXY v1 header")
    return ProxyHeader(size, (words[2], int(ports[0])), (words[3], int(ports[1])))


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    version, command = data[12] >> 4, data[12] & 15
    family, length = data[13], int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise ProxyHeaderError("malformed PROXY v2 header")
    if 16 + length > V2_BOUND:
        raise ProxyHeaderError("PROXY v2 header too long")
    if len(data) < 16 + length:
        return None
    body = data[16 : 16 + length]
    width = {0x11: 4, 0x21: 16}.get(family)  # TCP over IPv4, TCP over IPv6
    if command == 0 or width is None:
        return ProxyHeader(16 + length, None, None)
    if length < 2 * width + 4:
        raise ProxyHeaderError("PROXY v2 header too short for its addresses")
    source, destination = str(ip_address(body[:width])), str(ip_address(body[width : 2 * width]))
    ports = body[2 * width : 2 * width + 4]
    return ProxyHeader(
        16 + length,
        (source, int.from_bytes(ports[:2], "big")),
        (destination, int.from_bytes(ports[2:], "big")),
    )
