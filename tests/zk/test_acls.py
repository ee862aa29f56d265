"""The ACLs of nodes, beside those of a recorded cluster with ``zookeeper.set.acl``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.zookeeper.acl_walk import expected

from barnabas.zookeeper.messages import Acl

RECORDED = Path(__file__).parents[1] / "golden/security/znode-acls.json"
KAFKA = (Acl(31, "sasl", "kafka"),)
LETTERS = {1: "r", 31: "cdrwa"}


def test_every_recorded_node() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert len(recorded) > 60
    for path, acls in recorded.items():
        ours = [f"{a.scheme}:{a.id}:{LETTERS[a.perms]}" for a in expected(path, KAFKA)]
        assert ours == acls, path
