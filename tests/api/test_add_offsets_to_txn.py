"""AddOffsetsToTxn."""

from __future__ import annotations

from tests.api.kit import Client, versions
from tests.api.transaction_kit import TXN, begun, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_positions_take_part_in_every_version() -> None:
    async def scenario(client: Client) -> None:
        txn = await begun(client)
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
