from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey
from barnabas.protocol.header import (
    RequestHeader,
    correlation_id_of,
    parse_request_header,
    parse_response_header,
    request_start,
    response_start,
)


@pytest.mark.parametrize("client_id", [None, "", "rdkafka", "ü" * 300])
@pytest.mark.parametrize(("key", "version"), [(3, 8), (3, 9), (18, 0), (18, 4), (7, 1), (7, 3)])
def test_request_headers_round_trip(key: int, version: int, client_id: str | None) -> None:
    start = request_start(key, version, 9, client_id, 3)
    assert int.from_bytes(start[:4], "big") == len(start) - 4 + 3
    header, offset = parse_request_header(start + b"abc", 4)
    assert header == RequestHeader(key, version, 9, client_id)
    assert offset == len(start)


def test_controlled_shutdown_v0_has_no_client_id() -> None:
    start = request_start(7, 0, 5, "ignored", 4)
    assert start == b"\0\0\0\x0c\0\7\0\0\0\0\0\5"
    frame = memoryview(start + b"\0\0\0\1")[4:]
    assert parse_request_header(frame) == (RequestHeader(7, 0, 5, None), 8)


def test_unknown_keys_and_versions_have_a_header_too() -> None:
    frame = b"\x7f\xff\0\1\0\0\0\2\0\1a"
    assert parse_request_header(frame) == (RequestHeader(0x7FFF, 1, 2, "a"), 11)
    frame = b"\0\x12\x7f\xff\0\0\0\2\0\1a\0rest"
    assert parse_request_header(frame) == (RequestHeader(18, 0x7FFF, 2, "a"), 12)


def test_tags_of_a_header_are_stepped_over() -> None:
    frame = b"\0\3\0\x0c\0\0\0\2\xff\xff\1\5\3abcX"
    assert parse_request_header(frame)[1] == len(frame) - 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\3\0\x0c\0\0\0",
        b"\0\3\0\x0c\0\0\0\1\0\5abc",
        b"\0\3\0\x0c\0\0\0\1\xff\xfe",
        b"\0\3\0\x0c\0\0\0\1\0\1\xff\0",
        b"\0\3\0\x0c\0\0\0\1\0\1a",
        b"\0\3\0\x0c\0\0\0\1\0\1a\1\0\x20",
        b"\0\7\0\0\0\0",
    ],
)
def test_bad_request_headers(frame: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_request_header(frame)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_header_or_an_invalid_request(frame: bytes) -> None:
    try:
        _, offset = parse_request_header(frame)
        assert offset <= len(frame)
    except InvalidRequest:
        pass


def test_response_headers() -> None:
    for key, version, size in ((ApiKey.METADATA, 12, 5), (ApiKey.METADATA, 8, 4), (18, 3, 4)):
        start = response_start(key, version, 6, 2)
        assert int.from_bytes(start[:4], "big") == size + 2
        assert parse_response_header(key, version, start + b"ab", 4) == (6, 4 + size)
        assert correlation_id_of(start[4:]) == 6
    for bad in (b"", b"\0\0\0", b"\0\0\0\0", b"\0\0\0\0\1\0\x20"):
        with pytest.raises(InvalidRequest):
            parse_response_header(ApiKey.METADATA, 12, bad)
    with pytest.raises(InvalidRequest):
        correlation_id_of(b"abc")
