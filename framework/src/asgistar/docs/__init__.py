"""The documentation of an application, as pages that it serves itself.

    app = App([…, docs("/docs")])

The page is made in the browser from the application's OpenAPI document; everything that it needs comes from
here, and its Content-Security-Policy (CSP level 3) lets nothing else in.
"""

from __future__ import annotations

from asgistar.docs.entry import Docs, docs

__all__ = ["Docs", "docs"]
