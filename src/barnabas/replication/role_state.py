"""What the controller says of one partition to a broker that holds it."""

from __future__ import annotations

import msgspec


class RoleState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a LeaderAndIsr says of one partition."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    partition_epoch: int
    controller_epoch: int
    replicas: tuple[int, ...]
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()
    is_new: bool = False
    recovering: bool = False
