"""The command token, against ``up --secure``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster, no_traceback

pytestmark = pytest.mark.processes

MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


def test_a_token_from_its_making_to_its_end(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path / "up", brokers=1, secure=True) as cluster:
        made = json.loads(ok(cluster, "token", "create", "--renewer", "bob", "-o", "json"))
        assert len(made) == 1
        token = made[0]
        assert (token["owner"], token["renewers"]) == ("User:admin", ["User:bob"])
        assert json.loads(ok(cluster, "token", "list", "-o", "json")) == made
        assert token["id"] in ok(cluster, "token", "list", "--owner", "admin")
        assert json.loads(ok(cluster, "token", "list", "--owner", "eve", "-o", "json")) == []

        login = f'username="{token["id"]}" password="{token["hmac"]}" tokenauth="true"'
        lines = [
            line
            for line in cluster.client_properties.read_text().splitlines()
            if not line.startswith("sasl.jaas.config")
        ]
        own = tmp_path / "token.properties"
        own.write_text("\n".join([*lines, f"sasl.jaas.config={MODULE} required {login};"]))
        by_token = ("--command-config", str(own))
        ok(cluster, "topic", "create", "t", *by_token)
        refused = cluster.cli("token", "create", *by_token)
        fails(refused, 1, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED")

        renewed = ok(cluster, "token", "renew", token["id"], "--renew-time-period", "60000")
        assert renewed.startswith(f"token {token['id']}: expires ")
        (later,) = json.loads(ok(cluster, "token", "list", "-o", "json"))
        assert later["expires_ms"] < token["expires_ms"]
        fails(
            cluster.cli("token", "renew", "none"),
            1,
            "token none: there is no such token that you may see",
        )
        ok(cluster, "token", "expire", token["id"], "--expiry-time-period", "50000")
        assert ok(cluster, "token", "expire", token["id"]).endswith(": removed\n")
        fails(cluster.cli("topic", "list", *by_token), 1, "SASL_AUTHENTICATION_FAILED")
        fails(cluster.cli("token", "create", "--owner", "User:bob:x", "--renewer", ":"), 1)
        assert no_traceback(cluster.log("broker:1"))
        assert token["hmac"] not in cluster.log("broker:1")
