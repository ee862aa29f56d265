"""ListTransactions."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.kit import Client, versions
from tests.api.transaction_kit import begun, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


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
        while ("two", "Empty") in await listed():  # noqa: ASYNC110
            await asyncio.sleep(1)
        assert await listed() == [("one", "Ongoing")]
        assert (await two.describe()).error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        assert await two.end(True) is ErrorCode.INVALID_PRODUCER_ID_MAPPING

    run(scenario)
