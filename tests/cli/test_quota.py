"""The command quota."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster

pytestmark = pytest.mark.processes


def test_quotas_from_setting_to_deletion(cluster: Cluster) -> None:
    def held() -> Any:
        return json.loads(ok(cluster, "quota", "list", "-o", "json"))

    set_ = ("quota", "set")
    assert ok(cluster, *set_, "--user", "alice", "producer_byte_rate=1e6") == (
        "user alice: producer_byte_rate=1e+06\n"
    )
    ok(cluster, *set_, "--user", "alice", "--client-defaults", "request_percentage=0.5")
    ok(cluster, *set_, "--ip-defaults", "connection_creation_rate=100")
    assert held() == [
        {"entity": {"user": "alice"}, "quotas": {"producer_byte_rate": 1e6}},
        {"entity": {"user": "alice", "client-id": None}, "quotas": {"request_percentage": 0.5}},
        {"entity": {"ip": None}, "quotas": {"connection_creation_rate": 100}},
    ]
    table = ok(cluster, "quota", "list", "--user", "alice")
    assert "user alice, client-id <default>" in table
    assert "ip" not in table
    wrong_value = cluster.cli(*set_, "--user", "alice", "producer_byte_rate=1.5")
    fails(wrong_value, 1, "quotas of user alice", "must be a LONG value")
    for wrong in (
        ("--user", "alice", "producer_byte_rate"),
        ("producer_byte_rate=1",),
        ("--user", "alice", "--user-defaults", "producer_byte_rate=1"),
        ("--user", "alice", "--ip", "127.0.0.1", "producer_byte_rate=1"),
    ):
        fails(cluster.cli(*set_, *wrong), 2)
    assert ok(cluster, "quota", "delete", "--user", "alice") == (
        "user alice: producer_byte_rate deleted\n"
    )
    ok(cluster, "quota", "delete", "--user", "alice", "--client-defaults", "request_percentage")
    ok(cluster, "quota", "delete", "--ip-defaults")
    assert ok(cluster, "quota", "delete", "--ip-defaults") == "ip <default>: nothing deleted\n"
    assert held() == []
