"""The head of an HTTP/1.1 request: from bytes to checked parts, or to a refusal.

llhttp (through httptools) parses; what it lets through and RFC 9110 and RFC 9112 do not is refused here.
A head is parsed when it is complete, by an llhttp of its own: no request can leave anything behind for the
next, and a connection that waits for one holds no parser.
"""

from __future__ import annotations

import re

import httptools

from asgiworker.asgi.scope import decode_path
from asgiworker.asgi.types import Headers
from asgiworker.protocols.request import (
    HOST,
    LITERAL,
    LLHTTP_METHODS,
    NAME,
    PLAIN,
    HeadLimits,
    Refusal,
    Routing,
)

# --- grammar ---------------------------------------------------------------------------------------------

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9]\.[0-9])\r\n")  # RFC 9112 §3
# Its usual form: no fragment in it. PERF: what never gives back what it took (`++`) matches in three quarters
# of the time.
USUAL_LINE = re.compile(rb"([A-Z-]++) (/[!\"$-~]*+) HTTP/1\.1")
TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:", re.IGNORECASE)
# RFC 9112 §3.2.2, without userinfo (RFC 9110 §4.2.4).
ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
AUTHORITY_FORM = re.compile(rb"(?:" + LITERAL + rb"|" + NAME + rb"):[0-9]{1,5}")
# What no byte that is still to come can put right: a bare LF, a bare CR, a control character.
HOPELESS = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

EMPTY_LINES = re.compile(rb"(?:\r\n)+")  # RFC 9112 §2.2: ignored before a request line
FOLDED = re.compile(rb"\r\n[ \t]")  # RFC 9112 §5.2

CONTENT_LENGTH_BOUND = 2**63

# Request fields that speak to the server itself; a head that has none of them takes the short way.
ROUTING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"expect", b"te"))

_VALID_HOSTS_BOUND = 1024

# How many request lines are remembered, how long one may be, and that it is one in so many of the unknown.
_LINES_BOUND = 512
_LINE_SIZE = 256
_ADMITTED = 8

# How many blocks of fields are remembered, how long one may be, and which fields keep one from it.
_BLOCKS_BOUND = 512
_BLOCK_SIZE = 2048
_SECRETS = frozenset((b"authorization", b"cookie", b"proxy-authorization"))
_UNREPEATED = _SECRETS | {b"sec-websocket-key"}  # which is another one in each handshake
_METHODS = {name: name.decode() for name in LLHTTP_METHODS - {b"CONNECT"}}


# PERF: a tuple, for an object with a constructor of its own would cost a call for each request.
Head = tuple[str, bytes, str, Headers, dict[bytes, bytes], Routing, str, bytes, bytes]
"""A checked head: method, target, version, headers, headers by name, routing; and of the target the path,
decoded and as it came, and the query.

The target is in origin-form (RFC 9112 §3.2.1) or `*`, an absolute-form one already taken apart; the version
"1.1" or "1.0"; the names of the headers are in lower case, in the order they came.
"""


