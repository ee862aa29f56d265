"""DescribeProducers."""

from __future__ import annotations

from tests.api.kit import Client
from tests.api.transaction_kit import begun, describe_producers, run


def test_producers_of_a_partition() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        assert await describe_producers(client, "t") == ()
        await txn.add(("t", 0))
        await txn.produce("t", count=3)
        (me,) = await describe_producers(client, "t")
        assert (me.producer_id, me.producer_epoch) == (txn.producer_id, txn.epoch)
        assert (me.last_sequence, me.current_txn_start_offset) == (2, 0)

    run(scenario)
