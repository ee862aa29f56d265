"""ControllerChannelManager: one request in flight, in order, until it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.controller.kit import Cluster, FakeConnection, run


def test_a_channel_retries_in_order_and_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        cluster = Cluster()
        await cluster.start(1, 2)
        cluster.requests.clear()
        original = FakeConnection.send
        flying = failures = 0

        async def send(self: FakeConnection, api_key: int, version: int, message: Any) -> Any:
            nonlocal flying, failures
            if self.broker.id != 2:
                return await original(self, api_key, version, message)
            flying += 1
            assert flying == 1
            await asyncio.sleep(0.01)
            flying -= 1
            if failures < 3:
                failures += 1
                self.close()
                raise ConnectionResetError
            return await original(self, api_key, version, message)

        monkeypatch.setattr(FakeConnection, "send", send)
        cluster.create_topic("t", {0: (1, 2)}, 1)
        cluster.create_topic("u", {0: (2, 1)}, 2)
        await cluster.settle(2)
        got = [(api, m.topic_states[0].topic_name) for b, api, m in cluster.requests if b == 2]
        assert sorted(set(got), key=got.index) == got, "nothing twice"
        assert got[:2] == [(4, "t"), (6, "t")] or [api for api, _ in got[:2]] == [4, 6]
        assert failures == 3
        await cluster.stop()

    run(main)
