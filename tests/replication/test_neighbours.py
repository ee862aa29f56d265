"""Idle connections between brokers: signs of life, and how long a successor is waited for."""

from __future__ import annotations

import asyncio

from barnabas.replication.neighbours import (
    SUCCESSOR_S,
    Standing,
    _Idle,
    standing,
)


def test_a_successor_is_waited_for_half_a_second() -> None:
    assert standing(10.0, None) is Standing.NAMED
    assert standing(10.0, 10.0) is Standing.AWAITED
    assert standing(10.0 + SUCCESSOR_S - 0.001, 10.0) is Standing.AWAITED
    assert standing(10.0 + SUCCESSOR_S, 10.0) is Standing.UNNAMED


class Wire(asyncio.Transport):
    """What an idle connection sends, and whether it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.closed = False

    def write(self, data: object) -> None:
        self.sent += 1

    def close(self) -> None:
        self.closed = True


ANSWER = b"\x00\x00\x00\x0a" + bytes(10)


def test_signs_of_life_are_younger_than_the_question_and_shared() -> None:
    async def main() -> None:
        broken: list[int] = []
        idle, wire = _Idle(lambda: broken.append(1)), Wire()
        idle.connection_made(wire)
        first = idle.ask()
        second, third = idle.ask(), idle.ask()
        assert wire.sent == 1
        idle.data_received(ANSWER[:3])
        idle.data_received(ANSWER[3:9])
        assert not first.done()
        idle.data_received(ANSWER[9:])
        assert first.done()
        assert not second.done()
        assert wire.sent == 2
        idle.data_received(ANSWER)
        assert second.done()
        assert third.done()
        assert wire.sent == 2
        last, behind = idle.ask(), idle.ask()
        idle.connection_lost(None)
        assert last.done()
        assert behind.done()
        assert idle.ask().done()
        assert not broken  # it had not lasted

    asyncio.run(main())


def test_a_peer_that_talks_unasked_or_for_ever_is_left() -> None:
    async def main() -> None:
        for asked, said in ((False, ANSWER), (True, b"\xff\xff\xff\xff"), (True, b"HTTP/1.1")):
            idle, wire = _Idle(lambda: None), Wire()
            idle.connection_made(wire)
            sign = idle.ask() if asked else None
            idle.data_received(said)
            assert wire.closed
            assert idle.ended.is_set()
            assert sign is None or sign.done()

    asyncio.run(main())
