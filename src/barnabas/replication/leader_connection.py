"""RemoteLeaderEndPoint: a follower's Fetch v12-17 and ListOffsets v6-9 (reference 4.8, 4.10).

No ApiVersions first, as in the original: the inter-broker version is agreed by configuration.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.pace import PromptFuture
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.fetch import FetchPartition
from barnabas.protocol.fetch_client import (
    TOPIC_IDS_FROM,
    Forgotten,
    Topics,
    decode_fetch_response,
    encode_fetch_request,
)
from barnabas.protocol.header import parse_response_header
from barnabas.protocol.messages.list_offsets import ListOffsetsRequest
from barnabas.replication.fetch_session_client import SessionFetch, Wanted
from barnabas.replication.fetcher import ConnectLeader, FetchedData, FetchReply, LeaderConnection
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import EpochEnd
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.types import UNKNOWN_BROKER_EPOCH, ZERO_UUID, Endpoint, TopicPartition


class KafkaLeaderConnection:
    """A ``LeaderConnection`` over the wire."""

    def __init__(self, context: ReplicationContext, connection: KafkaConnection) -> None:
        self._context = context
        self._connection = connection
        self._version = context.settings.versions.fetch
        self._names: dict[uuid.UUID, str] = {}
        """Topics, as they were named; only where the version has no ids."""
        self._ids: dict[str, uuid.UUID] = {}

    def fetch(self, request: SessionFetch) -> asyncio.Future[FetchReply]:
        """Send a fetch; the future is prompt, and fails with ConnectionError when the connection is
        lost."""
        loop = self._context.loop
        reply: PromptFuture[FetchReply] = PromptFuture(loop=loop)

        def answered(future: asyncio.Future[memoryview]) -> None:
            if reply.done() or future.cancelled():
                return
            error = future.exception()
            if error is None:
                try:
                    reply.set_result(self._reply(future.result()))
                    return
                except InvalidRequest as malformed:
                    self._connection.close()
                    error = ConnectionError(f"malformed answer: {malformed}")
            reply.set_exception(error)

        frame: PromptFuture[memoryview] = PromptFuture(loop=loop)
        frame.listener = answered
        self._connection.send_frame(self._frame(request), frame)
        return reply

    async def offset_for(self, partition: TopicPartition, leader_epoch: int, timestamp: int) -> int:
        """The leader's end (-1) or start (-2). Raises KafkaError, ConnectionError."""
        message = ListOffsetsRequest(
            replica_id=self._context.settings.broker_id,
            isolation_level=0,
            topics=[
                ListOffsetsRequest.Topic(
                    name=partition.topic,
                    partitions=[
                        ListOffsetsRequest.Partition(
                            partition_index=partition.partition,
                            current_leader_epoch=leader_epoch,
                            timestamp=timestamp,
                        )
                    ],
                )
            ],
        )
        answer = await self._connection.send(
            ApiKey.LIST_OFFSETS,
            self._context.settings.versions.list_offsets,
            message,
            timeout_ms=self._context.settings.replica_socket_timeout_ms,
        )
        result = answer.topics[0].partitions[0]
        if result.error_code != ErrorCode.NONE:
            raise KafkaError(ErrorCode(result.error_code))
        return int(result.offset)

    def close(self) -> None:
        """Close; pending requests fail."""
        self._connection.close()

    def _frame(self, request: SessionFetch) -> bytes:
        settings = self._context.settings
        epoch = self._context.broker_epoch()
        topics: Topics = _topics(request.named)
        forgotten: Forgotten = _forgotten(request.forgotten)
        if self._version < TOPIC_IDS_FROM:
            topics, forgotten = self._by_name(request, topics, forgotten)
        return encode_fetch_request(
            self._connection.next_correlation_id(),
            self._connection.client_id,
            topics,
            replica_id=settings.broker_id,
            replica_epoch=UNKNOWN_BROKER_EPOCH if epoch is None else epoch,
            max_wait_ms=settings.replica_fetch_wait_max_ms,
            min_bytes=settings.replica_fetch_min_bytes,
            max_bytes=settings.replica_fetch_response_max_bytes,
            session_id=request.session_id,
            session_epoch=request.epoch,
            forgotten=forgotten,
            version=self._version,
        )

    def _by_name(
        self, request: SessionFetch, topics: Topics, forgotten: Forgotten
    ) -> tuple[Topics, Forgotten]:
        """Names in the place of ids. A topic of the same name that came after another is not
        forgotten with it."""
        for name, wanted in request.named:
            self._names[wanted.topic_id] = name.topic
            self._ids[name.topic] = wanted.topic_id
        named = {(name.topic, name.partition) for name, _ in request.named}
        gone = [
            (text, [n for n in numbers if (text, n) not in named])
            for topic, numbers in forgotten
            if isinstance(topic, uuid.UUID) and (text := self._names.get(topic)) is not None
        ]
        return [(self._names[t], p) for t, p in topics if isinstance(t, uuid.UUID)], gone

    def _id(self, topic: uuid.UUID | str | None) -> uuid.UUID:
        if isinstance(topic, str):
            return self._ids.get(topic, ZERO_UUID)
        return topic or ZERO_UUID

    def _reply(self, frame: memoryview) -> FetchReply:
        _, offset = parse_response_header(ApiKey.FETCH, self._version, frame)
        answer = decode_fetch_response(self._version, frame, offset)
        return FetchReply(
            ErrorCode(answer.error_code),
            answer.session_id,
            [
                FetchedData(
                    self._id(topic),
                    data.partition,
                    ErrorCode(data.error_code),
                    data.high_watermark,
                    data.log_start_offset,
                    None if data.diverging_epoch is None else EpochEnd(*data.diverging_epoch),
                    data.records,
                )
                for topic, partitions in answer.topics
                for data in partitions
            ],
        )


def leader_connector(
    context_of: Callable[[], ReplicationContext], security: ClientSecurity = PLAINTEXT
) -> ConnectLeader:
    """Connects to leaders. ``context_of()`` gives the replication context, which is made later."""

    async def connect(endpoint: Endpoint) -> LeaderConnection:
        context = context_of()
        connection = await client.connect(
            endpoint.host,
            endpoint.port,
            client_id=f"broker-{context.settings.broker_id}-fetcher-0",
            timeout_ms=context.settings.replica_socket_timeout_ms,
            security=security,
        )
        return KafkaLeaderConnection(context, connection)

    return connect


def _topics(
    named: tuple[tuple[TopicPartition, Wanted], ...],
) -> list[tuple[uuid.UUID, list[FetchPartition]]]:
    """Neighbouring partitions of a topic share an entry."""
    topics: list[tuple[uuid.UUID, list[FetchPartition]]] = []
    for name, wanted in named:
        if not topics or wanted.topic_id != topics[-1][0]:
            topics.append((wanted.topic_id, []))
        topics[-1][1].append(
            FetchPartition(
                name.partition,
                wanted.current_leader_epoch,
                wanted.fetch_offset,
                wanted.last_fetched_epoch,
                wanted.log_start_offset,
                wanted.max_bytes,
            )
        )
    return topics


def _forgotten(
    forgotten: tuple[tuple[uuid.UUID, int], ...],
) -> list[tuple[uuid.UUID, list[int]]]:
    topics: dict[uuid.UUID, list[int]] = {}
    for topic_id, partition in forgotten:
        topics.setdefault(topic_id, []).append(partition)
    return list(topics.items())
