"""Who one is: sign-up, login, tokens, the cookie of pages, and what attackers make of them."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import ServiceUnavailable
from asgistar.testing import AsyncClient

ADA = {"email": "ada@example.com", "name": "Ada", "password": "correct horse"}
LOGIN = {"email": ADA["email"], "password": ADA["password"]}


async def signed_up(client: AsyncClient) -> None:
    """Let Ada sign up."""
    answer = await client.post("/users/", json=ADA)
    assert answer.status_code == 201, answer.text


async def logged_in(client: AsyncClient) -> dict[str, str]:
    """Let Ada log in: the header that shows her token. The client forgets its cookie."""
    answer = await client.post("/login/", json=LOGIN)
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return {"authorization": f"Bearer {answer.json()['token']}"}


async def test_who_signs_up_can_log_in_and_is_known_by_the_token(client: AsyncClient) -> None:
    answer = await client.post("/users/", json=ADA)
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "email", "name", "created"}
    shown = await logged_in(client)
    me = await client.get("/me/", headers=shown)
    assert me.json() == answer.json()


async def test_an_address_is_used_once_however_it_is_written(client: AsyncClient) -> None:
    await signed_up(client)
    again = await client.post("/users/", json={**ADA, "email": "Ada@Example.com"})
    assert again.status_code == 409
    assert again.json()["detail"] == "There is a user with this address."


async def test_two_who_sign_up_with_one_address_at_once_are_one_user(client: AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/users/", json=ADA) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"email": "ada"}, "email"),
        ({"email": "a da@example.com"}, "email"),
        ({"email": "ada@example.com\n"}, "email"),
        ({"email": "ada@exämple.com"}, "email"),
        ({"email": "a" * 250 + "@example.com"}, "email"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "A\x00da"}, "name"),
        ({"name": "Ada\n"}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"id": 1}, "id"),
    ],
)
async def test_what_is_wrong_with_a_sign_up_is_told(
    client: AsyncClient, change: dict[str, Any], where: str
) -> None:
    answer = await client.post("/users/", json={**ADA, **change})
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [[where]]


async def test_a_wrong_password_and_an_unknown_address_are_told_alike(client: AsyncClient) -> None:
    await signed_up(client)
    wrong = await client.post("/login/", json={**LOGIN, "password": "wrong horse"})
    unknown = await client.post("/login/", json={**LOGIN, "email": "eve@example.com"})
    odd = await client.post("/login/", json={**LOGIN, "email": "%"})
    assert wrong.status_code == unknown.status_code == odd.status_code == 401
    assert wrong.json() == unknown.json() == odd.json()
    assert "set-cookie" not in wrong.headers


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_an_unknown_address_takes_as_long_as_a_wrong_password(notes: Any, settings: Any) -> None:
    """With the true cost of a password."""

    async def seconds(client: AsyncClient, email: str) -> float:
        start = time.perf_counter()
        answer = await client.post("/login/", json={"email": email, "password": "wrong horse"})
        assert answer.status_code == 401
        return time.perf_counter() - start

    async with AsyncClient(notes.app) as client:
        await signed_up(client)
        known, unknown = [], []
        for _ in range(5):
            known.append(await seconds(client, ADA["email"]))
            unknown.append(await seconds(client, "eve@example.com"))
    assert 0.5 < median(known) / median(unknown) < 2
    assert min(known) > 0.02


async def test_passwords_and_tokens_are_not_in_the_database(notes: Any, client: AsyncClient) -> None:
    await signed_up(client)
    token = (await client.post("/login/", json=LOGIN)).json()["token"]
    models = sys.modules["notes.models"]
    async with notes.app.scope() as scope:
        session = await scope.get(AsyncSession)
        kept = [*await session.scalars(select(models.UserRow.password_hash))]
        kept += await session.scalars(select(models.TokenRow.digest))
    assert len(kept) == 2
    assert not any(secret in row for row in kept for secret in (ADA["password"], token))


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer guessed", "Basic YWRhOng=", "guessed", "Bearer é"]
)
async def test_without_a_valid_token_one_is_nobody(client: AsyncClient, authorization: str) -> None:
    await signed_up(client)
    await logged_in(client)
    answer = await client.get("/me/", headers={"authorization": authorization.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


NOTHING = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/me/", {}),
        ("POST", "/logout/", {}),
        ("GET", "/notes/", {}),
        ("POST", "/notes/", {"json": {"title": "a"}}),
        ("GET", "/notes/tags/", {}),
        ("GET", "/notes/1/", {}),
        ("PATCH", "/notes/1/", {"json": {"title": "a"}}),
        ("DELETE", "/notes/1/", {}),
        ("POST", "/notes/1/attachments/", {"files": {"file": b"a"}}),
        ("GET", f"/attachments/{NOTHING}/", {}),
        ("DELETE", f"/attachments/{NOTHING}/", {}),
        ("GET", "/changes/", {}),
    ],
)
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_nothing_is_open_to_nobody(
    client: AsyncClient, method: str, path: str, content: dict[str, Any]
) -> None:
    assert (await client.request(method, path, **content)).status_code == 401


async def test_what_is_open_to_nobody_is_just_the_door(notes: Any) -> None:
    document = notes.app.openapi()
    operations = [
        (f"{method} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    assert len(operations) == 15
    assert [name for name, operation in operations if not operation.get("security")] == [
        "post /users/",
        "post /login/",
    ]


async def test_a_token_is_worth_nothing_after_logout(client: AsyncClient) -> None:
    await signed_up(client)
    first, second = await logged_in(client), await logged_in(client)
    assert (await client.post("/logout/", headers=first)).status_code == 204
    assert (await client.get("/me/", headers=first)).status_code == 401
    assert (await client.get("/me/", headers=second)).status_code == 200


async def test_a_token_is_worth_nothing_after_its_time(notes: Any, client: AsyncClient) -> None:
    await signed_up(client)
    shown = await logged_in(client)
    models = sys.modules["notes.models"]
    async with notes.app.scope() as scope:
        session = await scope.get(AsyncSession)
        await session.execute(update(models.TokenRow).values(expires=models.now() - timedelta(seconds=1)))
    assert (await client.get("/me/", headers=shown)).status_code == 401
    await logged_in(client)
    async with notes.app.scope() as scope:
        session = await scope.get(AsyncSession)
        assert await session.scalar(select(func.count()).select_from(models.TokenRow)) == 1


async def test_of_many_logins_the_oldest_end(client: AsyncClient) -> None:
    await signed_up(client)
    shown = [await logged_in(client) for _ in range(22)]
    known = [(await client.get("/me/", headers=each)).status_code for each in shown]
    assert known == [401] * 2 + [200] * 20


async def test_a_flood_of_logins_is_sent_away(notes: Any) -> None:
    passwords = sys.modules["notes.passwords"]
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(go_on.wait, 30)
        hashing = passwords.Passwords(threads, 2)
        waiting = [asyncio.create_task(hashing.matches("guess", None)) for _ in range(passwords.WAITING)]
        await asyncio.sleep(0)  # each of them has begun
        with pytest.raises(ServiceUnavailable) as refused:
            await hashing.matches("guess", None)
        assert refused.value.headers == {"retry-after": "5"}
        go_on.set()
        assert await asyncio.gather(*waiting) == [False] * passwords.WAITING
        assert await hashing.matches("guess", await hashing.hashed("guess"))


# --- the cookie of pages ------------------------------------------------------------------------------------


async def test_a_page_is_known_by_a_cookie_that_scripts_cannot_read(client: AsyncClient) -> None:
    await signed_up(client)
    cookie = (await client.post("/login/", json=LOGIN)).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert (await client.get("/me/")).status_code == 200
    assert (await client.post("/logout/")).status_code == 204
    assert not client.cookies
    assert (await client.get("/me/")).status_code == 401


async def test_over_https_the_cookie_is_for_https_alone(client: AsyncClient) -> None:
    await signed_up(client)
    answer = await client.post("https://testserver/login/", json=LOGIN)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


OURS = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": "http://testserver"},
]
OTHERS = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "same-site", "origin": "http://testserver"},
    {"origin": "http://testserver:8080"},
    {"origin": "http://testserver.example"},
    {"origin": "null"},
]


@pytest.mark.parametrize(("headers", "status"), [(h, 201) for h in OURS] + [(h, 401) for h in OTHERS])
async def test_the_cookie_counts_for_our_own_pages_only(
    client: AsyncClient, headers: dict[str, str], status: int
) -> None:
    await signed_up(client)
    await client.post("/login/", json=LOGIN)
    answer = await client.post("/notes/", json={"title": "from where?"}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_form_of_another_page_can_log_nobody_in(client: AsyncClient, content_type: str) -> None:
    await signed_up(client)
    body = b'{"email": "ada@example.com", "password": "correct horse"}'
    answer = await client.post("/login/", content=body, headers={"content-type": content_type})
    assert answer.status_code == 415
    assert "set-cookie" not in answer.headers
