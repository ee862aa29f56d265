"""What a log answers to some 260 batches, most of them wrong, beside what Kafka 3.9.1 answered.

Recorded over the wire from one broker in ZooKeeper mode: the batch as it was sent, the topic's
settings, the error, the records named in it, and the header as a consumer then found it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.defaults import log_config
from tests.places import GOLDEN
from tests.storage.support import create, environment, memory_files

from barnabas.errors import KafkaError
from barnabas.records.batch import iterate_records, parse_header
from barnabas.records.validate import MalformedProduce
from barnabas.storage.log import Log
from barnabas.storage.producers.verification import NOT_NEEDED

with gzip.open(GOLDEN / "produce-answers.json.gz", "rt") as _file:
    RECORDED: dict[str, Any] = json.load(_file)
CASES: list[dict[str, Any]] = RECORDED["cases"]
FIELDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "cleanup.policy": lambda value: {"cleanup_policy": (value,)},
    "message.timestamp.type": lambda value: {"message_timestamp_type": value},
    "compression.type": lambda value: {"compression_type": value},
    "message.timestamp.before.max.ms": lambda v: {"message_timestamp_before_max_ms": int(v)},
    "message.timestamp.after.max.ms": lambda v: {"message_timestamp_after_max_ms": int(v)},
    "max.message.bytes": lambda value: {"max_message_bytes": int(value)},
    "segment.bytes": lambda value: {"segment_bytes": int(value)},
}
UNKNOWN_SERVER_ERROR = -1
OUR_CODES = {
    # Stored by the original; there are readers that fail on it.
    "codec 1 bytes after stream": 87,
    "codec 3 bytes after stream": 87,
    **{f"codec {c} record length {wrong}": 87 for c in (1, 2, 3, 4) for wrong in ("wrong +1", "0")},
    # A code of which one learns more than of UNKNOWN_SERVER_ERROR.
    "codec 5": 76,
    "codec 6": 76,
    "codec 7": 76,
    # Judged by the records' own timestamps.
    "bounded LAT bit max old": 0,
    # Timestamps below -1 count as none, also where the batch is compressed anew.
    "gzip topic, negative ts": 0,
}
OUR_HEADERS = {
    "attribute delete horizon": "the bit is cleared",
    "attribute horizon, max wrong": "the bit is cleared",
    "LogAppendTime bit, max other": "the records' own timestamps count",
    "LAT bit, gzip topic": "the records' own timestamps count",
}


def append(case: dict[str, Any]) -> tuple[Log, KafkaError | None]:
    settings: dict[str, Any] = {}
    for name, value in RECORDED["topics"][case["topic"]].items():
        settings |= FIELDS[name](value)
    log = create(environment(memory_files()), log_config(**settings))
    try:
        log.append_as_leader(
            memoryview(bytearray(base64.b64decode(case["batch"]))),
            0,
            now_ms=RECORDED["now"],
            produce_version=case["version"],
            guard=NOT_NEEDED if case["transactional_id"] else None,
        )
    except KafkaError as error:
        return log, error
    return log, None


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_answer_is_the_originals(case: dict[str, Any]) -> None:
    log, error = append(case)
    expected = OUR_CODES.get(case["name"], case["code"])
    if error is not None:
        assert log.log_end_offset == 0
        assert int(error.code) == (87 if expected == UNKNOWN_SERVER_ERROR else expected)
        named = [index for index, _ in getattr(error, "record_errors", ())]
        assert named == case["record_errors"]
        if case["log_start_told"]:
            assert not isinstance(error, MalformedProduce)
        return
    assert expected == 0
    stored = b"".join(log.read(0, 1 << 20, up_to=log.log_end_offset, min_one=True).buffers)
    header = parse_header(stored)
    records = list(iterate_records(stored))
    assert [record.offset for record in records] == list(range(header.record_count))
    if case["topic"].startswith("append"):
        assert (header.attributes & 8, header.max_timestamp) == (8, RECORDED["now"])
    elif case["name"] not in OUR_HEADERS and case["stored"]:
        found = [header.attributes, header.base_timestamp, header.max_timestamp]
        assert [*found, header.record_count] == case["stored"]
    if case["topic"] == "plain":
        assert header.max_timestamp == max(-1, *(record.timestamp for record in records))
