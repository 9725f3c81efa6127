"""How a client authenticates: what components say of themselves, for the documentation and for clients.

Nothing is checked here; the component does that:

    @component(security=Bearer())
    def user(authorization: Header[str]) -> User: ...

The names of schemes and of their parts are those of OpenAPI 3.1 (§4.8.27, Security Scheme Object).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from asgistar.errors import ConfigurationError


class Security(Protocol):
    """A way to authenticate.

    Attributes:
        name: what the documentation calls it; two of one name in an application must be the same.
        scopes: what a client must be allowed to do.
    """

    @property
    def name(self) -> str: ...

    @property
    def scopes(self) -> Sequence[str]: ...

    def scheme(self) -> dict[str, Any]:
        """Its Security Scheme Object."""


def _described(scheme: dict[str, Any], description: str) -> dict[str, Any]:
    return {**scheme, "description": description} if description else scheme


class Bearer(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A token in the header `Authorization: Bearer …` (RFC 6750).

    Args:
        name: what the documentation calls it.
        format: of the token, as in "JWT"; for readers.
        description: how to come by one, in CommonMark.
    """

    name: str = "bearer"
    format: str = ""
    description: str = ""

    @property
    def scopes(self) -> Sequence[str]:
        """None: there is no such thing here."""
        return ()

    def scheme(self) -> dict[str, Any]:
        """Its Security Scheme Object."""
        scheme = {"type": "http", "scheme": "bearer"}
        if self.format:
            scheme["bearerFormat"] = self.format
        return _described(scheme, self.description)


class Basic(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """User name and password in the header `Authorization: Basic …` (RFC 7617).

    Args:
        name: what the documentation calls it.
        description: how to come by them, in CommonMark.
    """

    name: str = "basic"
    description: str = ""

    @property
    def scopes(self) -> Sequence[str]:
        """None: there is no such thing here."""
        return ()

    def scheme(self) -> dict[str, Any]:
        """Its Security Scheme Object."""
        return _described({"type": "http", "scheme": "basic"}, self.description)


class ApiKey(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A key in a header, a cookie or an argument of the query: exactly one of these.

    Args:
        header: the name of the header.
        cookie: the name of the cookie; a session is such a key.
        query: the name of the argument.
        name: what the documentation calls it.
        description: how to come by a key, in CommonMark.

    Raises:
        ConfigurationError: none of the three, or several.
    """

    header: str = ""
    cookie: str = ""
    query: str = ""
    name: str = "key"
    description: str = ""

    @property
    def scopes(self) -> Sequence[str]:
        """None: there is no such thing here."""
        return ()

    def __post_init__(self) -> None:
        if sum(map(bool, (self.header, self.cookie, self.query))) != 1:
            raise ConfigurationError(
                "An ApiKey stands in one place: say header=, cookie= or query=, as in ApiKey(header='x-key')."
            )

    def scheme(self) -> dict[str, Any]:
        """Its Security Scheme Object."""
        where = "header" if self.header else "cookie" if self.cookie else "query"
        scheme = {"type": "apiKey", "in": where, "name": self.header or self.cookie or self.query}
        return _described(scheme, self.description)


class OAuth2(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A token that an authorization server gives (RFC 6749), in the header `Authorization: Bearer …`.

    Args:
        token_url: where a token is asked for; needed for all flows here.
        authorization_url: where a person agrees: the flow with a code. Without it, the flow is `flow`.
        refresh_url: where a token is renewed.
        flow: "clientCredentials" or "password" (which RFC 9700 §2.4 advises against).
        offered: scope -> what it is for.
        scopes: those that are needed, of the offered ones.
        name: what the documentation calls it.
        description: in CommonMark.

    Raises:
        ConfigurationError: there is no such flow, or a scope is needed that isn't offered.
    """

    token_url: str
    authorization_url: str = ""
    refresh_url: str = ""
    flow: str = "clientCredentials"
    offered: Mapping[str, str] = field(default_factory=dict)
    scopes: Sequence[str] = ()
    name: str = "oauth2"
    description: str = ""

    def __post_init__(self) -> None:
        if self.flow not in ("clientCredentials", "password"):
            raise ConfigurationError(
                f"The flow of OAuth2 is 'clientCredentials' or 'password', not {self.flow!r}; for the one "
                "with a code, say authorization_url=."
            )
        if missing := [scope for scope in self.scopes if scope not in self.offered]:
            raise ConfigurationError(f"OAuth2 needs the scopes {', '.join(missing)}, which aren't offered.")

    def scheme(self) -> dict[str, Any]:
        """Its Security Scheme Object."""
        flow: dict[str, Any] = {"tokenUrl": self.token_url, "scopes": dict(self.offered)}
        if self.refresh_url:
            flow["refreshUrl"] = self.refresh_url
        if self.authorization_url:
            flow["authorizationUrl"] = self.authorization_url
        flows = {"authorizationCode" if self.authorization_url else self.flow: flow}
        return _described({"type": "oauth2", "flows": flows}, self.description)


class OpenIdConnect(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A token of an OpenID provider, in the header `Authorization: Bearer …`.

    Args:
        url: of the provider's discovery document.
        scopes: those that are needed.
        name: what the documentation calls it.
        description: in CommonMark.
    """

    url: str
    scopes: Sequence[str] = ()
    name: str = "openid"
    description: str = ""

    def scheme(self) -> dict[str, Any]:
        """Its Security Scheme Object."""
        return _described({"type": "openIdConnect", "openIdConnectUrl": self.url}, self.description)
