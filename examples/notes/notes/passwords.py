"""Passwords and tokens: what is kept of them (scrypt, RFC 7914)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

from asgistar import ServiceUnavailable, component

COST, BLOCK, LANES = 2**15, 8, 1  # about 80 ms and 32 MB for each password
MEMORY = 64 * 1024 * 1024
AT_ONCE = 2
WAITING = 50
"""So many passwords wait for their turn; more are sent away. Who floods the login holds up nothing else."""


class Passwords:
    """Hashes passwords, a few at a time.

    Args:
        threads: where that is done.
        cost: of new hashes; those that are kept say theirs.
    """

    def __init__(self, threads: Executor, cost: int) -> None:
        self._threads = threads
        self._cost = cost
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        salt = secrets.token_bytes(16)
        digest = await self._digest(password, salt, self._cost, BLOCK, LANES)
        return f"scrypt${self._cost}${BLOCK}${LANES}${salt.hex()}${digest.hex()}"

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether it is the password. If there is none, that takes as long to find out."""
        if kept is None:
            await self._digest(password, bytes(16), self._cost, BLOCK, LANES)
            return False
        _, cost, block, lanes, salt, digest = kept.split("$")
        made = await self._digest(password, bytes.fromhex(salt), int(cost), int(block), int(lanes))
        return hmac.compare_digest(made, bytes.fromhex(digest))

    async def _digest(self, password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
        if self._waiting >= WAITING:
            raise ServiceUnavailable("Too many log in at the moment.", headers={"retry-after": "5"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads,
                lambda: hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=MEMORY),
            )
        finally:
            self._waiting -= 1


@component(scope="app")
def passwords() -> Iterator[Passwords]:
    """What hashes passwords, for the whole process."""
    with ThreadPoolExecutor(AT_ONCE, "passwords") as threads:
        yield Passwords(threads, COST)


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token; it is long and random, so that a fast hash will do."""
    return hashlib.sha256(token.encode()).hexdigest()
