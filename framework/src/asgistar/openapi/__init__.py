"""The OpenAPI 3.1 document of an application.

It is made of what the application found out about its views when it was made, and of nothing else: their
parameters, what they return, the problems they raise, their docstrings.
"""

from __future__ import annotations

from asgistar.openapi.document import Described, document, encoded

__all__ = ["Described", "document", "encoded"]
