"""LeaderAndIsr in every version, from controllers old and new."""

from __future__ import annotations

from tests.api.orders import check_every_version

from barnabas.protocol.api import ApiKey


def test_every_version_and_those_who_may_not_give_orders() -> None:
    check_every_version(ApiKey.LEADER_AND_ISR)
