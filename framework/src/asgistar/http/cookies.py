"""Cookies of a response: the value of a field `Set-Cookie` (RFC 6265bis §4.1).

What a browser would refuse without a word is an error here: a `Secure` that is missing, a prefix that isn't
kept, a value that it would cut off.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypedDict

from asgistar.http.fields import TOKEN
from asgistar.regex import regex

SIZE = 4096
"""Bytes that name and value may have together; what is longer, browsers ignore (RFC 6265bis §5.7)."""

_VALUE = regex(r"[!#-+\--:<-\[\]-~]*")
_ATTRIBUTE = regex(r"[ -:<-~]*")

_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class CookieAttributes(TypedDict, total=False):
    """What can be said of a cookie.

    Attributes:
        max_age: seconds that the client keeps it; it is gone with the browser's session if this is None and
            `expires` isn't given either. 0 or less: it is gone at once.
        expires: when it ends; a time without offset is one of UTC.
        path: it is sent to this path and all below it; "/" if not given.
        domain: it is sent to this domain and all below it; to this host alone if not given.
        secure: it is sent over HTTPS only (and to localhost); True if not given.
        http_only: scripts can't read it; True if not given.
        same_site: with which requests of other sites it is sent: none, only where the user goes here, all.
            "lax" if not given.
        partitioned: one for each site that embeds this one.
    """

    max_age: int | None
    expires: datetime
    path: str
    domain: str
    secure: bool
    http_only: bool
    same_site: Literal["strict", "lax", "none"]
    partitioned: bool


def set_cookie(name: str, value: str, attributes: CookieAttributes) -> str:
    """The value of a field `Set-Cookie`.

    Raises:
        ValueError: a browser would refuse it, or read it otherwise; says why.
    """
    if TOKEN.fullmatch(name) is None:
        raise ValueError(
            f"A cookie can't be called {name!r}: its name is letters, digits and !#$%&'*+-.^_`|~."
        )
    if _VALUE.fullmatch(value) is None:
        raise ValueError(
            f"The cookie {name} can't have the value {value!r}: ASCII without spaces, quotes, commas, "
            "semicolons and backslashes can be in it. Encode it, for example with urllib.parse.quote."
        )
    if len(name) + len(value) > SIZE:
        raise ValueError(f"The cookie {name} has {len(name) + len(value)} bytes; browsers keep {SIZE}.")
    path, domain = attributes.get("path", "/"), attributes.get("domain", "")
    for what, text in (("path", path), ("domain", domain)):
        if _ATTRIBUTE.fullmatch(text) is None:
            raise ValueError(f"The cookie {name} can't have the {what} {text!r}: ASCII without semicolons.")
    secure = attributes.get("secure", True)
    same_site = attributes.get("same_site", "lax")
    partitioned = attributes.get("partitioned", False)
    _check_secure(name, secure, same_site, partitioned)
    if name.lower().startswith("__host-") and (domain or path != "/"):
        raise ValueError(f"The cookie {name} must have the path / and no domain, for its name says so.")
    parts = [f"{name}={value}"]
    if "expires" in attributes:
        parts.append(f"Expires={_date(attributes['expires'])}")
    if (max_age := attributes.get("max_age")) is not None:
        parts.append(f"Max-Age={int(max_age)}")
    parts.append(f"Path={path}")
    if domain:
        parts.append(f"Domain={domain}")
    if secure:
        parts.append("Secure")
    if attributes.get("http_only", True):
        parts.append("HttpOnly")
    parts.append(f"SameSite={same_site.title()}")
    if partitioned:
        parts.append("Partitioned")
    return "; ".join(parts)


def _check_secure(name: str, secure: bool, same_site: str, partitioned: bool) -> None:
    if same_site not in ("strict", "lax", "none"):
        raise ValueError(f"same_site of the cookie {name} is 'strict', 'lax' or 'none', not {same_site!r}.")
    if not secure:
        reasons = {
            "same_site='none'": same_site == "none",
            "partitioned": partitioned,
            "its name": name.lower().startswith(("__secure-", "__host-")),
        }
        for reason, given in reasons.items():
            if given:
                raise ValueError(f"The cookie {name} must be secure, for {reason} says so.")


def _date(moment: datetime) -> str:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    utc = aware.astimezone(UTC)
    return (
        f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} "
        f"{utc.hour:02}:{utc.minute:02}:{utc.second:02} GMT"
    )


def same_cookie(one: str, other: str) -> bool:
    """Whether two values of `Set-Cookie` are of one cookie: of the same name, path and domain."""
    return _identity(one) == _identity(other)


def _identity(line: str) -> tuple[str, ...]:
    first, *attributes = line.split("; ")
    places = [each for each in attributes if each.startswith(("Path=", "Domain="))]
    return (first.partition("=")[0], *places)
