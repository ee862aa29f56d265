"""Answers that wait for something to be decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from barnabas.api.request import Pieces

T = TypeVar("T")


def when(
    result: T | asyncio.Future[T], to_pieces: Callable[[T], Pieces]
) -> Pieces | asyncio.Future[Pieces]:
    """``to_pieces(result)``, now if the result is there, without a task for it if it is not."""
    if not isinstance(result, asyncio.Future):
        return to_pieces(result)
    if result.done():
        return to_pieces(result.result())
    answer: asyncio.Future[Pieces] = result.get_loop().create_future()

    def decided(done: asyncio.Future[T]) -> None:
        if answer.cancelled():
            return
        if done.cancelled():
            answer.cancel()
            return
        try:
            answer.set_result(to_pieces(done.result()))
        except Exception as error:
            answer.set_exception(error)

    result.add_done_callback(decided)
    return answer
