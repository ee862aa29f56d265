"""The codec against every recorded frame and against hostile ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import places

from barnabas.errors import InvalidRequest
from barnabas.zookeeper import jute, messages

GOLDEN = places.GOLDEN / "zookeeper-wire.jsonl.gz"


def recorded() -> Iterator[dict[str, Any]]:
    with gzip.open(GOLDEN, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def _again(entry: dict[str, Any], frame: bytes) -> bytes:
    """Decode and encode one recorded frame."""
    op = entry["op"]
    request = entry["dir"] == "request"
    if op == "connect":
        if request:
            return jute.encode_connect_request(jute.decode_connect_request(frame))
        return jute.encode_connect_response(jute.decode_connect_response(frame))
    if request:
        return jute.encode_request(*jute.decode_request(frame))
    header = jute.decode_reply_header(frame)
    if op == "event":
        return jute.encode_event(jute.decode_event(frame), header.zxid)
    if header.err:
        return jute.encode_error_reply(*header)
    return jute.encode_reply(header.xid, header.zxid, op, jute.decode_reply(op, frame))


def test_every_recorded_frame_decodes_to_its_last_byte_and_encodes_back() -> None:
    count = 0
    for entry in recorded():
        frame = bytes.fromhex(entry["hex"])
        assert _again(entry, frame) == len(frame).to_bytes(4, "big") + frame, entry
        count += 1
    assert count == 2014


ACLS = (messages.Acl(31, "world", "anyone"), messages.Acl(1, "digest", "bob:x="))
STAT = messages.Stat(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)


@pytest.mark.parametrize(
    ("op", "record"),
    [
        (1, messages.CreateRequest("/a", None, ACLS, 3)),
        (15, messages.CreateRequest("/a", b"", ACLS, 0)),
        (19, messages.CreateRequest("/a", b"x", ACLS, 4)),
        (21, messages.CreateTTLRequest("/a", b"x", ACLS, 5, 1000)),
        (2, messages.DeleteRequest("/a", 3)),
        (3, messages.ReadRequest("/a", True)),
        (5, messages.SetDataRequest("/ä", b"x", -1)),
        (6, messages.PathRequest("/a")),
        (7, messages.SetAclRequest("/a", ACLS, 2)),
        (11, messages.EMPTY),
        (13, messages.CheckVersionRequest("/a", 2)),
        (14, messages.MultiRequest(((13, messages.CheckVersionRequest("/a", 2)),))),
        (16, messages.ReconfigRequest(None, "2", None, -1)),
        (18, messages.WatchesRequest("/a", 3)),
        (22, messages.MultiRequest(((4, messages.ReadRequest("/a", False)),))),
        (100, messages.AuthRequest(0, "digest", b"a:b")),
        (101, messages.SetWatchesRequest(7, ("/a",), (), ("/b", "/c"))),
        (105, messages.SetWatches2Request(7, ("/a",), (), (), ("/d",), ("/e",))),
        (106, messages.AddWatchRequest("/a", 1)),
        (-11, messages.EMPTY),
    ],
)
def test_requests_survive_the_round_trip(op: int, record: object) -> None:
    frame = jute.encode_request(5, op, record)
    assert jute.decode_request(frame[4:]) == (5, op, record)


@pytest.mark.parametrize(
    ("op", "record"),
    [
        (1, messages.PathResponse("/a")),
        (15, messages.Create2Response("/a", STAT)),
        (4, messages.GetDataResponse(None, STAT)),
        (6, messages.GetAclResponse(ACLS, STAT)),
        (8, messages.ChildrenResponse(("a", "b"))),
        (12, messages.Children2Response(("a",), STAT)),
        (104, messages.NumberResponse(3)),
        (106, messages.ErrorResponse(0)),
        (107, messages.WhoAmIResponse((messages.ClientInfo("ip", "127.0.0.1"),))),
        (
            14,
            messages.MultiResponse(
                (
                    messages.MultiResult(1, messages.PathResponse("/a")),
                    messages.MultiResult(2, messages.EMPTY),
                    messages.MultiResult(5, messages.StatResponse(STAT)),
                )
            ),
        ),
        (14, messages.MultiResponse((messages.MultiResult(-1, messages.ErrorResponse(-101)),))),
    ],
)
def test_replies_survive_the_round_trip(op: int, record: object) -> None:
    frame = jute.encode_reply(5, 9, op, record)
    assert jute.decode_reply_header(frame[4:]) == (5, 9, 0)
    assert jute.decode_reply(op, frame[4:]) == record


def test_an_unknown_operation_has_no_record() -> None:
    assert jute.decode_request(bytes.fromhex("000000010000ffff0102")) == (1, 65535, None)


def test_a_session_of_an_old_client_has_no_read_only_byte() -> None:
    request = messages.ConnectRequest(0, 0, 10_000, 0, bytes(16), None)
    assert jute.decode_connect_request(jute.encode_connect_request(request)[4:]) == request


@given(st.binary(max_size=80))
def test_garbage_is_refused_not_crashed_on(garbage: bytes) -> None:
    for decode in (jute.decode_connect_request, jute.decode_request, jute.decode_event):
        try:
            decode(garbage)
        except InvalidRequest:
            pass


@given(st.sampled_from(sorted(jute._REQUESTS)), st.binary(max_size=80))
def test_a_garbled_record_is_refused_not_crashed_on(op: int, garbage: bytes) -> None:
    frame = b"\0\0\0\1" + op.to_bytes(4, "big", signed=True) + garbage
    try:
        jute.decode_request(frame)
    except InvalidRequest:
        pass


def test_a_count_is_not_believed_before_its_elements_could_have_arrived() -> None:
    frame = jute.encode_request(1, 101, messages.SetWatchesRequest(7, ("/a",), (), ()))
    hostile = bytearray(frame[4:])
    hostile[16:20] = (2**30).to_bytes(4, "big")
    with pytest.raises(InvalidRequest):
        jute.decode_request(hostile)


def test_frames_are_cut_wherever_the_network_cut_them() -> None:
    frames = [b"", b"a", bytes(70_000), b"end"]
    stream = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    for step in (1, 3, 1000, len(stream)):
        splitter = jute.FrameSplitter()
        got: list[bytes] = []
        for at in range(0, len(stream), step):
            got += splitter.feed(stream[at : at + step])
        assert got == frames


@pytest.mark.parametrize("size", [-1, 2**31 - 1, 4 * 1024 * 1024 + 1])
def test_a_frame_too_long_is_refused_at_its_length(size: int) -> None:
    with pytest.raises(InvalidRequest):
        list(jute.FrameSplitter().feed(size.to_bytes(4, "big", signed=True)))
