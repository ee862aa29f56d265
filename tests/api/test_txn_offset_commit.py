"""TxnOffsetCommit."""

from __future__ import annotations

from typing import Any

from tests.api.kit import Client, versions
from tests.api.transaction_kit import Txn, begun, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


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
            await txn.in_state("CompleteCommit" if commit else "CompleteAbort")
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
