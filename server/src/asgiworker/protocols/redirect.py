"""The plain HTTP port beside a TLS port: whatever is asked for there is answered with its place on HTTPS."""

from __future__ import annotations

import time

from asgiworker.protocols.connection import Ends
from asgiworker.protocols.http1.connection import HTTP1Connection
from asgiworker.protocols.http1.head import Head
from asgiworker.protocols.http1.response import STATUS_LINES
from asgiworker.protocols.request import Refusal
from asgiworker.protocols.service import Service

HTTPS_PORT = 443  # RFC 9110 §4.2.2
# RFC 6797 §7.2: a host is not said to be secure over an insecure transport.
SECURE_ONLY = b"strict-transport-security"


class RedirectConnection(HTTP1Connection):
    """A connection whose requests are answered with 308, which keeps the method (RFC 9110 §15.4.9).

    Heads are read, limited and timed as everywhere; no application is called, no body is read, and each
    response is the last of its connection.

    Args:
        service: what all connections share.
        proxied: the ends of the connection as a PROXY header gave them.
        port: where HTTPS is spoken.
    """

    __slots__ = ("port",)

    speaks_http2 = False

    def __init__(self, service: Service, proxied: Ends = (None, None), port: int = HTTPS_PORT) -> None:
        super().__init__(service, proxied)
        self.port = port

    def begin(self, data: bytes) -> None:
        """A head is complete: answer it."""
        service = self.service
        self.ready = self.awaiting_head = False
        try:
            head = service.parser.parse(data)
            location = self.location(head)
        except Refusal as refusal:
            self.refuse(refusal, data)
            return
        fields = service.fields_without((b"location", b"content-length", b"connection", SECURE_ONLY))
        self.transport.write(
            b"%blocation: %b\r\ncontent-length: 0\r\n%bconnection: close\r\n\r\n"
            % (STATUS_LINES[308], location, fields)
        )
        if service.record is not None:
            method, target, version, headers, *_ = head
            answered = [(b"location", location)]
            service.record(
                (time.time(), 0.0, self.client, method, target, version, 308, 0, headers, answered)
            )
        self.linger()

    def location(self, head: Head) -> bytes:
        """Where the target of a request is over HTTPS. Raises `Refusal` for a request that names no host."""
        _, target, _, headers, *_ = head
        host = dict(headers).get(b"host", b"")
        name, colon, port = host.rpartition(b":")
        if not colon or port.endswith(b"]"):  # no port, or a colon of an IPv6 address
            name = host
        if not name:
            raise Refusal(400, "no host is named to redirect to")
        authority = name if self.port == HTTPS_PORT else b"%b:%d" % (name, self.port)
        return b"https://%b%b" % (authority, target if target.startswith(b"/") else b"/")
