"""Answers that wait for something to be decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from barnabas.api.request import Pieces, Promise, Steps

T = TypeVar("T")


def when(
    result: T | asyncio.Future[T],
    to_pieces: Callable[[T], Pieces | Steps[Pieces]],
    *,
    given_up: Callable[[], Any] | None = None,
) -> Pieces | Steps[Pieces] | Promise:
    """``to_pieces(result)``, now if the result is there, without a task for it if it is not.
    ``given_up``: called if the connection ends before."""
    if not isinstance(result, asyncio.Future):
        return to_pieces(result)
    if result.done():
        return to_pieces(result.result())
    return Promise(result, to_pieces, given_up)
