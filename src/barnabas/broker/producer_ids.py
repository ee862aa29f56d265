"""RPCProducerIdManager, ZkProducerIdManager: producer ids from blocks.

The first block is fetched before the broker serves clients, and the next one when nine tenths of a
block are used. So a producer hardly ever waits (Kafka answers error 14 until the first block
comes).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from barnabas.controller.rpc import next_block
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest
from barnabas.replication.controller_channel import ControllerChannel
from barnabas.zk import paths
from barnabas.zk.znodes import decode_producer_id_block, encode_producer_id_block
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import BadVersion, ConnectionLoss, SessionExpired

log = logging.getLogger("kafka.server")

ALLOCATE_VERSION = 0
RETRY_PAUSE_S = 0.05
WAIT_S_MAX = 5.0
PREFETCH_SHARE = 0.9


class Blocks(Protocol):
    """Where blocks of producer ids come from."""

    async def allocate(self) -> range | None:
        """The next block; None if there is none now."""
        ...


class ProducerIds:
    """Gives out ids. ``run`` fetches blocks in advance."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
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
            block = await self._blocks.allocate()
            if block is None:
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            self._wanted.clear()
            self._following = block
            self._block_length = len(block)
            self._available.set()


class BlocksOfController:
    """Blocks that the controller allocates (KIP-730)."""

    def __init__(
        self, channel: ControllerChannel, broker_id: int, broker_epoch: Callable[[], int | None]
    ) -> None:
        self._channel = channel
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch

    async def allocate(self) -> range | None:
        """One AllocateProducerIds."""
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


class BlocksOfZooKeeper:
    """ZkProducerIdManager: blocks that a broker takes from ZooKeeper itself, as before
    inter-broker protocol 3.0."""

    def __init__(self, zookeeper: ZooKeeperClient, broker_id: int) -> None:
        self._zookeeper = zookeeper
        self._broker_id = broker_id

    async def allocate(self) -> range | None:
        """Writes with the version read; a block is wasted when an answer is lost."""
        path = paths.PRODUCER_ID_BLOCK
        try:
            data, stat = await self._zookeeper.get(path)
            block = next_block(decode_producer_id_block(path, data), self._broker_id)
            await self._zookeeper.set(path, encode_producer_id_block(block), stat.version)
        except (BadVersion, ConnectionLoss, SessionExpired) as error:
            log.debug("no block of producer ids: %s", error)
            return None
        return range(block.first, block.last + 1)
