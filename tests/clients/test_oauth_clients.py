"""Clients with signed tokens, of a provider that publishes its keys over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tests.cli.kit import fails, ok
from tests.clients.test_secure_clients import _librdkafka, _there_and_back
from tests.cluster_kit import Cluster, free_ports, no_traceback, wait_for
from tests.security.oauth.provider import AUDIENCE, ISSUER, Provider

from barnabas.security.oauth_settings import LOGIN_HANDLER, VALIDATOR
from barnabas.security.sasl import oauthbearer

pytestmark = pytest.mark.processes

REFUSED = '({"status":"invalid_token"})'
PREFIX = "listener.name.clients.oauthbearer."


class Served:
    """A broker that takes the tokens of a provider."""

    def __init__(self, directory: Path, provider: Provider, url: str) -> None:
        self.provider, self.url = provider, url
        self.cluster = Cluster(directory=directory, brokers=1)
        self.cluster.port = free_ports(3)
        self.cluster.zookeeper_port = self.cluster.port + 1
        self.port = self.cluster.port + 2
        self.cluster.overrides = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.cluster.port},"
            f"CLIENTS://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{PREFIX}sasl.jaas.config": f"{oauthbearer.MODULE} required;",
            f"{PREFIX}sasl.server.callback.handler.class": VALIDATOR,
            "sasl.oauthbearer.jwks.endpoint.url": f"{url}/keys",
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms": "500",
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
        }

    @property
    def refusals(self) -> int:
        """How many tokens the broker has refused."""
        return self.cluster.log("broker:1").count(REFUSED)

    def has_refused_more_than(self, count: int) -> bool:
        return self.refusals > count

    def librdkafka(self, token: Any) -> dict[str, Any]:
        sasl = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}
        callback = {"oauth_cb": lambda _: (token(), time.time() + 200)}
        return {**_librdkafka(f"127.0.0.1:{self.port}", **sasl), **callback}

    def properties(self, path: Path, secret: str) -> str:
        """For Kafka's tools and ours."""
        path.write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n"
            f"sasl.login.callback.handler.class={LOGIN_HANDLER}\n"
            f"sasl.oauthbearer.token.endpoint.url={self.url}/token\n"
            f"sasl.jaas.config={oauthbearer.MODULE} required"
            f' clientId="alice" clientSecret="{secret}";\n'
        )
        return str(path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    provider = Provider("a")
    with provider.served(time.time) as url:
        served = Served(tmp_path_factory.mktemp("oauth"), provider, url)
        with served.cluster:
            wait_for(lambda: provider.asked, 20, "keys are asked for")
            yield served
            assert no_traceback(served.cluster.log("broker:1"))


def test_librdkafka(served: Served) -> None:
    config = served.librdkafka(lambda: served.provider.token("alice", time.time()))
    _there_and_back(config, "signed")


def test_tokens_that_are_not_taken(served: Served) -> None:
    stranger = Provider("a")
    for token in (
        stranger.token("alice", time.time()),
        served.provider.token("alice", time.time(), aud="others"),
        served.provider.token("alice", time.time() - 1000),
    ):
        before = served.refusals
        admin = AdminClient(served.librdkafka(lambda t=token: t))
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=0.5)
        wait_for(partial(served.has_refused_more_than, before), 10, "the token is refused")


def test_a_key_that_comes_later(served: Served) -> None:
    served.provider.add("b", "EC")
    properties = served.properties(served.cluster.directory / "alice.properties", "alice-secret")
    here = ("--command-config", properties, "-b", f"127.0.0.1:{served.port}")

    def enters() -> bool:
        return served.cluster.cli("topic", "list", *here).returncode == 0

    wait_for(enters, 20, "the new key is known")


def test_our_own_command(served: Served, tmp_path: Path) -> None:
    there = ("-b", f"127.0.0.1:{served.port}")
    right = served.properties(tmp_path / "right", "alice-secret")
    ok(served.cluster, "topic", "create", "own", "--command-config", right, *there)
    wrong = served.properties(tmp_path / "wrong", "no-secret")
    refused = served.cluster.cli("topic", "list", "--command-config", wrong, *there)
    fails(refused, 1, "status 401")
    assert "secret" not in refused.stderr
