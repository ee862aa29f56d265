"""KafkaController.elect: ``/controller`` and the next ``/controller_epoch`` in one multi, so that
each epoch has exactly one winner (reference 2.2).

After a lost connection nobody knows whether the multi was applied; then it is asked again, and a
refusal is looked at: ``/controller`` naming us together with the very epoch we tried to write means
that the first attempt had succeeded (trap 30).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from barnabas.zk import paths
from barnabas.zk.znodes import (
    ControllerZNode,
    decode_controller,
    decode_controller_epoch,
    encode_controller,
    encode_controller_epoch,
)
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import CreateOp, ExistsOp, GetOp, MultiOp, SetOp
from barnabas.zookeeper.errors import (
    BadVersion,
    ConnectionLoss,
    NodeExists,
    NoNode,
)

NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Elected:
    """We won; ``epoch_zk_version`` fences our writes."""

    epoch: int
    epoch_zk_version: int


class Elector:
    """Elections of one broker. All methods raise SessionExpired; connection loss is waited out."""

    def __init__(self, client: ZooKeeperClient, broker_id: int) -> None:
        self._client = client
        self._broker_id = broker_id

    async def active_controller(self) -> int:
        """The id in ``/controller``, or ``NOBODY``; arms the watch on it in either case."""
        await self._submit(ExistsOp(paths.CONTROLLER, watch=True))
        try:
            data, _ = await self._submit(GetOp(paths.CONTROLLER, watch=True))
        except NoNode:
            return NOBODY
        return decode_controller(paths.CONTROLLER, data).broker_id

    async def elect(self, wall_ms: int) -> Elected | int:
        """Try to become controller: how that went, or the id of the one there is (or NOBODY)."""
        active = await self.active_controller()
        if active != NOBODY:
            return active
        epoch, version = await self._epoch()
        body = encode_controller(ControllerZNode(broker_id=self._broker_id, timestamp_ms=wall_ms))
        attempt = MultiOp(
            [
                CreateOp(paths.CONTROLLER, body, ephemeral=True),
                SetOp(paths.CONTROLLER_EPOCH, encode_controller_epoch(epoch + 1), version),
            ]
        )
        try:
            results = await self._submit(attempt)
        except (NodeExists, BadVersion):
            return await self._who_won(epoch + 1)
        return Elected(epoch=epoch + 1, epoch_zk_version=results[1].version)

    async def _epoch(self) -> tuple[int, int]:
        """``(epoch, zkVersion)``; the first contender creates the node with epoch 0."""
        while True:
            try:
                data, stat = await self._submit(GetOp(paths.CONTROLLER_EPOCH))
            except NoNode:
                try:
                    await self._submit(CreateOp(paths.CONTROLLER_EPOCH, encode_controller_epoch(0)))
                except NodeExists:
                    pass
                continue
            return decode_controller_epoch(paths.CONTROLLER_EPOCH, data), stat.version

    async def _who_won(self, tried_epoch: int) -> Elected | int:
        active = await self.active_controller()
        if active == self._broker_id:
            epoch, version = await self._epoch()
            if epoch == tried_epoch:
                return Elected(epoch=epoch, epoch_zk_version=version)
        return active

    async def _submit(self, op: Any) -> Any:
        while True:
            try:
                return await self._client.submit(op)
            except ConnectionLoss:
                await self._client.connected()
