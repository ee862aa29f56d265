"""A producer for tools and tests. Each partition has one batch in flight, which is sent again until
its outcome is known.

With idempotence a batch has a sequence number, by which the broker recognises a batch that is sent
again after a lost answer. So every record is written once and in order (KIP-98).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient
from barnabas.client.errors import RETRIABLE, ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.init_producer_id import InitProducerIdRequest
from barnabas.protocol.messages.produce import ProduceRequest, ProduceResponse
from barnabas.records.batch import Record, build_batch
from barnabas.records.compression import Codec
from barnabas.types import NO_PRODUCER_ID, TopicPartition

PRODUCE_VERSION = 9
INIT_PRODUCER_ID_VERSION = 4
SEQUENCE_COUNT = 2**31


@dataclass(slots=True)
class _Sequence:
    """The next sequence number of one partition under a producer id, and the lock that keeps its
    batches in order."""

    producer_id: int
    producer_epoch: int
    next: int = 0
    outcome_unknown: bool = False
    """Whether the outcome of the last batch is unknown. If so, its sequence numbers must not be
    used for another batch."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Producer:
    """Sends batches; ``await start()`` first when idempotent."""

    def __init__(
        self,
        client: ClusterClient,
        *,
        acks: int = -1,
        idempotent: bool = True,
        codec: Codec = Codec.NONE,
        delivery_timeout_ms: int = 120_000,
        request_timeout_ms: int = 30_000,
    ) -> None:
        self._client = client
        self._acks = acks
        self._idempotent = idempotent
        self._codec = codec
        self._delivery_timeout_s = delivery_timeout_ms / 1000
        self._request_timeout_ms = request_timeout_ms
        self._producer_id = NO_PRODUCER_ID
        self._producer_epoch = -1
        self._sequences: dict[TopicPartition, _Sequence] = {}
        self._transactional_id: str | None = None

    async def start(self) -> None:
        """Get a producer id. Raises ClientError, Unreachable."""
        if self._idempotent:
            self._producer_id, self._producer_epoch = await self._new_producer_id()

    async def _new_producer_id(self) -> tuple[int, int]:
        request = InitProducerIdRequest(
            transactional_id=None,
            transaction_timeout=-1,
            producer_id=NO_PRODUCER_ID,
            producer_epoch=-1,
        )
        deadline = asyncio.get_running_loop().time() + self._delivery_timeout_s
        while True:
            answer = await self._client.any_broker(
                ApiKey.INIT_PRODUCER_ID, INIT_PRODUCER_ID_VERSION, request
            )
            code = int(answer.error_code)
            if code == ErrorCode.NONE:
                return int(answer.producer_id), int(answer.producer_epoch)
            if code not in RETRIABLE or asyncio.get_running_loop().time() > deadline:
                raise ClientError("producer id", code)
            await asyncio.sleep(RETRY_PAUSE_S)

    async def send(self, tp: TopicPartition, records: Sequence[Record]) -> int:
        """Append ``records`` as one batch. Returns the offset of the first record (-1 with acks=0).

        Raises ClientError for an error that stays, and Unreachable if the outcome is unknown after
        the delivery timeout. After either error the partition gets a new producer id: otherwise the
        broker could mistake another batch with the same sequence numbers for this one."""
        sequence = self._sequences.setdefault(
            tp, _Sequence(self._producer_id, self._producer_epoch)
        )
        async with sequence.lock:
            if sequence.outcome_unknown:
                identity = await self._new_producer_id()
                sequence.producer_id, sequence.producer_epoch = identity
                sequence.next, sequence.outcome_unknown = 0, False
            batch = build_batch(
                records,
                codec=self._codec,
                producer_id=sequence.producer_id,
                producer_epoch=sequence.producer_epoch,
                base_sequence=sequence.next if self._idempotent else -1,
                transactional=self._transactional_id is not None,
            )
            sequence.outcome_unknown = self._idempotent  # also if this is cancelled
            offset = await self._deliver(tp, batch)
            sequence.next = (sequence.next + len(records)) % SEQUENCE_COUNT
            sequence.outcome_unknown = False
            return offset

    async def _deliver(self, tp: TopicPartition, batch: bytearray) -> int:
        deadline = asyncio.get_running_loop().time() + self._delivery_timeout_s
        request = ProduceRequest(
            transactional_id=self._transactional_id,
            acks=self._acks,
            timeout=self._request_timeout_ms,
            topic_data=[
                ProduceRequest.TopicProduceData(
                    name=tp.topic,
                    partition_data=[
                        ProduceRequest.PartitionProduceData(
                            index=tp.partition, records=bytes(batch)
                        )
                    ],
                )
            ],
        )
        while True:
            outcome = await self._attempt(tp, request)
            if not isinstance(outcome, int):
                code = int(outcome.error_code)
                if code in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
                    return int(outcome.base_offset)
                if code not in RETRIABLE:
                    raise ClientError(str(tp), code, outcome.error_message)
            elif outcome == ErrorCode.NONE:
                return -1
            if asyncio.get_running_loop().time() > deadline:
                raise Unreachable(f"{tp}: not acknowledged in time")
            await asyncio.sleep(RETRY_PAUSE_S)
            await self._client.metadata([tp.topic])

    async def _attempt(
        self, tp: TopicPartition, request: ProduceRequest
    ) -> ProduceResponse.PartitionProduceResponse | int:
        """The partition's result, or an error code when there is none."""
        leader = self._client.view.leader(tp.topic, tp.partition)
        if leader is None:
            return int(ErrorCode.LEADER_NOT_AVAILABLE)
        try:
            if self._acks == 0:
                await self._client.post(leader, ApiKey.PRODUCE, PRODUCE_VERSION, request)
                return int(ErrorCode.NONE)
            response = await self._client.broker(leader, ApiKey.PRODUCE, PRODUCE_VERSION, request)
        except OSError:
            return int(ErrorCode.NETWORK_EXCEPTION)
        return response.responses[0].partition_responses[0]
