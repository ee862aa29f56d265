"""Transactions: a producer with one request a line, and what readers see."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api import kit
from tests.api.kit import NOW_MS, Client

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch

SETTINGS = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "20000",
    "transactional.id.expiration.ms": "10000",
}
TXN = "x"


class Txn:
    """One producer, one request a line."""

    def __init__(self, client: Client, name: str = TXN) -> None:
        self.client = client
        self.name = name
        self.producer_id = -1
        self.epoch = -1
        self.sequence = 0

    async def init(self, version: int = 5, **fields: Any) -> ErrorCode:
        message = Message(
            **{
                "transactional_id": self.name,
                "transaction_timeout": 60_000,
                "producer_id": -1,
                "producer_epoch": -1,
                **fields,
            }
        )
        answer = await self.client.ask(ApiKey.INIT_PRODUCER_ID, version, message)
        if not answer.error_code:
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
            self.sequence = 0
        return ErrorCode(answer.error_code)

    def _me(self) -> dict[str, Any]:
        return {
            "transactional_id": self.name,
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
        }

    async def add(self, *partitions: tuple[str, int], version: int = 3) -> list[ErrorCode]:
        topics = [Message(name=name, partitions=[number]) for name, number in partitions]
        message = Message(
            **{f"v3_and_below_{key}": value for key, value in self._me().items()},
            v3_and_below_topics=topics,
            transactions=[Message(**self._me(), verify_only=False, topics=topics)],
        )
        answer = await self.client.ask(ApiKey.ADD_PARTITIONS_TO_TXN, version, message)
        if version >= 4:
            assert answer.error_code == 0
            found = answer.results_by_transaction[0].topic_results
        else:
            found = answer.results_by_topic_v3_and_below
        return [ErrorCode(p.partition_error_code) for t in found for p in t.results_by_partition]

    async def produce(
        self,
        topic: str,
        version: int = 10,
        *,
        named: bool = True,
        count: int = 1,
        broker: int = 1,
        partitions: int = 1,
        **fields: Any,
    ) -> Any:
        """The result for partition 0; the same batch goes to so many partitions."""
        values = {
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
            "base_sequence": self.sequence,
            "transactional": True,
            **fields,
        }
        records = [Record(timestamp=NOW_MS, value=b"v")] * count
        batch = bytes(build_batch(records, **values))
        parts = [Message(index=number, records=batch) for number in range(partitions)]
        message = Message(
            transactional_id=self.name if named else None,
            acks=-1,
            timeout=10_000,
            topic_data=[Message(name=topic, partition_data=parts)],
        )
        answer = await self.client.ask(ApiKey.PRODUCE, version, message, broker=broker)
        result = answer.responses[0].partition_responses[0]
        if not result.error_code:
            self.sequence += count
        return result

    async def end(self, commit: bool, version: int = 4) -> ErrorCode:
        message = Message(**self._me(), committed=commit)
        return ErrorCode((await self.client.ask(ApiKey.END_TXN, version, message)).error_code)

    async def in_state(self, state: str) -> None:
        """Until the markers are written."""
        while (await self.describe()).transaction_state != state:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def describe(self) -> Any:
        message = Message(transactional_ids=[self.name])
        answer = await self.client.ask(ApiKey.DESCRIBE_TRANSACTIONS, 0, message)
        return answer.transaction_states[0]


async def find(client: Client, key: str = TXN) -> Any:
    message = Message(key_type=1, coordinator_keys=[key], key=key)
    return (await client.ask(ApiKey.FIND_COORDINATOR, 4, message)).coordinators[0]


async def begun(client: Client, name: str = TXN) -> Txn:
    """A producer with its identity."""
    assert (await find(client, name)).error_code == 0
    txn = Txn(client, name)
    while (error := await txn.init()) != ErrorCode.NONE:
        assert error in (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)
        await asyncio.sleep(0.05)
    return txn


def run(scenario: Any) -> None:
    kit.run(scenario, settings=SETTINGS)


async def latest(client: Client, topic: str, isolation: int) -> int:
    part = Message(partition_index=0, current_leader_epoch=-1, timestamp=-1)
    message = Message(
        replica_id=-1,
        isolation_level=isolation,
        topics=[Message(name=topic, partitions=[part])],
    )
    answer = await client.ask(ApiKey.LIST_OFFSETS, 7, message)
    return int(answer.topics[0].partitions[0].offset)


async def describe_producers(client: Client, topic: str) -> Any:
    message = Message(
        topics=[
            Message(name=topic, partition_indexes=[0]),
            Message(name="nowhere", partition_indexes=[0]),
        ]
    )
    answer = await client.ask(ApiKey.DESCRIBE_PRODUCERS, 0, message)
    assert answer.topics[1].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answer.topics[0].partitions[0].error_code == 0
    return answer.topics[0].partitions[0].active_producers
