"""Passwords and tokens: what is kept of them (RFC 7914, scrypt)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

COST = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}  # about 80 ms, and 32 MB
UNKNOWN = "0" * 32 + ":" + "0" * 128
"""Stands for the hash of a user that there is not, so that a login takes as long."""

_at_once = asyncio.Semaphore(2)
"""Hashing needs memory: so many at a time, the others wait."""


async def hashed(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{(await _digest(password, salt)).hex()}"


async def matches(password: str, kept: str) -> bool:
    """Whether it is the password."""
    salt, _, digest = kept.partition(":")
    return hmac.compare_digest(await _digest(password, bytes.fromhex(salt)), bytes.fromhex(digest))


async def _digest(password: str, salt: bytes) -> bytes:
    async with _at_once:
        return await asyncio.to_thread(hashlib.scrypt, password.encode(), salt=salt, **COST)


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token; it is long and random, so that a fast hash will do."""
    return hashlib.sha256(token.encode()).hexdigest()
