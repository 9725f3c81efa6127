"""Who may begin with HTTP/2 on a connection without TLS, by prior knowledge (RFC 9113 §3.3)."""

from __future__ import annotations

import ipaddress

from asgiworker.protocols.connection import Connection


def takes_prior_knowledge(connection: Connection) -> bool:
    """Whether this connection's client may."""
    policy = connection.service.policy
    if not policy.http2 or policy.h2c == "off" or connection.tls is not None:
        return False
    return policy.h2c == "on" or is_local(connection.transport.get_extra_info("sockname"))


def is_local(address: object) -> bool:
    """Whether a socket's own address is one of the loopback, or a path."""
    if not isinstance(address, tuple):
        return True
    try:
        host = ipaddress.ip_address(address[0].partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(host, "ipv4_mapped", None)
    return (mapped or host).is_loopback
