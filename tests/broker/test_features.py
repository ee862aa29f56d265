"""The feature epoch follows ``/feature`` through creation, change, deletion and an expiry."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from tests.virtual_time import run
from tests.zookeeper.server.kit import environment, start

from barnabas.broker.features import UNKNOWN_EPOCH, FinalizedFeatures
from barnabas.zk import paths
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import SessionExpired


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # what is asked changes in another task
            await asyncio.sleep(0.01)


def test_the_epoch_is_the_version_of_the_node() -> None:
    async def main() -> None:
        server = await start()
        client = ZooKeeperClient(environment(), f"127.0.0.1:{server.port}", 6000)
        await client.connect()
        features = FinalizedFeatures(client)
        client.on_event = features.on_event
        await features.load()
        assert features.epoch == UNKNOWN_EPOCH
        task = asyncio.get_running_loop().create_task(features.run())
        await client.create(paths.FEATURE, b"{}")
        await _until(lambda: features.epoch == 0)
        await client.set(paths.FEATURE, b"{} ")
        await _until(lambda: features.epoch == 1)
        await client.delete(paths.FEATURE)
        await _until(lambda: features.epoch == UNKNOWN_EPOCH)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.close()
        await server.stop()

    run(main())


def test_an_expiry_while_it_is_read_is_outlived() -> None:
    class Expiring(ZooKeeperClient):
        expired = True

        async def exists(self, path: str, *, watch: bool = False):  # type: ignore[no-untyped-def]
            if self.expired:
                raise SessionExpired(path)
            return await super().exists(path, watch=watch)

    async def main() -> None:
        server = await start()
        client = Expiring(environment(), f"127.0.0.1:{server.port}", 6000)
        await client.connect()
        await client.create(paths.FEATURE, b"{}")
        features = FinalizedFeatures(client)
        task = asyncio.get_running_loop().create_task(features.run())
        features.on_new_session()
        await asyncio.sleep(0.1)
        assert features.epoch == UNKNOWN_EPOCH
        client.expired = False
        features.on_new_session()
        await _until(lambda: features.epoch == 0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.close()
        await server.stop()

    run(main())
