"""AlterPartitionManager: asks the controller to change ISRs, one request in flight.

Reference 4.6. A partition has at most one proposal here. A top-level error or a lost connection
keeps all of them for another try after 50 ms; an answer per partition removes its proposal before
the partition hears it, so that it may propose again at once. KIP-903: version 3 carries the broker
epoch with which each member last fetched, which the controller holds against its registration.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.inter_broker import CURRENT
from barnabas.protocol.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse
from barnabas.replication.isr import AlterPartitionAnswer, IsrProposal
from barnabas.types import UNKNOWN_BROKER_EPOCH, TopicPartition

RETRY_MS = 50
TOPIC_IDS_FROM = 2

log = logging.getLogger(__name__)

Send = Callable[[int, int, AlterPartitionRequest], Awaitable[AlterPartitionResponse]]


class AlterPartitionManager:
    """Pending ISR proposals of one broker. ``run()`` sends them until it is cancelled."""

    def __init__(
        self,
        *,
        broker_id: int,
        broker_epoch: Callable[[], int | None],
        topic_id: Callable[[str], uuid.UUID | None],
        send: Send,
        version: int = CURRENT.alter_partition,
    ) -> None:
        self._version = version
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._topic_id = topic_id
        self._send = send
        self._pending: dict[TopicPartition, IsrProposal] = {}
        self._wanted = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pending)

    def submit(self, proposal: IsrProposal) -> bool:
        """Take a proposal; False if this partition has one already. A proposal for a deleted topic
        of the same name does not count, not even one with the same epochs."""
        known = self._pending.get(proposal.partition)
        if known is not None and known.topic_id == proposal.topic_id:
            return False
        self._pending[proposal.partition] = proposal
        self._wanted.set()
        return True

    async def run(self) -> None:
        """Send what is pending, one request after the other."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._pending:
                if not await self._round():
                    await asyncio.sleep(RETRY_MS / 1000)

    async def _round(self) -> bool:
        """One request with everything pending; False if it must be tried again later."""
        epoch = self._broker_epoch()
        batch = self._batch()
        if epoch is None or not batch:
            return False
        request = self._request(batch, epoch)
        try:
            answer = await self._send(ApiKey.ALTER_PARTITION, self._version, request)
        except (OSError, TimeoutError) as error:
            log.info("AlterPartition: %s", error or type(error).__name__)
            return False
        if answer.error_code != ErrorCode.NONE:
            log.info("AlterPartition: %s", ErrorCode(answer.error_code).name)
            return False
        return self._deliver(batch, answer)

    def _batch(self) -> dict[tuple[uuid.UUID, int], IsrProposal]:
        """Partitions that the request can name: topics without an id not yet."""
        batch = {}
        for partition, proposal in self._pending.items():
            topic_id = proposal.topic_id or self._topic_id(partition.topic)
            if topic_id is not None:
                batch[topic_id, partition.partition] = proposal
        return batch

    def _request(
        self, batch: dict[tuple[uuid.UUID, int], IsrProposal], epoch: int
    ) -> AlterPartitionRequest:
        """Fields that the version does not have are not sent."""
        topics: dict[tuple[uuid.UUID, str], list[AlterPartitionRequest.PartitionData]] = {}
        for (topic_id, index), proposal in batch.items():
            topics.setdefault((topic_id, proposal.partition.topic), []).append(
                AlterPartitionRequest.PartitionData(
                    partition_index=index,
                    leader_epoch=proposal.leader_epoch,
                    new_isr=tuple(member for member, _ in proposal.isr_with_epochs),
                    new_isr_with_epochs=[
                        AlterPartitionRequest.BrokerState(
                            broker_id=member, broker_epoch=member_epoch
                        )
                        for member, member_epoch in proposal.isr_with_epochs
                    ],
                    leader_recovery_state=0,
                    partition_epoch=proposal.partition_epoch,
                )
            )
        return AlterPartitionRequest(
            broker_id=self._broker_id,
            broker_epoch=UNKNOWN_BROKER_EPOCH if epoch is None else epoch,
            topics=[
                AlterPartitionRequest.TopicData(
                    topic_id=topic_id, topic_name=name, partitions=partitions
                )
                for (topic_id, name), partitions in topics.items()
            ],
        )

    def _deliver(
        self, batch: dict[tuple[uuid.UUID, int], IsrProposal], answer: AlterPartitionResponse
    ) -> bool:
        """Give each partition its answer, and end the round. A partition without an answer gets an
        error that says that the outcome is unknown."""
        by_name = self._version < TOPIC_IDS_FROM
        ids = {p.partition.topic: topic_id for (topic_id, _), p in batch.items()}
        answers = {
            (
                ids.get(topic.topic_name) if by_name else topic.topic_id,
                partition.partition_index,
            ): partition
            for topic in answer.topics
            for partition in topic.partitions
        }
        retry = False
        for key, proposal in batch.items():
            if self._pending.get(proposal.partition) is proposal:
                del self._pending[proposal.partition]
            partition = answers.get(key)
            if partition is None:
                result = AlterPartitionAnswer(error=ErrorCode.UNKNOWN_SERVER_ERROR)
            else:
                result = AlterPartitionAnswer(
                    error=ErrorCode(partition.error_code),
                    leader_epoch=partition.leader_epoch,
                    partition_epoch=partition.partition_epoch,
                    isr=tuple(partition.isr),
                )
            proposal.answered(result)
            # A proposal that is back at once was not refused for good: give the controller time.
            retry = retry or self._pending.get(proposal.partition) is proposal
        return not retry
