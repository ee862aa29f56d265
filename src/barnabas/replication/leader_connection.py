"""RemoteLeaderEndPoint: a follower's Fetch v17 and ListOffsets v9 (reference 4.8, 4.10).

No ApiVersions first, as in the original: the inter-broker version is agreed by configuration.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.fetch import FetchPartition
from barnabas.protocol.fetch_client import decode_fetch_response, encode_fetch_request
from barnabas.protocol.header import parse_response_header
from barnabas.protocol.messages.list_offsets import ListOffsetsRequest
from barnabas.replication.fetch_session_client import SessionFetch, Wanted
from barnabas.replication.fetcher import ConnectLeader, FetchedData, FetchReply, LeaderConnection
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.truncation import EpochEnd
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.types import UNKNOWN_BROKER_EPOCH, ZERO_UUID, Endpoint, TopicPartition

FETCH_VERSION = 17
LIST_OFFSETS_VERSION = 9


class KafkaLeaderConnection:
    """A ``LeaderConnection`` over the wire."""

    def __init__(self, context: ReplicationContext, connection: KafkaConnection) -> None:
        self._context = context
        self._connection = connection

    def fetch(self, request: SessionFetch) -> asyncio.Future[FetchReply]:
        """Send a fetch; the future fails with ConnectionError when the connection is lost."""
        reply: asyncio.Future[FetchReply] = self._context.loop.create_future()

        def answered(future: asyncio.Future[memoryview]) -> None:
            if reply.done() or future.cancelled():
                return
            error = future.exception()
            if error is None:
                try:
                    reply.set_result(_reply(future.result()))
                    return
                except InvalidRequest as malformed:
                    self._connection.close()
                    error = ConnectionError(f"malformed answer: {malformed}")
            reply.set_exception(error)

        self._connection.send_frame(self._frame(request)).add_done_callback(answered)
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
            LIST_OFFSETS_VERSION,
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
        return encode_fetch_request(
            self._connection.next_correlation_id(),
            self._connection.client_id,
            _topics(request.named),
            replica_id=settings.broker_id,
            replica_epoch=UNKNOWN_BROKER_EPOCH if epoch is None else epoch,
            max_wait_ms=settings.replica_fetch_wait_max_ms,
            min_bytes=settings.replica_fetch_min_bytes,
            max_bytes=settings.replica_fetch_response_max_bytes,
            session_id=request.session_id,
            session_epoch=request.epoch,
            forgotten=_forgotten(request.forgotten),
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


def _reply(frame: memoryview) -> FetchReply:
    _, offset = parse_response_header(ApiKey.FETCH, FETCH_VERSION, frame)
    answer = decode_fetch_response(FETCH_VERSION, frame, offset)
    return FetchReply(
        ErrorCode(answer.error_code),
        answer.session_id,
        [
            FetchedData(
                topic_id or ZERO_UUID,
                data.partition,
                ErrorCode(data.error_code),
                data.high_watermark,
                data.log_start_offset,
                None if data.diverging_epoch is None else EpochEnd(*data.diverging_epoch),
                data.records,
            )
            for topic_id, partitions in answer.topics
            for data in partitions
        ],
    )
