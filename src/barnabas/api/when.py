"""Answers that may wait for a future."""

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
    """``to_pieces(result)``, now or, if the result is a future, when that is done. It needs no
    task. ``given_up``: called if the connection ends before."""
    if not isinstance(result, asyncio.Future):
        return to_pieces(result)
    if result.done():
        return to_pieces(result.result())
    return Promise(result, to_pieces, given_up)
