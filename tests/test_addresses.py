"""Connecting to what is no address: an OSError, on each loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from barnabas import addresses

ADDRESSES = [
    ("a..b", 1),
    (".", 1),
    ("", 1),
    ("x" * 64, 1),
    ("y" * 5000, 1),
    ("nul\0l", 1),
    ("a b", 1),
    ("\u202e", 1),
    ("\ud800", 1),
    ("127.0.0.1", -1),
    ("127.0.0.1", 2**40),
    ("localhost", 2**70),
]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(("host", "port"), ADDRESSES)
def test_nobody_can_be_reached(
    loop: Callable[[], asyncio.AbstractEventLoop], host: str, port: int
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(OSError):  # noqa: PT011
        runner.run(addresses.connect(asyncio.Protocol, host, port))
