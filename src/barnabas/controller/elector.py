"""KafkaController.elect: ``/controller`` and the next ``/controller_epoch`` in one multi, so that
each epoch has exactly one winner (reference 2.2).

After a lost connection nobody knows whether the multi was applied; then it is asked again, and a
refusal is looked at: ``/controller`` naming us together with the very epoch we tried to write means
that the first attempt had succeeded (trap 30).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from barnabas.zk import paths
from barnabas.zk.znodes import (
    ControllerZNode,
    decode_controller,
    decode_controller_epoch,
    encode_controller,
    encode_controller_epoch,
)
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import (
    CreateOp,
    ExistsOp,
    GetOp,
    MultiOp,
    Operation,
    SetOp,
)
from barnabas.zookeeper.errors import (
    BadVersion,
    ConnectionLoss,
    NodeExists,
    NoNode,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import Stat

T = TypeVar("T")

NOBODY = -1
_MISSING = -2
"""Instead of a version: there has never been a controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elected:
    """We won; ``epoch_zk_version`` fences our writes."""

    epoch: int
    epoch_zk_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What stood in ZooKeeper: the active controller or ``NOBODY``, and the epoch."""

    active: int
    epoch: int
    epoch_zk_version: int


class Elector:
    """Elections of one broker. All methods raise SessionExpired; connection loss is waited out."""

    def __init__(self, client: ZooKeeperClient, broker_id: int) -> None:
        self._client = client
        self._broker_id = broker_id

    async def elect(self, seen: Seen, wall_ms: int) -> Elected | int:
        """Become controller, as nobody was one: how that went, or the id of the one there is (or
        NOBODY)."""
        epoch, version = seen.epoch, seen.epoch_zk_version
        if version == _MISSING:
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
        written = results[1]
        assert isinstance(written, Stat)
        return Elected(epoch=epoch + 1, epoch_zk_version=written.version)

    async def look(self) -> Seen:
        """Who is controller; arms the watch on ``/controller`` if there is one and if not. All is
        read at once: nobody leads meanwhile."""
        while True:
            questions: list[Operation[Any]] = [
                ExistsOp(paths.CONTROLLER, watch=True),
                GetOp(paths.CONTROLLER, watch=True),
                GetOp(paths.CONTROLLER_EPOCH),
            ]
            outcomes = await self._client.submit_all(questions)
            if any(isinstance(outcome, ConnectionLoss) for outcome in outcomes):
                await self._client.connected()
                continue
            for outcome in outcomes:
                if isinstance(outcome, ZooKeeperError) and not isinstance(outcome, NoNode):
                    raise outcome
            return _seen(outcomes[1], outcomes[2])

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
        seen = await self.look()
        if seen.active == self._broker_id and seen.epoch == tried_epoch:
            return Elected(epoch=seen.epoch, epoch_zk_version=seen.epoch_zk_version)
        return seen.active

    async def _submit(self, op: Operation[T]) -> T:
        while True:
            try:
                return await self._client.submit(op)
            except ConnectionLoss:
                await self._client.connected()


def _seen(controller: Any, epoch: Any) -> Seen:
    """From ``(data, Stat)`` of both znodes, or NoNode."""
    active = NOBODY
    if not isinstance(controller, NoNode):
        active = decode_controller(paths.CONTROLLER, controller[0]).broker_id
    if isinstance(epoch, NoNode):
        return Seen(active=active, epoch=0, epoch_zk_version=_MISSING)
    data, stat = epoch
    number = decode_controller_epoch(paths.CONTROLLER_EPOCH, data)
    return Seen(active=active, epoch=number, epoch_zk_version=stat.version)
