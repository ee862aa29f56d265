"""A client that speaks in bytes: for what no decent client would send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import decode_response, encode_request
from barnabas.protocol.header import parse_response_header
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch

PRODUCE_VERSION = 9


class RawConnection:
    """One TCP connection; a context manager. Everything blocks for ``timeout_s`` at most."""

    def __init__(self, port: int, timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_frame(self, payload: bytes) -> None:
        self.send(struct.pack(">i", len(payload)) + payload)

    def receive_frame(self) -> bytes | None:
        """The next frame without its size; None if the broker closed the connection."""
        start = self._receive(4)
        return None if start is None else self._receive(int.from_bytes(start, "big"))

    def _receive(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def is_closed(self) -> bool:
        """Whether the broker closes it without an answer; TimeoutError if it does neither."""
        return self.receive_frame() is None

    def ask(self, api: int, version: int, message: Message) -> Any:
        """Send one request; its decoded response. ConnectionError if the broker closes."""
        self.send(encode_request(api, version, 7, "raw", message))
        return self.answer(api, version)

    def answer(self, api: int, version: int) -> Any:
        """The decoded response that comes next."""
        frame = self.receive_frame()
        if frame is None:
            raise ConnectionError("closed by the broker")
        correlation_id, body = parse_response_header(api, version, frame)
        assert correlation_id == 7
        return decode_response(api, version, frame, body)

    def produce(self, topic: str, partition: int, records: bytes, **options: int) -> Any:
        """The result of one partition."""
        self.send(produce_request(topic, partition, records, **options))
        return self.produced()

    def produced(self) -> Any:
        """The partition's result in the answer that comes next."""
        return self.answer(ApiKey.PRODUCE, PRODUCE_VERSION).responses[0].partition_responses[0]


def values(*texts: bytes, **fields: Any) -> bytes:
    """One batch of records without keys."""
    records = [Record(offset=0, timestamp=1, key=None, value=t, headers=()) for t in texts]
    return bytes(build_batch(records, **fields))


def produce_request(
    topic: str, partition: int, records: bytes, *, acks: int = -1, timeout_ms: int = 2000
) -> bytes:
    """A whole frame."""
    message = Message(
        transactional_id=None,
        acks=acks,
        timeout=timeout_ms,
        topic_data=[
            Message(name=topic, partition_data=[Message(index=partition, records=records)])
        ],
    )
    return encode_request(ApiKey.PRODUCE, PRODUCE_VERSION, 7, "raw", message)


def topics_named(names: Sequence[str]) -> Message:
    """A Metadata request of version 4 to 9."""
    return Message(topics=[Message(name=n) for n in names], allow_auto_topic_creation=False)
