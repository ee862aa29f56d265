"""Versions by ``inter.broker.protocol.version``."""

from __future__ import annotations

import pytest

from barnabas.protocol.inter_broker import CURRENT, inter_broker_versions


@pytest.mark.parametrize("protocol", ["3.9-IV0", "3.9", "3.9.1"])
def test_the_newest_is_the_default(protocol: str) -> None:
    assert inter_broker_versions(protocol) == CURRENT


@pytest.mark.parametrize("protocol", ["2.8", "2.8-IV1", "2.8.2"])
def test_the_oldest(protocol: str) -> None:
    versions = inter_broker_versions(protocol)
    orders = versions.leader_and_isr, versions.update_metadata, versions.stop_replica
    assert orders == (5, 7, 3)
    assert (versions.fetch, versions.list_offsets, versions.alter_partition) == (12, 6, 0)
    assert versions.verification is None
    assert not versions.producer_ids_from_controller
    assert versions.feature_node == 1


@pytest.mark.parametrize(
    ("protocol", "leader_and_isr", "fetch", "alter_partition", "verification"),
    [
        ("3.0", 5, 12, 0, None),
        ("3.1", 5, 13, 0, None),
        ("3.2-IV0", 6, 13, 1, None),
        ("3.4-IV0", 7, 13, 2, None),
        ("3.5-IV0", 7, 14, 3, None),
        ("3.6", 7, 15, 3, 4),
        ("3.7-IV3", 7, 15, 3, 4),
        ("3.7", 7, 16, 3, 4),
        ("3.8", 7, 16, 3, 5),
    ],
)
def test_in_between(
    protocol: str,
    leader_and_isr: int,
    fetch: int,
    alter_partition: int,
    verification: int | None,
) -> None:
    versions = inter_broker_versions(protocol)
    assert versions.leader_and_isr == leader_and_isr
    assert versions.fetch == fetch
    assert versions.alter_partition == alter_partition
    assert versions.verification == verification


@pytest.mark.parametrize("protocol", ["2.8-IV0", "2.7", "1.0", "0.10.2", "0.10.2-IV0", "", "x"])
def test_too_old(protocol: str) -> None:
    with pytest.raises(ValueError, match=r"older than 2\.8"):
        inter_broker_versions(protocol)