class _Callbacks:
    """What llhttp finds in one head, told by httptools."""

    __slots__ = ("headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: Headers = []

    def on_url(self, target: bytes) -> None:
        self.target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


class HeadParser:
    """Parses request heads, one after the other. Not thread-safe: each event loop has its own."""

    __slots__ = ("_blocks", "_limits", "_line_bound", "_lines", "_small", "_unknown_lines", "_valid_hosts")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        # PERF: a head no longer than the smallest limit breaks none of them but the number of fields.
        sizes = (limits.limit_request_line, limits.limit_request_field_size)
        self._line_bound = limits.limit_request_line - 2 if limits.limit_request_line else 1 << 62
        self._small = min([size for size in sizes if size], default=1 << 62)
        # PERF: a Host found valid is not matched again. Bounded, for a client may make them up.
        self._valid_hosts: set[bytes] = set()
        # PERF: a client sends the same fields with each of its requests. A block of fields that was found in
        # order once isn't parsed again, only the request line before it is: 2 of the 3 µs of a head.
        self._blocks: dict[bytes, tuple[Headers, dict[bytes, bytes], Routing]] = {}
        # PERF: what a request line says, method, target and its parts: a ninth of the protocol's time. Only
        # every eighth that isn't known is remembered: so those that come often are, and those that come once
        # neither drive them out nor cost anything worth mentioning.
        self._lines: dict[bytes, tuple[str, bytes, str, bytes, bytes]] = {}
        self._unknown_lines = 0

    def parse(self, data: bytes) -> Head:
        """The parts of the complete head `data`, from the request line to the empty line with its CRLF.

        Raises:
            Refusal: with the status that the client is to get.
        """
        size = data.find(b"\r\n")
        line, block = data[:size], data[size:]
        fields = self._blocks.get(block)
        if fields is None:
            return self._parse(data, block)
        headers, names, routing = fields
        request = self._lines.get(line)
        if request is not None:
            method, target, path, raw_path, query = request
        else:
            match = USUAL_LINE.fullmatch(line) if size <= self._line_bound else None
            name, target = match.groups() if match is not None else (b"", b"")
            if name not in _METHODS:
                return self._parse(data, block)
            method = _METHODS[name]
            path, raw_path, query = locate(target)
            self._unknown_lines += 1
            if not self._unknown_lines % _ADMITTED and size <= _LINE_SIZE:
                if len(self._lines) >= _LINES_BOUND:
                    self._lines.clear()
                self._lines[line] = method, target, path, raw_path, query
        return method, target, "1.1", headers.copy(), names, routing, path, raw_path, query

    def _parse(self, data: bytes, block: bytes) -> Head:
        """A head whose fields are new."""
        if empty := EMPTY_LINES.match(data):
            data = data[empty.end() :]
            block = data[data.find(b"\r\n") :]
        callbacks = _Callbacks()
        parser = httptools.HttpRequestParser(callbacks)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # a request to upgrade is answered as if it hadn't asked (RFC 9110 §7.8)
        except httptools.HttpParserError as error:
            raise self._explain(data, error) from None
        method, target, headers = parser.get_method(), callbacks.target, callbacks.headers
        if len(data) > self._small:
            self._check_sizes(data)
        version = "1.1"
        # llhttp tolerates more blanks than one within the request line.
        if not data.startswith(b"%b %b HTTP/1.1\r\n" % (method, target)):
            version = _version(data)
        if 0 < self._limits.limit_request_fields < len(headers):
            raise Refusal(431, f"more than {self._limits.limit_request_fields} header fields")
        # PERF: find() >= 0, for `in` on bytes costs five times as much.
        if data.find(b" \r\n") >= 0 or data.find(b"\t\r\n") >= 0:
            headers = [(name, value.rstrip(b" \t")) for name, value in headers]
        if data.find(b"_") >= 0:
            # A field name with an underscore could pass for its twin with a hyphen in applications that read
            # CGI-like names, past a proxy that guards the hyphenated one. Dropped, as Gunicorn and nginx do.
            headers = [field for field in headers if b"_" not in field[0]]
        names = dict(headers)
        if len(names) != len(headers):
            _check_repeated(headers)
        host = names.get(b"host")
        if host not in self._valid_hosts:
            self._check_host(host, version)
        routing = PLAIN
        if version == "1.0" or not ROUTING.isdisjoint(names):
            routing = read_routing(version, headers, names)
        if not target.startswith(b"/") or target.find(b"#") >= 0 or method == b"CONNECT":
            target, authority = resolve_target(method, target)
            if authority is not None:
                # RFC 9112 §3.2.2: the Host that came is ignored and replaced by the target's authority.
                headers = [(b"host", authority), *(field for field in headers if field[0] != b"host")]
                names = dict(headers)
        elif version == "1.1" and len(block) <= _BLOCK_SIZE and _UNREPEATED.isdisjoint(names):
            if len(self._blocks) >= _BLOCKS_BOUND:
                self._blocks.clear()
            self._blocks[block] = headers.copy(), names, routing
        return method.decode("ascii"), target, version, headers, names, routing, *locate(target)

    def _check_sizes(self, data: bytes) -> None:
        line, *fields = data.split(b"\r\n")
        limits = self._limits
        if 0 < limits.limit_request_line < len(line) + 2:
            raise Refusal(414, f"request line longer than {limits.limit_request_line} bytes")
        if limits.limit_request_field_size and any(
            len(field) + 2 > limits.limit_request_field_size for field in fields
        ):
            raise Refusal(431, f"header field longer than {limits.limit_request_field_size} bytes")

    def _check_host(self, host: bytes | None, version: str) -> None:
        """RFC 9112 §3.2: a valid Host, mandatory on 1.1."""
        if host is None:
            if version == "1.1":
                raise Refusal(400, "no Host field")
            return
        if not HOST.fullmatch(host):
            raise Refusal(400, "invalid Host field")
        if len(self._valid_hosts) < _VALID_HOSTS_BOUND:
            self._valid_hosts.add(host)

    def check_beginning(self, data: bytes, scanned: int = 0) -> None:
        """Refuse at once what can't become a head, however it goes on.

        What comes first decides: so the answer doesn't depend on how the bytes were split.

        Args:
            data: what has come of a head.
            scanned: how much of it was found in order before.

        Raises:
            Refusal: a character that no head has, or a limit that is exceeded.
        """
        limits = self._limits
        size, start = len(data), max(0, scanned - 1)
        line_bound = limits.limit_request_line or size
        head_bound = limits.limit_request_head or size + 1
        if HOPELESS.search(data, start, line_bound):
            raise Refusal(400, "malformed request")
        if size > line_bound and data.find(b"\r\n", 0, line_bound) < 0:
            raise Refusal(414, f"request line longer than {line_bound} bytes")
        if HOPELESS.search(data, start, head_bound):
            raise Refusal(400, "malformed request")
        if size >= head_bound and data.find(b"\r\n\r\n", 0, head_bound) < 0:
            raise Refusal(431, f"request head longer than {head_bound} bytes")

    def _explain(self, data: bytes, error: Exception) -> Refusal:
        """The right status for what llhttp refused."""
        try:
            self.check_beginning(data)
        except Refusal as refusal:
            return refusal
        line = REQUEST_LINE.match(data)
        if line is None:
            return Refusal(400, "malformed request")
        method, target, version = line[1], line[2], line[3].decode("ascii")
        if version not in ("1.0", "1.1"):
            return Refusal(505, f"HTTP/{version} is not spoken here")
        if FOLDED.search(data):
            return Refusal(400, "a header field is folded over two lines")
        if method == b"CONNECT" and AUTHORITY_FORM.fullmatch(target):
            return Refusal(501, "CONNECT is not implemented")
        if method not in LLHTTP_METHODS:
            return Refusal(501, "method not implemented")
        codings = TRANSFER_ENCODING.findall(data)
        unknown_coding = codings and (len(codings) > 1 or codings[0].lower() != b"chunked")
        if unknown_coding and version == "1.1" and not CONTENT_LENGTH.search(data):
            return Refusal(501, "the only transfer coding is chunked")
        return Refusal(400, f"malformed request: {error}")


def locate(target: bytes) -> tuple[str, bytes, bytes]:
    """The path of a target in origin-form, decoded and as it came, and its query."""
    raw_path, _, query = target.partition(b"?")
    return decode_path(raw_path) if raw_path.find(b"%") >= 0 else raw_path.decode(), raw_path, query


def _version(data: bytes) -> str:
    """The version of a request line that isn't plainly HTTP/1.1."""
    line = REQUEST_LINE.match(data)
    if line is None:
        raise Refusal(400, "malformed request line")
    version = line[3].decode("ascii")
    if version not in ("1.0", "1.1"):
        raise Refusal(505, f"HTTP/{version} is not spoken here")
    return version


def resolve_target(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """A target that isn't in origin-form: its path and query, and its authority (RFC 9112 §3.2)."""
    if method == b"CONNECT":
        if AUTHORITY_FORM.fullmatch(target):
            raise Refusal(501, "CONNECT is not implemented")
        raise Refusal(400, "CONNECT wants a target of host:port")
    if b"#" in target:
        raise Refusal(400, "fragment in the request target")
    if target == b"*":
        if method != b"OPTIONS":
            raise Refusal(400, "the target * is for OPTIONS only")
        return target, None
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not HOST.fullmatch(absolute[1]):
        raise Refusal(400, "invalid request target")
    path = absolute[2]
    if not path and method == b"OPTIONS":
        path = b"*"  # RFC 9112 §3.2.4
    elif not path.startswith(b"/"):
        path = b"/" + path
    return path, absolute[1]


def read_routing(version: str, headers: Headers, names: dict[bytes, bytes]) -> Routing:
    """What the fields of `ROUTING` say."""
    routing = Routing(keep_alive=version == "1.1")
    coding, length = names.get(b"transfer-encoding"), names.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise Refusal(400, "both Transfer-Encoding and Content-Length")
        if version != "1.1":
            raise Refusal(400, "Transfer-Encoding on HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Refusal(501, "the only transfer coding is chunked")
        routing.chunked = True
    elif length is not None:
        if not length.isdigit() or len(length) > 19 or int(length) >= CONTENT_LENGTH_BOUND:
            raise Refusal(400, "invalid Content-Length")
        routing.length = int(length)
    if b"connection" in names:
        options = _members(headers, b"connection")
        routing.keep_alive = b"close" not in options and (version == "1.1" or b"keep-alive" in options)
        # RFC 9110 §7.8: ignored on 1.0, and where Connection doesn't name it.
        if b"upgrade" in options and b"upgrade" in names and version == "1.1":
            routing.upgrade = _members(headers, b"upgrade")
    if b"te" in names:
        routing.takes_trailers = b"trailers" in {
            member.partition(b";")[0].rstrip(b" \t") for member in _members(headers, b"te")
        }
    if b"expect" in names and version == "1.1":  # RFC 9110 §10.1.1: ignored on 1.0
        if _members(headers, b"expect") != {b"100-continue"}:
            raise Refusal(417, "the only expectation is 100-continue")
        routing.expects_continue = routing.chunked or routing.length > 0
    return routing


def _check_repeated(headers: Headers) -> None:
    """Fields that decide where a message goes or ends may come only once."""
    seen = set()
    for name, _ in headers:
        if name in (b"host", b"content-length", b"transfer-encoding"):
            if name in seen:
                status = 501 if name == b"transfer-encoding" else 400
                raise Refusal(status, f"{name.decode().title()} field given more than once")
            seen.add(name)


def _members(headers: Headers, name: bytes) -> set[bytes]:
    """The members of a comma-separated list field, over all its lines, in lower case."""
    lists = [value.lower().split(b",") for field, value in headers if field == name]
    return {member.strip(b" \t") for members in lists for member in members}
