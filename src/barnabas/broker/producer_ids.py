"""RPCProducerIdManager: producer ids from blocks that the controller allocates.

The first block is fetched before the broker serves clients, and the next one when nine tenths of a
block are used. So a producer hardly ever waits (Kafka answers error 14 until the first block
comes).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from barnabas.replication.controller_channel import ControllerChannel

log = logging.getLogger("kafka.server")

ALLOCATE_VERSION = 0
RETRY_PAUSE_S = 0.05
WAIT_S_MAX = 5.0
PREFETCH_SHARE = 0.9


class ProducerIds:
    """Gives out ids. ``run`` fetches blocks in advance."""

    def __init__(
        self,
        channel: ControllerChannel,
        broker_id: int,
        broker_epoch: Callable[[], int | None],
    ) -> None:
        self._channel = channel
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._current = range(0)
        self._following = range(0)
        self._block_length = 0
        self._wanted = asyncio.Event()
        self._available = asyncio.Event()
        self._wanted.set()

    async def next(self) -> int:
        """A new id. Raises KafkaError(COORDINATOR_LOAD_IN_PROGRESS) if no block comes in time."""
        if not self._current and not self._following:
            self._wanted.set()
            try:
                async with asyncio.timeout(WAIT_S_MAX):
                    await self._available.wait()
            except TimeoutError:
                pass
        if not self._current:
            self._current, self._following = self._following, range(0)
        if not self._current:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, "No producer ids yet.")
        producer_id = self._current[0]
        self._current = self._current[1:]
        if len(self._current) <= self._block_length * (1 - PREFETCH_SHARE) and not self._following:
            self._wanted.set()
        if not self._current and not self._following:
            self._available.clear()
        return producer_id

    async def wait_for_first_block(self) -> None:
        """Return when there is a block of ids."""
        await self._available.wait()

    async def run(self) -> None:
        """Fetch blocks when they are needed, until cancelled."""
        while True:
            await self._wanted.wait()
            block = await self._allocate()
            if block is None:
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            self._wanted.clear()
            self._following = block
            self._block_length = len(block)
            self._available.set()

    async def _allocate(self) -> range | None:
        epoch = self._broker_epoch()
        if epoch is None:
            return None
        request = AllocateProducerIdsRequest(broker_id=self._broker_id, broker_epoch=epoch)
        try:
            answer = await self._channel.send(
                ApiKey.ALLOCATE_PRODUCER_IDS, ALLOCATE_VERSION, request
            )
        except ConnectionError as error:
            log.debug("no block of producer ids: %s", error)
            return None
        if int(answer.error_code) != ErrorCode.NONE:
            log.debug("no block of producer ids: error %d", int(answer.error_code))
            return None
        start = int(answer.producer_id_start)
        return range(start, start + int(answer.producer_id_len))
