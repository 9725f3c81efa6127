"""The head of an HTTP/2 request: from the decoded header list to checked parts, or to a refusal.

nghttp2 has seen to the order, number and presence of pseudo-headers, to the characters of names and values,
to connection-specific fields, and holds Content-Length against DATA (RFC 9113 §8). What it lets through and
RFC 9110 doesn't is refused here, with the same status as on HTTP/1.1.
"""

from __future__ import annotations

from asgiworker.asgi.types import Headers
from asgiworker.protocols.request import HOST, LLHTTP_METHODS, PLAIN, HeadLimits, Refusal, Routing

FIELD_OVERHEAD = 32  # RFC 9113 §6.5.2: what a field counts for beside its name and value

# Request fields that speak to the server itself; a head that has none of them takes the short way.
ROUTING = frozenset((b"content-length", b"expect", b"te"))
METHODS = {name: name.decode() for name in LLHTTP_METHODS}

_VALID_HOSTS_BOUND = 1024

# How many blocks of fields are remembered, how long one may be, and which fields keep one from it.
_BLOCKS_BOUND = 512
_BLOCK_SIZE = 2048
_SECRETS = frozenset((b"authorization", b"cookie", b"proxy-authorization", b":protocol"))

HeaderList = tuple[tuple[bytes, bytes], ...]

# PERF: a tuple, as for a head of HTTP/1.1.
RequestHead = tuple[str, bytes, Headers, dict[bytes, bytes], Routing]
"""A checked head: method, path with query, headers without pseudo-headers, fields by name, routing."""


class MalformedRequest(Exception):
    """A request that contradicts itself: its stream ends with PROTOCOL_ERROR (RFC 9113 §8.1.1)."""


