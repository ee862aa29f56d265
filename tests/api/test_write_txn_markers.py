"""WriteTxnMarkers: markers of old coordinators and producers are refused."""

from __future__ import annotations

from typing import Any

from tests.api.kit import Client
from tests.api.transaction_kit import Txn, begun, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


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
