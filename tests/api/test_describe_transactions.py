"""DescribeTransactions."""

from __future__ import annotations

from tests.api.kit import Client
from tests.api.transaction_kit import Txn, begun, run

from barnabas.errors import ErrorCode


def test_descriptions() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        assert (await txn.describe()).transaction_state == "Empty"
        await txn.add(("t", 0))
        described = await txn.describe()
        assert (described.error_code, described.transaction_state) == (0, "Ongoing")
        assert (described.producer_id, described.producer_epoch) == (txn.producer_id, txn.epoch)
        assert [(t.topic, list(t.partitions)) for t in described.topics] == [("t", [0])]
        nobody = await Txn(client, "nobody").describe()
        assert nobody.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND

    run(scenario)