class HeaderListReader:
    """Reads header lists, one after the other. Not thread-safe: each event loop has its own."""

    __slots__ = ("_blocks", "_fields_bound", "_limits", "_path_bound", "_place", "_small", "_valid_hosts")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._fields_bound = limits.limit_request_fields or 1 << 62
        head = limits.limit_request_head or 1 << 62
        line = limits.limit_request_line or 1 << 62
        # PERF: a head no longer than the smallest limit breaks none of them.
        self._small = min(line, limits.limit_request_field_size or line, head - FIELD_OVERHEAD * 128)
        # PERF: an authority found valid is not matched again. Bounded, for a client may make them up.
        self._valid_hosts: set[bytes] = set()
        # PERF: a client sends the same fields with each of its requests, but for the path. What was found in
        # order once isn't read again: 2 of the 3 µs of a head. With a path of this length it breaks no limit.
        self._blocks: dict[HeaderList, tuple[str, Headers, dict[bytes, bytes], Routing]] = {}
        self._path_bound = min(line, head - _BLOCK_SIZE - FIELD_OVERHEAD * 128)
        self._place = 1  # of the path in the latest head: each client has its own order

    def read(self, fields: HeaderList) -> RequestHead:
        """The parts of a request's head.

        Raises:
            Refusal: with the status that the client is to get.
            MalformedRequest: nothing can be made of it.
        """
        place = self._place
        if place >= len(fields) or fields[place][0] != b":path":
            names = [name for name, _ in fields[:5]]
            if b":path" not in names:
                raise Refusal(501, "CONNECT is not implemented")
            self._place = place = names.index(b":path")
        path = fields[place][1]
        block = fields[:place] + fields[place + 1 :]
        known = self._blocks.get(block)
        # nghttp2 lets nothing pass but visible ASCII and what is no ASCII at all.
        if known is not None and path.startswith(b"/") and path.isascii() and len(path) <= self._path_bound:
            method, headers, by_name, routing = known
            if path.find(b"#") < 0:
                return method, path, headers.copy(), by_name, routing
        return self._read(fields, block, path)

    def _read(self, fields: HeaderList, block: HeaderList, path: bytes) -> RequestHead:
        """A head whose fields are new."""
        names = dict(block)
        joined = b"".join(names)
        unique = len(names) == len(block)
        size = len(joined) + len(b"".join(names.values()))
        if not unique or size + len(path) + 9 > self._small or len(fields) > 128:
            self._check_sizes(fields)
        method = METHODS.get(names[b":method"])
        if method is None:
            raise Refusal(501, "method not implemented")
        authority = names.get(b":authority")
        # The pseudo-headers come first; nghttp2 lets none pass that isn't one of these.
        headers = list(block[2 + (authority is not None) + (b":protocol" in names) :])
        if authority is None:
            authority = names[b"host"]
        else:
            if b"host" in names:
                if names[b"host"].lower() != authority.lower():  # RFC 9113 §8.3.1
                    raise MalformedRequest("Host and :authority differ")
                headers = [field for field in headers if field[0] != b"host"]
            headers.insert(0, (b"host", authority))
        if len(headers) > self._fields_bound:
            raise Refusal(431, f"more than {self._fields_bound} header fields")
        if authority not in self._valid_hosts:
            self._check_host(authority)
        in_origin_form = path.startswith(b"/") and path.isascii() and path.find(b"#") < 0
        if not in_origin_form and (path != b"*" or method != "OPTIONS"):
            raise Refusal(400, "invalid request target")
        if names[b":scheme"] not in (b"http", b"https"):
            raise Refusal(400, "unknown scheme")
        if not unique:
            headers = join_cookies(headers)
        # PERF: find() >= 0, for `in` on bytes costs five times as much.
        if joined.find(b"_") >= 0:
            # As on HTTP/1.1: it could pass for its twin with a hyphen.
            headers = [field for field in headers if b"_" not in field[0]]
        routing = PLAIN if ROUTING.isdisjoint(names) else read_routing(names)
        if unique and size <= _BLOCK_SIZE and len(block) <= 128 and _SECRETS.isdisjoint(names):
            if len(self._blocks) >= _BLOCKS_BOUND:
                self._blocks.clear()
            self._blocks[block] = method, headers.copy(), names, routing
        return method, path, headers, names, routing

    def _check_sizes(self, fields: HeaderList) -> None:
        limits = self._limits
        for name, value in fields:
            if name == b":path" and 0 < limits.limit_request_line < len(value):
                raise Refusal(414, f"path longer than {limits.limit_request_line} bytes")
        size = sum([len(name) + len(value) + FIELD_OVERHEAD for name, value in fields])
        if 0 < limits.limit_request_head < size:
            raise Refusal(431, f"request head longer than {limits.limit_request_head} bytes")
        bound = limits.limit_request_field_size
        if bound and any(len(name) + len(value) + 4 > bound for name, value in fields if name[0] != 58):
            raise Refusal(431, f"header field longer than {bound} bytes")

    def _check_host(self, host: bytes) -> None:
        if not HOST.fullmatch(host):
            raise Refusal(400, "invalid host")
        if len(self._valid_hosts) < _VALID_HOSTS_BOUND:
            self._valid_hosts.add(host)


def join_cookies(headers: Headers) -> Headers:
    """Cookie fields, which a client may split up for compression, as one again (RFC 9113 §8.2.3)."""
    cookies = [value for name, value in headers if name == b"cookie"]
    if len(cookies) < 2:
        return headers
    first = next(place for place, field in enumerate(headers) if field[0] == b"cookie")
    joined = [field for field in headers if field[0] != b"cookie"]
    joined.insert(first, (b"cookie", b"; ".join(cookies)))
    return joined


def read_routing(names: dict[bytes, bytes]) -> Routing:
    """What the fields of `ROUTING` say."""
    routing = Routing(keep_alive=True)
    routing.length = int(names.get(b"content-length", b"0"))
    routing.takes_trailers = b"te" in names  # nghttp2 lets nothing but `trailers` pass
    if b"expect" in names:
        if names[b"expect"].lower() != b"100-continue":
            raise Refusal(417, "the only expectation is 100-continue")
        routing.expects_continue = True
    return routing
