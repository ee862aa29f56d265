"""Batches outside their transaction are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api import kit
from tests.api.kit import Client
from tests.api.transaction_kit import SETTINGS, begun, run
from tests.simulation.network import SLOW

from barnabas.api import produce
from barnabas.api.request import Request
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey


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
        await txn.in_state("CompleteCommit")
        late = await txn.produce("t")
        assert late.error_code == ErrorCode.INVALID_TXN_STATE

    run(scenario)


def test_no_batch_overtakes_one_that_waits_for_the_coordinator() -> None:
    async def scenario(client: Client) -> None:
        await client.place("__transaction_state", [1])
        await client.place("t", [2])
        txn = await begun(client)
        assert await txn.add(("t", 0)) == [ErrorCode.NONE]
        for pair in (("b1", "b2"), ("b2", "b1")):
            client.simulation.network.set_link(*pair, SLOW)
        first = asyncio.ensure_future(txn.produce("t", broker=2, base_sequence=0))
        await asyncio.sleep(0.1)
        assert not first.done(), "the coordinator is asked"
        second = asyncio.ensure_future(txn.produce("t", broker=2, base_sequence=1))
        assert (await first).error_code == 0
        assert not second.done(), "it is asked once more"
        third = await txn.produce("t", broker=2, base_sequence=2)
        assert second.done()
        assert [(await second).base_offset, third.base_offset] == [1, 2]
        assert (second.result().error_code, third.error_code) == (0, 0)

    settings = {**SETTINGS, "transaction.state.log.num.partitions": "1"}
    kit.run(scenario, brokers=2, settings=settings)


def test_no_batch_overtakes_a_large_request_that_is_being_appended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(client: Client) -> None:
        may_go_on, appends = asyncio.Event(), 0
        in_turns = Request.in_turns

        async def held(request: Request, steps: Any) -> Any:
            nonlocal appends
            if request.api_key == ApiKey.PRODUCE:
                appends += 1
                if appends == 1:
                    await may_go_on.wait()
            return await in_turns(request, steps)

        monkeypatch.setattr(produce, "PARTITIONS_AT_ONCE", 1)  # two partitions are very many
        monkeypatch.setattr(Request, "in_turns", held)
        await client.create("t", 2)
        txn = await begun(client)
        assert await txn.add(("t", 0), ("t", 1)) == [ErrorCode.NONE, ErrorCode.NONE]
        first, second, third = (
            asyncio.ensure_future(txn.produce("t", base_sequence=n, partitions=count))
            for n, count in enumerate((2, 1, 2))
        )
        await asyncio.sleep(1)
        assert not first.done()
        assert not second.done()
        assert appends == 1, "the second waits until the first is appended"
        may_go_on.set()
        answers = [await one for one in (first, second, third)]
        assert [(a.error_code, a.base_offset) for a in answers] == [(0, 0), (0, 1), (0, 2)]

    run(scenario)
