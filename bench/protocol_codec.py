"""Encoding and decoding against kio, on frames recorded from the original.

    .venv/bin/python bench/protocol_codec.py

CPU time per frame, best of five. "kio" writes with its Python writer and reads with its native
reader; "ours" are the generated codecs; "by hand" are produce.py, fetch.py and fetch_client.py.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from barnabas.protocol import codec, produce
from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey
from barnabas.protocol.fetch import (
    FetchPartitionData,
    FetchTopicData,
    encode_fetch_response,
    parse_fetch_request,
)
from barnabas.protocol.fetch_client import decode_fetch_response
from barnabas.protocol.header import parse_request_header, parse_response_header

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "kafka-wire.jsonl.gz"


def microseconds(work: Callable[[], Any], turns: int = 2000) -> float:
    """Best CPU time of one call, in microseconds."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(turns):
            work()
        best = min(best, time.process_time() - start)
    return best / turns * 1e6


def largest_frames() -> dict[tuple[int, int, bool], bytes]:
    """(API, version, is a request): the longest recorded frame."""
    found: dict[tuple[int, int, bool], bytes] = {}
    with gzip.open(GOLDEN, "rt") as lines:
        for row in map(json.loads, lines):
            key = (row["api"], row["version"], row["dir"] == "request")
            frame = bytes.fromhex(row["hex"])
            if len(frame) > len(found.get(key, b"")):
                found[key] = frame
    return found


def compare(api: int, version: int, is_request: bool, frame: bytes) -> None:
    """One line of the table."""
    if is_request:
        _, offset = parse_request_header(frame)
    else:
        _, offset = parse_response_header(api, version, frame)
    body = frame[offset:]
    decode = codec.decode_request if is_request else codec.decode_response
    message = decode(api, version, body)
    ours_out = microseconds(
        lambda: codec.encode_body(api, version, message, response=not is_request)
    )
    ours_in = microseconds(lambda: decode(api, version, body))
    kio_out = kio_in = float("nan")
    if api not in CONTROLLER_APIS:
        load = load_request_schema if is_request else load_response_schema
        entity_type = load(api, version)
        read, write = entity_reader(entity_type), entity_writer(entity_type)
        entity = read(body, 0)[0]
        kio_out = microseconds(lambda: write(io.BytesIO(), entity))
        kio_in = microseconds(lambda: read(body, 0))
    title = f"{API_TABLE[api].name} v{version} {'request' if is_request else 'response'}"
    row(title, len(body), kio_out, ours_out, kio_in, ours_in)


def row(title: str, size: int, *values: float) -> None:
    kio_out, ours_out, kio_in, ours_in = values
    ratio = kio_out / ours_out
    print(
        f"{title:32}{size:8}{kio_out:10.1f}{ours_out:8.1f}{ratio:7.1f}{kio_in:10.1f}{ours_in:8.1f}"
    )


def by_hand(frames: dict[tuple[int, int, bool], bytes]) -> None:
    """The hot paths."""
    frame = memoryview(bytearray(frames[ApiKey.PRODUCE, 10, True]))
    offset = parse_request_header(frame)[1]
    results = [("topic", [produce.PartitionProduceResult(0, 0, 5, -1, 0)])]
    view = memoryview(bytearray(frames[ApiKey.FETCH, 17, False]))
    answer = decode_fetch_response(17, view, 5)
    topics = [
        FetchTopicData(
            "",
            topic_id,
            [FetchPartitionData(*part[:5], records=[part.records]) for part in partitions],
        )
        for topic_id, partitions in answer.topics
    ]
    fetch = memoryview(frames[ApiKey.FETCH, 17, True])
    fetch_offset = parse_request_header(fetch)[1]
    count = sum(len(topic.partitions) for topic in topics)
    asked = sum(
        len(topic.partitions) for topic in parse_fetch_request(17, fetch, fetch_offset).topics
    )
    for title, work in (
        ("request header", lambda: parse_request_header(frame)),
        ("Produce v10 request", lambda: produce.parse_produce(10, frame, offset)),
        ("Produce v10 response", lambda: produce.encode_produce_response(10, 1, results)),
        (
            f"Fetch v17 request ({asked} partitions)",
            lambda: parse_fetch_request(17, fetch, fetch_offset),
        ),
        (
            f"Fetch v17 response ({count} partitions)",
            lambda: encode_fetch_response(17, 1, topics, session_id=1),
        ),
        (
            f"Fetch v17 response in ({count} partitions)",
            lambda: decode_fetch_response(17, view, 5),
        ),
    ):
        print(f"{title:40}{microseconds(work):8.2f}")


def main() -> None:
    frames = largest_frames()
    print(
        f"{'us a frame':32}{'bytes':>8}{'kio out':>10}{'ours':>8}{'x':>7}{'kio in':>10}{'ours':>8}"
    )
    for api, version, is_request in sorted(frames):
        if len(sys.argv) < 2 or API_TABLE[api].name in sys.argv[1:]:
            compare(api, version, is_request, frames[api, version, is_request])
    print("\nby hand, us")
    by_hand(frames)


if __name__ == "__main__":
    main()
