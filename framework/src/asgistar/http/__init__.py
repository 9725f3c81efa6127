"""HTTP: what is read of a request, and what a response is made of."""

from __future__ import annotations

from asgistar.http.response import HTML, Accepted, Created, Redirect, Response, Status, Text

__all__ = ["HTML", "Accepted", "Created", "Redirect", "Response", "Status", "Text"]
