"""From a request target to the parts of an ASGI scope: path, raw path, query string, root path.

Source: ASGI HTTP & WebSocket 2.5, "HTTP Connection Scope"; RFC 3986 §2.1 for percent-encoding.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

ASGI_VERSION = {"version": "3.0", "spec_version": "2.5"}


def decode_path(raw_path: bytes) -> str:
    """The path as text: percent-encoded octets decoded, then read as UTF-8.

    Octets that are no UTF-8 become U+FFFD; `raw_path` keeps them as they came.
    """
    if b"%" in raw_path:
        raw_path = unquote_to_bytes(raw_path)
    return raw_path.decode("utf-8", "replace")


def normalise_root_path(root_path: str) -> str:
    """`/api` for `api`, `/api` and `/api/`; the empty string for `` and `/`."""
    stripped = root_path.strip("/")
    return f"/{stripped}" if stripped else ""


def mounted_path(root_path: str, path: str) -> str:
    """The `path` of a scope whose `root_path` isn't empty: it starts with the root path.

    A proxy may strip its prefix before it forwards, or leave it on. Frameworks expect the whole path
    (Starlette, FastAPI and Django cut `root_path` off its front), so the prefix is put back only where
    it is missing.
    """
    if path == root_path or path.startswith(root_path + "/") or path == "*":
        return path  # the * of OPTIONS is the whole server (RFC 9110 §9.3.7)
    return root_path + path
