"""KafkaServer.controlledShutdown: the controller moves a stopping broker's leaderships
(reference 3.12)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.controlled_shutdown import ControlledShutdownRequest
from barnabas.replication.controller_channel import ControllerChannel
from barnabas.types import Broker

log = logging.getLogger("kafka.server")

CONTROLLED_SHUTDOWN_VERSION = 3
UNREACHABLE_PAUSE_S = 0.2


async def hand_over(
    config: BrokerConfig, channel: ControllerChannel, registered: Callable[[], Broker | None]
) -> bool:
    """Ask the controller until no leadership is left here, at most
    ``controlled.shutdown.max.retries`` times. Returns whether all were handed over; the broker
    stops either way.

    If the controller cannot be reached (it may be stopping too), it is tried again soon, without
    the whole back-off."""
    retries = config.integer("controlled.shutdown.max.retries")
    backoff_s = config.integer("controlled.shutdown.retry.backoff.ms") / 1000
    for attempt in range(retries):
        pause_s = backoff_s
        broker = registered()  # its epoch may have changed since the last attempt
        if broker is None:
            break
        request = ControlledShutdownRequest(broker_id=broker.id, broker_epoch=broker.epoch)
        try:
            answer = await channel.send(
                ApiKey.CONTROLLED_SHUTDOWN, CONTROLLED_SHUTDOWN_VERSION, request
            )
            if answer.error_code == ErrorCode.NONE and not answer.remaining_partitions:
                return True
            if answer.error_code != ErrorCode.NONE:
                pause_s = min(backoff_s, UNREACHABLE_PAUSE_S)
        except ConnectionError as error:
            log.info("controlled shutdown: %s", error)
            pause_s = min(backoff_s, UNREACHABLE_PAUSE_S)
        if attempt + 1 < retries:
            await asyncio.sleep(pause_s)
    log.warning("stopping although leaderships could not all be handed over")
    return False
