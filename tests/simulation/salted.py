"""Passwords of SCRAM, salted once for all runs of a process: each takes milliseconds, which are for
who guesses passwords."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

_salted = lru_cache(maxsize=1024)(hashlib.pbkdf2_hmac)


@contextmanager
def salted_once() -> Iterator[None]:
    """So it is in this process, for the time of the context."""
    before = hashlib.pbkdf2_hmac
    hashlib.pbkdf2_hmac = _salted  # type: ignore[assignment]
    try:
        yield
    finally:
        hashlib.pbkdf2_hmac = before
