"""Which of several certificates a client gets, by the name it asks for (SNI, RFC 6066 §3)."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence


class NameTable:
    """Contexts by the names of their certificates.

    Where two have the same name, the first is taken; a name beats a pattern. An unknown name, and a client
    that gives none, get the first context of all.

    Args:
        rows: each context with the names that its certificate is for.
    """

    def __init__(self, rows: Iterable[tuple[ssl.SSLContext, Sequence[str]]]) -> None:
        self.default: ssl.SSLContext | None = None
        self._names: dict[str, ssl.SSLContext] = {}
        self._patterns: dict[str, ssl.SSLContext] = {}  # "*.example.org" under "example.org"
        for context, names in rows:
            self.default = self.default or context
            for name in names:
                label, _, rest = name.partition(".")
                if label == "*" and rest:
                    self._patterns.setdefault(rest, context)
                else:
                    self._names.setdefault(name, context)

    def find(self, name: str | None) -> ssl.SSLContext | None:
        """The context for a host name."""
        if name is None:
            return self.default
        name = name.lower().removesuffix(".")
        # RFC 9525 §6.3: the star stands for one whole label, the leftmost.
        parent = name.partition(".")[2]
        return self._names.get(name) or self._patterns.get(parent) or self.default

    def choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, listening: ssl.SSLContext
    ) -> None:
        """What OpenSSL calls in the handshake (`SSLContext.sni_callback`)."""
        context = self.find(name)
        if context is not None and context is not listening:
            connection.context = context
