"""AddPartitionsToTxn."""

from __future__ import annotations

from tests.api.kit import Client, versions
from tests.api.transaction_kit import Txn, begun, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey


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

    run(scenario)
