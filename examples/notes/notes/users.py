"""Sign-up, login, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from asgistar import Conflict, Created, Meta, ResponseHeaders, Route, Struct, Unauthorized, component
from asgistar.http import URL, Cookies, Headers
from asgistar.security import ApiKey, Bearer
from notes.models import TokenRow, UserRow, now
from notes.passwords import Passwords, digest, new_token
from notes.types import Email, Name, Password

COOKIE = "notes_session"
LIFE = timedelta(days=30)
LOGINS = 20
"""A user may be logged in so many times; then the oldest login ends."""


class SignUp(Struct, forbid_unknown_fields=True):
    """Who signs up."""

    email: Email
    name: Name
    password: Password


class LogIn(Struct, forbid_unknown_fields=True):
    """Who logs in."""

    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")]
    password: Annotated[str, Meta(max_length=200)]


class User(Struct):
    """A user."""

    id: int
    email: str
    name: str
    created: datetime


class Token(Struct):
    """What a client shows from now on: `Authorization: Bearer …`."""

    token: str
    expires: datetime
    user: User


@dataclass(frozen=True)
class Identity:
    """Who is asking. Views ask for it by type; who has none gets a 401."""

    user_id: int
    token: str = ""


@component(security=[Bearer(description="The token of a login."), ApiKey(cookie=COOKIE, name="cookie")])
async def identity(engine: AsyncEngine, headers: Headers, cookies: Cookies) -> Identity:
    """Who shows this token, in the header or, for pages, in the cookie.

    It has a transaction of its own, which is over at once: a stream that goes on for minutes needs none.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = cookies.get(COOKIE, "") if _from_our_pages(headers) else ""
    async with AsyncSession(engine) as session:
        shown = digest(token.strip())
        user_id = await session.scalar(
            select(TokenRow.user_id).where(TokenRow.digest == shown, TokenRow.expires > now())
        )
    if user_id is None:
        raise Unauthorized("Log in, and show the token.")
    return Identity(user_id, token)


def _from_our_pages(headers: Headers) -> bool:
    """Whether a request comes from a page of ours, or from none.

    A browser sends the cookie along with whatever any page asks for. SameSite keeps other sites out, but not
    other ports and names of the same site; and a WebSocket may be opened from anywhere.
    """
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def add_user(session: AsyncSession, passwords: Passwords, form: SignUp) -> UserRow:
    """Make a user.

    Raises:
        Conflict: there is one with this address.
    """
    row = UserRow(
        email=form.email.lower(), name=form.name, password_hash=await passwords.hashed(form.password)
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict("There is a user with this address.") from None
    return row


async def sign_up(form: SignUp, session: AsyncSession, passwords: Passwords) -> Created[User]:
    """Sign up.

    An address may be used once.
    """
    return await add_user(session, passwords, form)  # type: ignore[return-value]  # cut down to a User


async def log_in(
    form: LogIn, session: AsyncSession, passwords: Passwords, url: URL, headers: ResponseHeaders
) -> Token:
    """Log in.

    The token is in the answer. For pages it is in a cookie, too, which no script can read.
    """
    row = await session.scalar(select(UserRow).where(UserRow.email == form.email.lower()))
    await session.commit()  # no connection is held while the password has its turn
    right = await passwords.matches(form.password, row.password_hash if row else None)
    if row is None or not right:
        raise Unauthorized("The address or the password is wrong.")
    token, expires = new_token(), now() + LIFE
    session.add(TokenRow(digest=digest(token), user_id=row.id, expires=expires))
    await session.flush()
    newest = select(TokenRow.digest).where(TokenRow.user_id == row.id)
    newest = newest.order_by(TokenRow.expires.desc()).limit(LOGINS)
    over = (TokenRow.expires <= now()) | TokenRow.digest.not_in(newest)
    await session.execute(
        delete(TokenRow).where(TokenRow.user_id == row.id, over),
        execution_options={"synchronize_session": False},
    )
    headers.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFE.total_seconds()),
        secure=url.scheme == "https",
        same_site="strict",
    )
    return Token(token, expires, User(row.id, row.email, row.name, row.created))


async def log_out(who: Identity, session: AsyncSession, url: URL, headers: ResponseHeaders) -> None:
    """Log out: the token is worth nothing from now on."""
    await session.execute(delete(TokenRow).where(TokenRow.digest == digest(who.token)))
    headers.delete_cookie(COOKIE, secure=url.scheme == "https", same_site="strict")


async def me(who: Identity, session: AsyncSession) -> User:
    """Who am I?"""
    row: UserRow = await session.get_one(UserRow, who.user_id)
    return row  # type: ignore[return-value]  # cut down to a User


routes = [
    Route("/users/", "POST", sign_up, raises=[Conflict]),
    Route("/login/", "POST", log_in, raises=[Unauthorized]),
    Route("/logout/", "POST", log_out),
    Route("/me/", "GET", me),
]
