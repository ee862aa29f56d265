"""What fetches mostly look like is coded by ways of its own: as by the way of all others."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from barnabas.errors import InvalidRequest
from barnabas.protocol import fetch, fetch_client
from barnabas.protocol.fetch import (
    FetchPartition,
    FetchPartitionData,
    FetchTopicData,
    encode_fetch_response,
    parse_fetch_request,
)
from barnabas.protocol.fetch_client import decode_fetch_response, encode_fetch_request
from barnabas.protocol.header import parse_request_header

SEEDS = range(20)


def outcome(work: Callable[[], Any]) -> Any:
    """What it returns, or that it refuses."""
    try:
        return work()
    except InvalidRequest:
        return InvalidRequest


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Turns the ways of their own off."""

    def off() -> None:
        monkeypatch.setattr(fetch, "_usual_response", lambda *_: None)
        monkeypatch.setattr(fetch, "_is_followers_end", lambda *_: False)
        monkeypatch.setattr(fetch_client, "_usual_response", lambda *_: None)
        monkeypatch.setattr(fetch_client, "_usual_request", lambda *_: None)

    return off


def spoiled(frame: bytes, chance: random.Random) -> list[bytes]:
    """The frame, all that is cut short of it, and some with another byte."""
    found = [frame, frame + b"\0", *(frame[:end] for end in range(len(frame)))]
    for _ in range(300):
        other = bytearray(frame)
        other[chance.randrange(len(frame))] = chance.choice((0, 1, 2, 3, 127, 128, 255))
        found.append(bytes(other))
    return found


def request(seed: int) -> bytes:
    chance = random.Random(seed)
    numbers = [chance.choice((-1, 0, 5, 2**31 - 1)) for _ in range(6)]
    partition = FetchPartition(*numbers)
    wanted = [(uuid.UUID(int=chance.getrandbits(128)), [partition])]
    return encode_fetch_request(
        7,
        "broker-1-fetcher-0",
        wanted,
        replica_id=chance.choice((0, 3)),
        replica_epoch=chance.choice((-1, 2**40)),
        session_id=chance.getrandbits(31),
        session_epoch=3,
        version=chance.choice((15, 16, 17)),
    )


def response(seed: int) -> bytes:
    chance = random.Random(seed)
    records = [bytes(chance.choice((0, 1, 100, 200, 20_000))) for _ in range(chance.randint(0, 2))]
    data = FetchPartitionData(
        partition=chance.getrandbits(31),
        error_code=chance.choice((0, 6)),
        high_watermark=chance.getrandbits(63),
        last_stable_offset=chance.getrandbits(63),
        log_start_offset=chance.getrandbits(63),
        records=records,
        preferred_read_replica=chance.choice((-1, 2)),
    )
    topic = FetchTopicData("", uuid.UUID(int=chance.getrandbits(128)), [data])
    pieces = encode_fetch_response(17, 7, [topic], error_code=0, session_id=9, throttle_ms=seed)
    return b"".join(pieces)


@pytest.mark.parametrize("seed", SEEDS)
def test_requests(usual: Callable[..., None], seed: int) -> None:
    frame, chance = request(seed), random.Random(seed)
    header, offset = parse_request_header(frame[4:])
    bodies = spoiled(frame[4 + offset :], chance)

    def parsed() -> list[Any]:
        return [outcome(lambda b=b: parse_fetch_request(header.api_version, b)) for b in bodies]  # type: ignore[misc]

    ours = parsed()
    assert ours[0] is not InvalidRequest
    usual()
    assert request(seed) == frame
    assert parsed() == ours


@pytest.mark.parametrize("seed", SEEDS)
def test_responses(usual: Callable[..., None], seed: int) -> None:
    frame, chance = response(seed), random.Random(seed)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    body = frame[9:]
    bodies = spoiled(body, chance) if len(body) < 1000 else [body]

    def decoded() -> list[Any]:
        return [outcome(lambda b=b: decode_fetch_response(17, memoryview(b), 0)) for b in bodies]  # type: ignore[misc]

    ours = decoded()
    assert ours[0] is not InvalidRequest
    usual()
    assert response(seed) == frame
    assert decoded() == ours
