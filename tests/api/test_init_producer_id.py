"""InitProducerId, without and with a transactional id."""

from __future__ import annotations

from tests.api import kit
from tests.api.kit import Client, versions
from tests.api.transaction_kit import Txn, begun, run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_producer_ids_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        found: list[int] = []
        for version in kit.versions(ApiKey.INIT_PRODUCER_ID):
            message = Message(
                transactional_id=None,
                transaction_timeout=-1,
                producer_id=-1,
                producer_epoch=-1,
            )
            answer = await client.ask(ApiKey.INIT_PRODUCER_ID, version, message)
            assert (answer.error_code, answer.producer_epoch) == (0, 0)
            found.append(answer.producer_id)
            message.transactional_id = ""
            answer = await client.ask(ApiKey.INIT_PRODUCER_ID, version, message)
            assert answer.error_code == ErrorCode.INVALID_REQUEST
            assert (answer.producer_id, answer.producer_epoch) == (-1, -1)
            if version >= 3:
                message.transactional_id, message.producer_id = None, 5
                answer = await client.ask(ApiKey.INIT_PRODUCER_ID, version, message)
                assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert found == list(range(found[0], found[0] + len(found)))

    kit.run(scenario)


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


def test_a_new_producer_aborts_what_the_old_one_left_open() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1)
        old = await begun(client)
        await old.add(("t", 0))
        await old.produce("t")
        new = Txn(client)
        assert await new.init() is ErrorCode.CONCURRENT_TRANSACTIONS
        await new.in_state("CompleteAbort")
        assert await new.init() is ErrorCode.NONE
        assert new.epoch == old.epoch + 2
        assert await old.end(True) is ErrorCode.PRODUCER_FENCED
        assert (await old.produce("t")).error_code == ErrorCode.INVALID_PRODUCER_EPOCH

    run(scenario)
