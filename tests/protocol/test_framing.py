from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol import recorded

from barnabas.errors import InvalidRequest
from barnabas.protocol.framing import FIRST_BYTES, GROWTH, STAGING_BYTES, FrameBuffer


def framed(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=60), max_size=8),
    st.lists(st.integers(1, 50), min_size=1, max_size=30),
    st.integers(4, 40),
)
def test_frames_come_out_whole_however_the_stream_is_cut(
    frames: list[bytes], cuts: list[int], staging_bytes: int
) -> None:
    stream = framed(*frames)
    buffer = FrameBuffer(1000, bytearray(staging_bytes))
    out: list[memoryview] = []
    position = 0
    turn = 0
    while position < len(stream):
        target = buffer.get_buffer()
        count = min(len(target), cuts[turn % len(cuts)], len(stream) - position)
        target[:count] = stream[position : position + count]
        position += count
        turn += 1
        out += buffer.buffer_updated(count)
    assert [bytes(frame) for frame in out] == frames
    assert buffer.is_idle


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(1, 64))
def test_feed_does_the_same(frames: list[bytes], chunk: int) -> None:
    stream = framed(*frames)
    buffer = FrameBuffer(1000, bytearray(32))
    out: list[memoryview] = []
    for position in range(0, len(stream), chunk):
        out += buffer.feed(stream[position : position + chunk])
    assert [bytes(frame) for frame in out] == frames


@pytest.mark.parametrize("chunk", [1460, 65_536])
def test_every_recorded_frame_comes_out_as_it_was_sent(chunk: int) -> None:
    frames = [row.frame for row in recorded.frames()]
    stream = framed(*frames)
    buffer = FrameBuffer()
    out: list[memoryview] = []
    for position in range(0, len(stream), chunk):
        out += buffer.feed(stream[position : position + chunk])
    assert [bytes(frame) for frame in out] == frames


def test_frames_stay_valid_and_writable_while_others_arrive() -> None:
    staging = bytearray(64)
    one, other = FrameBuffer(1000, staging), FrameBuffer(1000, staging)
    first, second = one.feed(framed(b"a" * 20, b"b" * 20))
    first[0:1] = b"A"
    (large,) = other.feed(framed(b"c" * 500))
    one.feed(framed(b"z" * 60, b"z" * 60))
    other.feed(framed(b"z" * 60))
    assert bytes(first) == b"A" + b"a" * 19
    assert bytes(second) == b"b" * 20
    assert bytes(large) == b"c" * 500
    assert not large.readonly


def test_a_big_frame_is_received_into_its_own_memory() -> None:
    buffer = FrameBuffer()
    size = 3 * STAGING_BYTES
    buffer.feed(framed(b"x" * size))
    buffer.feed(size.to_bytes(4, "big") + b"x" * 10)
    # What this connection has sent before it is given at once.
    assert len(buffer.get_buffer()) == size - 10
    assert not buffer.is_idle


@pytest.mark.parametrize("came", [0, 1, FIRST_BYTES, 100_000, 3_000_000])
def test_memory_follows_what_came_and_not_what_was_announced(came: int) -> None:
    buffer = FrameBuffer(staging=bytearray(STAGING_BYTES))
    tracemalloc.start()
    try:
        assert buffer.feed((100_000_000).to_bytes(4, "big") + bytes(came)) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held <= max(FIRST_BYTES, GROWTH * came) + 10_000
    assert buffer.held <= max(FIRST_BYTES, GROWTH * came)
    assert buffer.filled == came
    assert buffer.is_unfinished


def test_a_frame_that_outgrows_its_memory_is_whole_in_the_end() -> None:
    buffer = FrameBuffer()
    content = bytes(range(256)) * 40_000
    buffer.feed(len(content).to_bytes(4, "big"))
    (frame,) = buffer.feed(content)
    assert frame == content
    assert buffer.is_idle
    assert buffer.held == 0


def test_frames_can_be_cut_later_while_others_use_staging() -> None:
    staging = bytearray(64)
    one, other = FrameBuffer(1000, staging), FrameBuffer(1000, staging)
    stream = framed(b"first", b"second", b"third")[:-2]
    one.get_buffer()[: len(stream)] = stream
    one.received(len(stream))
    assert one.next_frame() == b"first"
    one.set_aside()
    other.feed(framed(b"z" * 50))
    assert one.has_more
    assert one.held == len(stream) - 9
    assert one.next_frame() == b"second"
    assert one.next_frame() is None
    assert one.is_unfinished
    assert one.feed(b"rd") == [b"third"]


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=200), max_size=8),
    st.lists(st.tuples(st.integers(1, 90), st.integers(0, 2)), min_size=1, max_size=30),
)
def test_frames_are_whole_however_late_they_are_taken(
    frames: list[bytes], turns: list[tuple[int, int]]
) -> None:
    """What is not taken yet does not keep more from coming. One that is kept is taken in either
    way."""
    stream = framed(*frames)
    buffer = FrameBuffer(1000, bytearray(64))
    out: list[memoryview] = []
    position = turn = 0
    while position < len(stream) or buffer.has_more:
        cut, taken = turns[turn % len(turns)]
        turn += 1
        if position < len(stream):
            target = buffer.get_buffer()
            count = min(len(target), cut, len(stream) - position)
            target[:count] = stream[position : position + count]
            position += count
            if turn % 2 or not buffer.keep_frame(count):
                buffer.received(count)
        else:
            taken = 1
        for _ in range(taken):
            frame = buffer.kept_frame() if turn % 3 else None
            if frame is None:
                frame = buffer.next_frame()
            if frame is not None:
                out.append(frame)
        buffer.set_aside()
    assert [bytes(frame) for frame in out] == frames
    assert buffer.is_idle


def test_a_kept_frame_has_memory_of_its_own() -> None:
    staging = bytearray(64)
    one, other = FrameBuffer(1000, staging), FrameBuffer(1000, staging)

    def keep(stream: bytes) -> bool:
        one.get_buffer()[: len(stream)] = stream
        return one.keep_frame(len(stream))

    assert not keep(framed(b"cut")[:-1])
    assert not keep(framed(b"one", b"two"))
    assert not keep(b"\0\0\xff\xff")
    assert keep(framed(b"kept"))
    assert one.has_more
    assert not one.is_unfinished
    assert one.held == 8
    other.feed(framed(b"z" * 50))
    frame = one.kept_frame()
    assert frame == b"kept"
    assert frame is not None
    assert not frame.readonly
    assert one.is_idle
    assert one.kept_frame() is None


@pytest.mark.parametrize("size", [2**31 - 1, 101, -1, -(2**31)])
def test_a_length_out_of_bounds_is_refused_before_memory_is_taken(size: int) -> None:
    buffer = FrameBuffer(100)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match="at most 100"):
            buffer.feed(size.to_bytes(4, "big", signed=True))
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=100), max_size=10))
def test_any_bytes_are_frames_or_an_invalid_request(chunks: list[bytes]) -> None:
    buffer = FrameBuffer(200, bytearray(64))
    try:
        for chunk in chunks:
            assert all(len(frame) <= 200 for frame in buffer.feed(chunk))
    except InvalidRequest:
        pass
