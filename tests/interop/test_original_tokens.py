"""Delegation tokens: the original's tool with ours, its broker beside ours."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from tests.cli.kit import ok
from tests.clients.test_oauth_clients import Served
from tests.cluster_kit import Cluster, free_ports, no_traceback, wait_for
from tests.interop.original import JavaBroker, output, tool
from tests.security.oauth.provider import Provider

from barnabas.security.sasl import plain, scram

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]

TOKENS = "org.apache.kafka.tools.DelegationTokenCommand"
TOPICS = "org.apache.kafka.tools.TopicCommand"
KEY = "delegation.token.secret.key"


def login(token_id: str, hmac: str) -> list[str]:
    options = f'username="{token_id}" password="{hmac}" tokenauth="true"'
    return [
        "sasl.mechanism=SCRAM-SHA-256",
        f"sasl.jaas.config={scram.MODULE} required {options};",
    ]


def made(text: str) -> tuple[str, str]:
    """Id and HMAC of the token that the tool prints last."""
    found = re.findall(r"^([A-Za-z0-9_-]{22})\s+(\S{88})\s", text, re.MULTILINE)
    return found[-1][0], found[-1][1]


def test_its_tool_with_our_brokers(tmp_path: Path) -> None:
    with Cluster(directory=tmp_path / "ours", brokers=1, secure=True) as cluster:
        ours = ("--bootstrap-server", cluster.bootstrap)
        config = ("--command-config", str(cluster.client_properties))
        token_id, hmac = made(
            output(
                *(TOKENS, *ours, *config, "--create", "--max-life-time-period", "-1"),
                *("--renewer-principal", "User:bob"),
            )
        )
        assert "Total number of tokens : 0" in output(TOKENS, *ours, *config, "--describe")
        of_admin = ("--describe", "--owner-principal", "User:admin")  # else it asks for nobody's
        described = output(TOKENS, *ours, *config, *of_admin)
        assert made(described) == (token_id, hmac)
        assert "User:bob" in described
        lines = cluster.client_properties.read_text().splitlines()
        own = tmp_path / "token.properties"
        rest = [line for line in lines if not line.startswith("sasl.")]
        own.write_text("\n".join([*rest, *login(token_id, hmac)]))
        by_token = ("--command-config", str(own))
        output(TOPICS, *ours, *by_token, "--create", "--topic", "t")
        refused = tool(TOKENS, *ours, *by_token, "--create", "--max-life-time-period", "-1")
        assert refused.returncode == 1
        assert "DelegationTokenDisabledException" not in refused.stdout + refused.stderr
        assert "Delegation Token requests are not allowed" in refused.stdout + refused.stderr
        for verb, period in (("renew", "renew"), ("expire", "expiry")):
            done = output(
                *(TOKENS, *ours, *config, f"--{verb}", "--hmac", hmac),
                *(f"--{period}-time-period", "-1"),
            )
            assert "expiry date" in done
        assert "Total number of tokens : 0" in output(TOKENS, *ours, *config, *of_admin)
        assert tool(TOPICS, *ours, *by_token, "--list").returncode == 1


def test_a_token_of_one_broker_logs_in_at_the_other(tmp_path: Path) -> None:
    """Both have the same key; each makes a token, and removes the other's."""
    cluster = Cluster(directory=tmp_path / "ours", brokers=1)
    cluster.port = free_ports(5)
    cluster.zookeeper_port = cluster.port + 1
    shared = {
        KEY: "a key that both have",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": f'{plain.MODULE} required user_al="al-pw";',
        "listener.name.login.scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
        "zookeeper.session.timeout.ms": "6000",
    }

    def listeners(port: int, inside: int) -> str:
        return f"PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{inside}"

    ports = (cluster.port + 2, cluster.port + 4)
    cluster.overrides = {**shared, "listeners": listeners(cluster.port, ports[0])}
    password = tmp_path / "al.properties"
    password.write_text(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        f'sasl.jaas.config={plain.MODULE} required username="al" password="al-pw";\n'
    )
    as_al = ("--command-config", str(password))
    with cluster:
        java = JavaBroker(
            tmp_path / "java", 2, cluster.port + 3, f"127.0.0.1:{cluster.zookeeper_port}"
        )
        java._settings.update({**shared, "listeners": listeners(cluster.port + 3, ports[1])})
        with java:
            for here, there in (ports, ports[::-1]):
                at = [("--bootstrap-server", f"127.0.0.1:{port}") for port in (here, there)]
                printed = output(TOKENS, *at[0], *as_al, "--create", "--max-life-time-period", "-1")
                token_id, hmac = made(printed)
                own = tmp_path / "token.properties"
                own.write_text(
                    "\n".join(["security.protocol=SASL_PLAINTEXT", *login(token_id, hmac)])
                )
                listing = ("topic", "list", "--command-config", str(own))

                def enters(port: int) -> bool:
                    return cluster.cli(*listing, "-b", f"127.0.0.1:{port}").returncode == 0  # noqa: B023

                for port in (here, there):
                    wait_for(lambda p=port: enters(p), 20, f"it is known at {port}")  # type: ignore[misc]
                ok(cluster, "token", "expire", token_id, *as_al, *at[1])
                for port in (here, there):
                    wait_for(lambda p=port: not enters(p), 20, f"it is gone at {port}")  # type: ignore[misc]
        assert no_traceback(cluster.log("broker:1"))


def test_its_tools_with_signed_tokens_of_a_provider(tmp_path: Path) -> None:
    """Fetched by its own login handler, and taken by our broker."""
    provider = Provider("a")
    with provider.served(time.time) as url:
        served = Served(tmp_path / "ours", provider, url)
        with served.cluster:
            ours = ("--bootstrap-server", f"127.0.0.1:{served.port}")
            right = served.properties(tmp_path / "right", "alice-secret")
            wait_for(lambda: provider.asked, 20, "keys are asked for")
            output(TOPICS, *ours, "--command-config", right, "--create", "--topic", "t")
            assert output(TOPICS, *ours, "--command-config", right, "--list") == "t\n"
            provider.keys.pop()
            provider.add("a")  # of the same name, and nobody has published it
            refused = tool(TOPICS, *ours, "--command-config", right, "--list")
            assert refused.returncode == 1
            assert "invalid_token" in refused.stdout + refused.stderr
            assert no_traceback(served.cluster.log("broker:1"))
