"""With several listeners, what brokers ask of each other is served where brokers ask it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import kit
from tests.api.kit import Client

from barnabas.api.listener_rules import BETWEEN_BROKERS
from barnabas.errors import ErrorCode
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message

REFUSED = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
TWO = {
    "listeners": "INSIDE://b1:9092,CLIENTS://b1:9093",
    "listener.security.protocol.map": "INSIDE:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROL:PLAINTEXT",
    "inter.broker.listener.name": "INSIDE",
}
THREE = {
    **TWO,
    "listeners": "INSIDE://b1:9092,CLIENTS://b1:9093,CONTROL://b1:9094",
    "control.plane.listener.name": "CONTROL",
}
TOPICS = (Message(name="t", partitions=(0,)),)
ENTRIES: dict[ApiKey, Message] = {
    ApiKey.WRITE_TXN_MARKERS: Message(
        markers=(
            Message(
                producer_id=1,
                producer_epoch=0,
                transaction_result=True,
                topics=(Message(name="t", partition_indexes=(0,)),),
                coordinator_epoch=0,
            ),
        )
    ),
    ApiKey.ADD_PARTITIONS_TO_TXN: Message(transactions=()),
    ApiKey.UPDATE_METADATA: Message(
        controller_id=1, controller_epoch=-5, topic_states=(), live_brokers=()
    ),
}


def _errors(answer: Any) -> set[int]:
    """Every error code in an answer."""
    if isinstance(answer, (tuple, list)):
        return set().union(*map(_errors, answer)) if answer else set()
    found: set[int] = set()
    for name in getattr(answer, "__struct_fields__", ()):
        value = getattr(answer, name)
        if name.endswith("error_code"):
            found.add(value)
        elif not isinstance(value, (str, bytes, int)):
            found |= _errors(value)
    return found


async def _ask(port: int, api: ApiKey) -> set[int]:
    connection = await KafkaConnection.connect("b1", port, client_id="x", timeout_ms=10_000)
    version = API_TABLE[api].max_version
    message = ENTRIES.get(api, Message())
    answer: Any = await connection.send(api, version, message, timeout_ms=10_000)
    connection.close()
    return _errors(answer)


@pytest.mark.parametrize("api", sorted({*BETWEEN_BROKERS, ApiKey.ADD_PARTITIONS_TO_TXN}))
def test_a_listener_of_clients_refuses_it(api: ApiKey) -> None:
    async def scenario(client: Client) -> None:
        assert await _ask(9093, api) == {REFUSED}
        assert REFUSED not in await _ask(9092, api)

    kit.run(scenario, settings=TWO)


def test_the_control_plane_takes_it() -> None:
    async def scenario(client: Client) -> None:
        assert await _ask(9093, ApiKey.UPDATE_METADATA) == {REFUSED}
        assert await _ask(9094, ApiKey.UPDATE_METADATA) == {ErrorCode.STALE_CONTROLLER_EPOCH}

    kit.run(scenario, settings=THREE)


def test_clients_are_served_everywhere() -> None:
    async def scenario(client: Client) -> None:
        for port in (9092, 9093):
            connection = await KafkaConnection.connect("b1", port, client_id="x", timeout_ms=10_000)
            for api in (ApiKey.METADATA, ApiKey.DESCRIBE_CLUSTER, ApiKey.LIST_GROUPS):
                answer: Any = await connection.send(api, 0, Message())
                assert REFUSED not in _errors(answer)
            connection.close()

    kit.run(scenario, settings=TWO)
