"""Asking the controller to take our leaderships: as whom we are registered at that moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from barnabas.broker.controlled_shutdown import hand_over
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ErrorCode
from barnabas.protocol.message import Message
from barnabas.types import Broker

SETTINGS = {
    "broker.id": "1",
    "listeners": "PLAINTEXT://h:1",
    "zookeeper.connect": "h:2",
    "controlled.shutdown.retry.backoff.ms": "1",
}


@pytest.mark.parametrize("retries", [1, 4])
def test_the_controller_is_asked_as_often_as_the_setting_says(retries: int) -> None:
    asked: list[int] = []

    class Channel:
        async def send(self, api_key: int, version: int, message: Any) -> Message:
            asked.append(message.broker_epoch)
            return Message(error_code=ErrorCode.NONE, remaining_partitions=[Message()])

    channel: Any = Channel()
    config = BrokerConfig({**SETTINGS, "controlled.shutdown.max.retries": str(retries)})
    broker = Broker(id=1, epoch=10, endpoints=())
    assert not asyncio.run(hand_over(config, channel, lambda: broker))
    assert asked == [10] * retries


def test_a_new_registration_counts_from_the_next_attempt_on() -> None:
    asked: list[int] = []

    class Channel:
        async def send(self, api_key: int, version: int, message: Any) -> Message:
            asked.append(message.broker_epoch)
            error = ErrorCode.NONE if len(asked) > 1 else ErrorCode.STALE_BROKER_EPOCH
            return Message(error_code=error, remaining_partitions=[])

    def registered() -> Broker:
        return Broker(id=1, epoch=10 + len(asked), endpoints=())

    channel: Any = Channel()
    assert asyncio.run(hand_over(BrokerConfig(SETTINGS), channel, registered))
    assert asked == [10, 11]
