"""What one connection has to answer: the places of its answers, and the long work for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from barnabas.api.request import Pieces, Request, Steps


def _nothing() -> None:
    """Nobody wants to hear."""


class Slot:
    """The place of one request's answer in the order of its connection."""

    __slots__ = (
        "answer_bytes",
        "decoded_bytes",
        "given_up",
        "pieces",
        "ready",
        "request",
        "request_bytes",
    )

    def __init__(self) -> None:
        self.ready = False
        self.pieces: Pieces | None = None
        self.request: Request | None = None
        """To be handled in its turn."""
        self.answer_bytes = 0
        self.request_bytes = 0
        """Counted while the request waits; 0 if it was answered at once."""
        self.decoded_bytes = 0
        """Of them, for what the request was decoded to."""
        self.given_up: Callable[[], Any] | None = None
        """To be called if the answer is not waited for any more."""


class Work:
    """Steps that this connection has begun, and who hears how they end."""

    __slots__ = ("begun", "done", "future", "is_long", "is_needed", "paused", "shares", "steps")

    def __init__(
        self,
        steps: Steps[Any],
        done: Callable[[Any, BaseException | None], None],
        *,
        is_long: bool = False,
        begun: bool = True,
        is_needed: bool = False,
        future: asyncio.Future[Any] | None = None,
    ) -> None:
        self.begun = begun
        """Whether its request holds more memory than its bytes."""
        self.steps = steps
        self.done = done
        self.shares = 0
        """Used so far."""
        self.is_long = is_long
        """Whether it goes on only when few others do: after some shares, always."""
        self.future = future
        """Cancelled if the steps are given up."""
        self.is_needed = is_needed
        """Even if nobody waits for the answer."""
        self.paused: Callable[[], None] = _nothing
        """Called after each share."""

    def give_up(self) -> None:
        """Nobody waits for the end of it."""
        if self.future is not None:
            self.future.cancel()
        with suppress(ValueError):  # it is what ends the connection
            self.steps.close()
