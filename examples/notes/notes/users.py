"""Sign-up, login, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from asgistar import (
    Conflict,
    Created,
    Header,
    In,
    Meta,
    ResponseHeaders,
    Route,
    Struct,
    Unauthorized,
    component,
)
from asgistar.security import Bearer
from notes import passwords
from notes.models import TokenRow, UserRow, now

COOKIE = "notes_session"
LIFE = timedelta(days=30)

Email = Annotated[
    str, Meta(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", examples=["ada@example.com"])
]


class SignUp(Struct, forbid_unknown_fields=True):
    """Who signs up."""

    email: Email
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    password: Annotated[str, Meta(min_length=8, max_length=200)]


class LogIn(Struct):
    """Who logs in."""

    email: Annotated[str, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=200)]


class User(Struct):
    """A user, as others may see one."""

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
    token: str


@component(security=Bearer())
async def identity(
    engine: AsyncEngine,
    authorization: Header[str] = "",
    cookie: Annotated[str, In("cookie", COOKIE)] = "",
) -> Identity:
    """Who shows this token, in the header or, for pages, in the cookie.

    It has a transaction of its own, which is over at once: a stream that goes on for hours needs none.
    """
    scheme, _, shown = authorization.partition(" ")
    token = shown.strip() if scheme.lower() == "bearer" else cookie
    async with AsyncSession(engine) as session:
        query = select(TokenRow).where(TokenRow.digest == passwords.digest(token), TokenRow.expires > now())
        row = await session.scalar(query) if token else None
    if row is None:
        raise Unauthorized("Log in, and show the token.")
    return Identity(row.user_id, token)


async def sign_up(form: SignUp, session: AsyncSession) -> Created[User]:
    """Sign up.

    The address may be used once.
    """
    password_hash = await passwords.hashed(form.password)
    row = UserRow(email=form.email.lower(), name=form.name, password_hash=password_hash)
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict("There is a user with this address.") from None
    return row  # type: ignore[return-value]  # cut down to a User


async def log_in(form: LogIn, session: AsyncSession, headers: ResponseHeaders) -> Token:
    """Log in.

    The token is in the answer; pages have it in a cookie, too, which no script can read.
    """
    row = await session.scalar(select(UserRow).where(UserRow.email == form.email.lower()))
    right = await passwords.matches(form.password, row.password_hash if row else passwords.UNKNOWN)
    if row is None or not right:
        raise Unauthorized("The address or the password is wrong.")
    await session.execute(delete(TokenRow).where(TokenRow.user_id == row.id, TokenRow.expires <= now()))
    token = passwords.new_token()
    expires = now() + LIFE
    session.add(TokenRow(digest=passwords.digest(token), user_id=row.id, expires=expires))
    headers.set_cookie(COOKIE, token, max_age=int(LIFE.total_seconds()), same_site="strict")
    return Token(token, expires, User(row.id, row.email, row.name, row.created))


async def log_out(who: Identity, session: AsyncSession, headers: ResponseHeaders) -> None:
    """Log out: the token is worth nothing from now on."""
    await session.execute(delete(TokenRow).where(TokenRow.digest == passwords.digest(who.token)))
    headers.delete_cookie(COOKIE)


async def me(who: Identity, session: AsyncSession) -> User:
    """Who am I?"""
    return await session.get_one(UserRow, who.user_id)  # type: ignore[return-value]  # cut down to a User


routes = [
    Route("/users/", "POST", sign_up, raises=[Conflict]),
    Route("/login/", "POST", log_in, raises=[Unauthorized]),
    Route("/logout/", "POST", log_out),
    Route("/me/", "GET", me),
]
