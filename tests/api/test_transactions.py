"""The APIs of transactions, in every version, with the errors that clients must tell apart."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api import kit
from tests.api.kit import NOW_MS, Client, versions

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch, iterate_batches

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
        **fields: Any,
    ) -> Any:
        values = {
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
            "base_sequence": self.sequence,
            "transactional": True,
            **fields,
        }
        records = [Record(timestamp=NOW_MS, value=b"v")] * count
        part = Message(index=0, records=bytes(build_batch(records, **values)))
        message = Message(
            transactional_id=self.name if named else None,
            acks=-1,
            timeout=10_000,
            topic_data=[Message(name=topic, partition_data=[part])],
        )
        answer = await self.client.ask(ApiKey.PRODUCE, version, message)
        result = answer.responses[0].partition_responses[0]
        if not result.error_code:
            self.sequence += count
        return result

    async def end(self, commit: bool, version: int = 4) -> ErrorCode:
        message = Message(**self._me(), committed=commit)
        return ErrorCode((await self.client.ask(ApiKey.END_TXN, version, message)).error_code)

    async def settled(self, state: str) -> None:
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


def test_finding_a_coordinator_creates_its_topic() -> None:
    async def scenario(client: Client) -> None:
        for version in versions(ApiKey.FIND_COORDINATOR)[1:]:
            message = Message(key_type=1, key=TXN, coordinator_keys=[TXN])
            answer = await client.ask(ApiKey.FIND_COORDINATOR, version, message)
            found = answer if version < 4 else answer.coordinators[0]
            assert (found.error_code, found.node_id, found.host) == (0, 1, "b1")
        resource = Message(
            resource_type=2, resource_name="__transaction_state", configuration_keys=None
        )
        answer = await client.ask(
            ApiKey.DESCRIBE_CONFIGS, 4, Message(resources=[resource], include_synonyms=False)
        )
        configs = {c.name: c.value for c in answer.results[0].configs}
        assert configs["cleanup.policy"] == "compact"
        assert configs["compression.type"] == "uncompressed"
        assert configs["min.insync.replicas"] == "1"
        assert configs["segment.bytes"] == "104857600"
        assert configs["unclean.leader.election.enable"] == "false"

    run(scenario)


def test_producers_begin_in_every_version() -> None:
    async def scenario(client: Client) -> None:
        txn = await begun(client)
        assert txn.epoch == 0
        identity = txn.producer_id
        for epoch, version in enumerate(versions(ApiKey.INIT_PRODUCER_ID), start=1):
            assert await txn.init(version) is ErrorCode.NONE
            assert (txn.producer_id, txn.epoch) == (identity, epoch)
        assert await txn.init(transactional_id="") is ErrorCode.INVALID_REQUEST
        for timeout_ms in (0, -1, 900_001):
            error = await txn.init(transaction_timeout=timeout_ms)
            assert error is ErrorCode.INVALID_TRANSACTION_TIMEOUT
        known = {"producer_id": identity, "producer_epoch": txn.epoch}
        assert await txn.init(**known) is ErrorCode.NONE
        assert txn.epoch == known["producer_epoch"] + 1
        old = {"producer_id": identity, "producer_epoch": 1}
        assert await txn.init(**old) is ErrorCode.PRODUCER_FENCED
        assert await txn.init(3, **old) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await txn.init(producer_id=5) is ErrorCode.INVALID_REQUEST

    run(scenario)


def test_partitions_take_part_in_every_version() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        for version in versions(ApiKey.ADD_PARTITIONS_TO_TXN):
            assert await txn.add(("t", 0), version=version) == [ErrorCode.NONE]
            assert await txn.add(("t", 0), ("t", 9), ("no", 0), version=version) == [
                ErrorCode.OPERATION_NOT_ATTEMPTED,
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ]
            txn.epoch += 1
            expected = ErrorCode.PRODUCER_FENCED
            if version < 2:
                expected = ErrorCode.INVALID_PRODUCER_EPOCH
            assert await txn.add(("t", 0), version=version) == [expected]
            txn.epoch -= 1
            stranger = Txn(client, "nobody")
            assert await stranger.add(("t", 0), version=version) == [
                ErrorCode.INVALID_PRODUCER_ID_MAPPING
            ]
        assert (await txn.describe()).topics[0].partitions == (0,)
        for version in versions(ApiKey.ADD_OFFSETS_TO_TXN):
            message = Message(
                transactional_id=TXN,
                producer_id=txn.producer_id,
                producer_epoch=txn.epoch,
                group_id="g",
            )
            answer = await client.ask(ApiKey.ADD_OFFSETS_TO_TXN, version, message)
            assert answer.error_code == 0
            message.producer_epoch += 1
            answer = await client.ask(ApiKey.ADD_OFFSETS_TO_TXN, version, message)
            assert answer.error_code == (
                ErrorCode.INVALID_PRODUCER_EPOCH if version < 2 else ErrorCode.PRODUCER_FENCED
            )

    run(scenario)


def test_transactions_end_in_every_version() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        assert await txn.end(True) is ErrorCode.INVALID_TXN_STATE
        for version in versions(ApiKey.END_TXN):
            commit = version % 2 == 0
            assert await txn.add(("t", 0)) == [ErrorCode.NONE]
            assert (await txn.produce("t")).error_code == 0
            assert await txn.end(commit, version) is ErrorCode.NONE
            await txn.settled("CompleteCommit" if commit else "CompleteAbort")
            assert await txn.end(commit, version) is ErrorCode.NONE
            assert await txn.end(not commit, version) is ErrorCode.INVALID_TXN_STATE
            txn.epoch += 1
            fenced = ErrorCode.INVALID_PRODUCER_EPOCH if version < 2 else ErrorCode.PRODUCER_FENCED
            assert await txn.end(commit, version) is fenced
            txn.epoch -= 1

    run(scenario)


def test_a_batch_outside_its_transaction_is_refused() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        await client.create("u", 1)
        txn = await begun(client)
        assert await txn.add(("t", 0)) == [ErrorCode.NONE]
        assert (await txn.produce("u")).error_code == ErrorCode.INVALID_TXN_STATE
        assert (await txn.produce("u", 11)).error_code == ErrorCode.TRANSACTION_ABORTABLE
        unnamed = await txn.produce("t", named=False)
        assert unnamed.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        stale = await txn.produce("t", producer_epoch=txn.epoch - 1)
        assert stale.error_code == ErrorCode.INVALID_PRODUCER_EPOCH
        other = await txn.produce("t", producer_id=txn.producer_id + 1)
        assert other.error_code == ErrorCode.INVALID_PRODUCER_ID_MAPPING
        for version in range(3, 12):
            assert (await txn.produce("t", version)).error_code == 0
        plain = await txn.produce("t", transactional=False)
        assert plain.error_code == ErrorCode.INVALID_TXN_STATE
        assert await txn.end(True) is ErrorCode.NONE
        await txn.settled("CompleteCommit")
        late = await txn.produce("t")
        assert late.error_code == ErrorCode.INVALID_TXN_STATE

    run(scenario)


async def fetch(client: Client, topic: str, isolation: int, offset: int = 0, **fields: Any) -> Any:
    part = Message(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=offset,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1 << 20,
    )
    values = {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 0,
        "max_bytes": 1 << 20,
        "isolation_level": isolation,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [Message(topic=topic, partitions=[part])],
        "forgotten_topics_data": [],
        "rack_id": "",
    }
    message = Message(**{**values, **fields})
    answer = await client.ask(ApiKey.FETCH, 12, message)
    return answer.responses[0].partitions[0]


async def latest(client: Client, topic: str, isolation: int) -> int:
    part = Message(partition_index=0, current_leader_epoch=-1, timestamp=-1)
    message = Message(
        replica_id=-1,
        isolation_level=isolation,
        topics=[Message(name=topic, partitions=[part])],
    )
    answer = await client.ask(ApiKey.LIST_OFFSETS, 7, message)
    return int(answer.topics[0].partitions[0].offset)


def test_what_readers_see_of_open_and_aborted_transactions() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        await client.produce("t", b"plain")
        await txn.add(("t", 0))
        await txn.produce("t", count=3)
        assert (await latest(client, "t", 0), await latest(client, "t", 1)) == (4, 1)
        everything, committed = await fetch(client, "t", 0), await fetch(client, "t", 1)
        assert (everything.high_watermark, everything.last_stable_offset) == (4, 1)
        assert everything.aborted_transactions is None
        assert [h.base_offset for h, _, _ in iterate_batches(everything.records)] == [0, 1]
        assert [h.base_offset for h, _, _ in iterate_batches(committed.records)] == [0]
        assert committed.aborted_transactions == ()
        producers = await describe_producers(client, "t")
        (me,) = [p for p in producers if p.producer_id == txn.producer_id]
        assert (me.producer_epoch, me.last_sequence, me.current_txn_start_offset) == (0, 2, 1)
        assert await txn.end(False) is ErrorCode.NONE
        await txn.settled("CompleteAbort")
        assert (await latest(client, "t", 0), await latest(client, "t", 1)) == (5, 5)
        committed = await fetch(client, "t", 1)
        assert [h.base_offset for h, _, _ in iterate_batches(committed.records)] == [0, 1, 4]
        (aborted,) = committed.aborted_transactions
        assert (aborted.producer_id, aborted.first_offset) == (txn.producer_id, 1)
        (me,) = [
            p for p in await describe_producers(client, "t") if p.producer_id == txn.producer_id
        ]
        assert (me.current_txn_start_offset, me.coordinator_epoch) == (-1, 0)

    run(scenario)


def test_a_reader_waits_at_the_stable_offset_and_nowhere_above() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", **{"segment.bytes": "1000"})
        txn = await begun(client)
        await txn.add(("t", 0))
        for _ in range(3):
            await txn.produce("t")
        loop = asyncio.get_running_loop()
        for isolation, offset, waits in ((1, 0, True), (1, 2, False), (1, 3, False), (0, 3, True)):
            before = loop.time()
            await fetch(client, "t", isolation, offset, max_wait=2000, min_bytes=1)
            assert (loop.time() - before > 1.9) is waits, (isolation, offset)
        for _ in range(20):
            await txn.produce("t")
        before = loop.time()
        behind = asyncio.ensure_future(fetch(client, "t", 1, max_wait=20_000, min_bytes=1 << 19))
        await asyncio.sleep(0.5)
        assert not behind.done()
        assert await txn.end(True) is ErrorCode.NONE
        assert len((await behind).records) > 500
        assert loop.time() - before < 2, "what is stable now lies in a later segment"

    run(scenario)


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


def offset_commit(txn: Txn, offset: int, **fields: Any) -> Message:
    part = Message(
        partition_index=0,
        committed_offset=offset,
        committed_leader_epoch=-1,
        committed_metadata="m",
    )
    return Message(
        **{
            "transactional_id": txn.name,
            "group_id": "g",
            "producer_id": txn.producer_id,
            "producer_epoch": txn.epoch,
            "generation_id": -1,
            "member_id": "",
            "group_instance_id": None,
            "topics": [Message(name="t", partitions=[part])],
            **fields,
        }
    )


async def position(client: Client, *, stable: bool) -> tuple[int, ErrorCode]:
    message = Message(
        group_id="g",
        topics=[Message(name="t", partition_indexes=[0])],
        require_stable=stable,
    )
    answer = await client.ask(ApiKey.OFFSET_FETCH, 7, message)
    found = answer.topics[0].partitions[0]
    return found.committed_offset, ErrorCode(found.error_code)


def test_positions_count_once_their_transaction_commits() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        await client.ask(ApiKey.FIND_COORDINATOR, 4, Message(key_type=0, coordinator_keys=["g"]))
        expected = -1
        for version in versions(ApiKey.TXN_OFFSET_COMMIT):
            commit = version % 2 == 0
            message = offset_commit(txn, version + 10)
            outside = await client.ask(ApiKey.TXN_OFFSET_COMMIT, version, message)
            assert outside.topics[0].partitions[0].error_code == (
                ErrorCode.TRANSACTION_ABORTABLE if version >= 4 else ErrorCode.INVALID_TXN_STATE
            )
            await client.ask(ApiKey.ADD_OFFSETS_TO_TXN, 3, message)
            inside = await client.ask(ApiKey.TXN_OFFSET_COMMIT, version, message)
            assert inside.topics[0].partitions[0].error_code == 0
            unknown = offset_commit(txn, 1, topics=[Message(name="no", partitions=[])])
            unknown.topics[0].partitions = message.topics[0].partitions
            refused = await client.ask(ApiKey.TXN_OFFSET_COMMIT, version, unknown)
            assert refused.topics[0].partitions[0].error_code == (
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            )
            assert await position(client, stable=True) == (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)
            assert await position(client, stable=False) == (expected, ErrorCode.NONE)
            assert await txn.end(commit) is ErrorCode.NONE
            await txn.settled("CompleteCommit" if commit else "CompleteAbort")
            expected = version + 10 if commit else expected
            assert await position(client, stable=True) == (expected, ErrorCode.NONE)
        nameless = offset_commit(txn, 5, group_id="")
        refused = await client.ask(ApiKey.TXN_OFFSET_COMMIT, 3, nameless)
        assert refused.topics[0].partitions[0].error_code == ErrorCode.INVALID_GROUP_ID
        member = offset_commit(txn, 5, member_id="stranger", generation_id=1)
        await client.ask(ApiKey.ADD_OFFSETS_TO_TXN, 3, member)
        refused = await client.ask(ApiKey.TXN_OFFSET_COMMIT, 3, member)
        assert refused.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_MEMBER_ID

    run(scenario)


def marker(txn: Txn, topic: str, **fields: Any) -> Message:
    values = {
        "producer_id": txn.producer_id,
        "producer_epoch": txn.epoch,
        "transaction_result": True,
        "coordinator_epoch": 0,
        "topics": [Message(name=topic, partition_indexes=[0])],
        **fields,
    }
    return Message(markers=[Message(**values)])


def test_markers_are_fenced() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        txn.epoch = 3

        async def write(**fields: Any) -> ErrorCode:
            message = marker(txn, fields.pop("topic", "t"), **fields)
            answer = await client.ask(ApiKey.WRITE_TXN_MARKERS, 1, message)
            return ErrorCode(answer.markers[0].topics[0].partitions[0].error_code)

        assert await write(coordinator_epoch=5) is ErrorCode.NONE
        assert await write(coordinator_epoch=4) is ErrorCode.TRANSACTION_COORDINATOR_FENCED
        assert (
            await write(producer_epoch=2, coordinator_epoch=6) is ErrorCode.INVALID_PRODUCER_EPOCH
        )
        assert await write(topic="nowhere") is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        answer = await client.ask(ApiKey.WRITE_TXN_MARKERS, 1, Message(markers=[]))
        assert not answer.markers

    run(scenario)


def test_a_transaction_that_lasts_too_long_is_aborted() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        await txn.init(transaction_timeout=2_000)
        await txn.add(("t", 0))
        await txn.produce("t")
        assert (await txn.describe()).transaction_state == "Ongoing"
        await txn.settled("CompleteAbort")
        assert (await txn.describe()).producer_epoch == txn.epoch + 1
        assert await txn.end(True) is ErrorCode.PRODUCER_FENCED
        assert (await txn.produce("t")).error_code == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await latest(client, "t", 1) == 2

    run(scenario)


def test_a_new_producer_aborts_what_the_old_one_left_open() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        old = await begun(client)
        await old.add(("t", 0))
        await old.produce("t")
        new = Txn(client)
        assert await new.init() is ErrorCode.CONCURRENT_TRANSACTIONS
        await new.settled("CompleteAbort")
        assert await new.init() is ErrorCode.NONE
        assert new.epoch == old.epoch + 2
        assert await old.end(True) is ErrorCode.PRODUCER_FENCED
        assert (await old.produce("t")).error_code == ErrorCode.INVALID_PRODUCER_EPOCH

    run(scenario)


def test_listing_and_forgetting() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        one, two = await begun(client, "one"), await begun(client, "two")
        await one.add(("t", 0))

        async def listed(version: int = 1, **fields: Any) -> list[tuple[str, str]]:
            values = {
                "state_filters": [],
                "producer_id_filters": [],
                "duration_filter": -1,
                **fields,
            }
            answer = await client.ask(ApiKey.LIST_TRANSACTIONS, version, Message(**values))
            assert answer.error_code == 0
            unknown = list(answer.unknown_state_filters)
            assert unknown == [s for s in values["state_filters"] if s == "Odd"]
            found = [(t.transactional_id, t.transaction_state) for t in answer.transaction_states]
            return sorted(found)

        for version in versions(ApiKey.LIST_TRANSACTIONS):
            assert await listed(version) == [("one", "Ongoing"), ("two", "Empty")]
        assert await listed(state_filters=["Empty", "Odd"]) == [("two", "Empty")]
        assert await listed(state_filters=["Odd"]) == []
        assert await listed(producer_id_filters=[one.producer_id]) == [("one", "Ongoing")]
        assert ("one", "Ongoing") not in await listed(duration_filter=60_000)
        nobody = await Txn(client, "nobody").describe()
        assert nobody.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        while ("two", "Empty") in await listed():  # noqa: ASYNC110
            await asyncio.sleep(1)
        assert await listed() == [("one", "Ongoing")]
        assert (await two.describe()).error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        assert await two.end(True) is ErrorCode.INVALID_PRODUCER_ID_MAPPING

    run(scenario)
