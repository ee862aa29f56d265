"""EndTxn, and transactions that nobody ends."""

from __future__ import annotations

from tests.api.kit import Client, versions
from tests.api.transaction_kit import begun, latest, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey


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
            await txn.in_state("CompleteCommit" if commit else "CompleteAbort")
            assert await txn.end(commit, version) is ErrorCode.NONE
            assert await txn.end(not commit, version) is ErrorCode.INVALID_TXN_STATE
            txn.epoch += 1
            fenced = ErrorCode.INVALID_PRODUCER_EPOCH if version < 2 else ErrorCode.PRODUCER_FENCED
            assert await txn.end(commit, version) is fenced
            txn.epoch -= 1

    run(scenario)


def test_a_transaction_that_lasts_too_long_is_aborted() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        txn = await begun(client)
        await txn.init(transaction_timeout=2_000)
        await txn.add(("t", 0))
        await txn.produce("t")
        assert (await txn.describe()).transaction_state == "Ongoing"
        await txn.in_state("CompleteAbort")
        assert (await txn.describe()).producer_epoch == txn.epoch + 1
        assert await txn.end(True) is ErrorCode.PRODUCER_FENCED
        assert (await txn.produce("t")).error_code == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await latest(client, "t", 1) == 2

    run(scenario)
