"""What an application says of itself: for its documentation, its clients and its command line."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Server(Struct, frozen=True, kw_only=True):
    """An address that the application is served at.

    Args:
        url: absolute, or relative to that of the OpenAPI document.
        description: what there is, as in "staging".
    """

    url: str
    description: str = ""


class Contact(Struct, frozen=True, kw_only=True):
    """Who to turn to.

    Args:
        name: of a person or an organisation.
        url: of a page.
        email: an address.
    """

    name: str = ""
    url: str = ""
    email: str = ""


class License(Struct, frozen=True, kw_only=True):
    """What others may do with the API.

    Args:
        name: of the license.
        identifier: its SPDX expression, as in "BSD-3-Clause". Either this or `url`.
        url: of its text.
    """

    name: str
    identifier: str = ""
    url: str = ""


class Info(Struct, frozen=True, kw_only=True):
    """What an application says of itself.

    Args:
        title: its name.
        version: of the API, by whatever scheme it has.
        summary: what it is, in one line.
        description: more of it, in CommonMark.
        terms_of_service: the URL of the terms.
        contact: who to turn to.
        license: what others may do with it.
        servers: where it is served. Without one: where its document is.
    """

    title: str = "API"
    version: str = "0.1.0"
    summary: str = ""
    description: str = ""
    terms_of_service: str = ""
    contact: Contact | None = None
    license: License | None = None
    servers: Sequence[Server] = ()
