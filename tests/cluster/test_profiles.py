"""Settings for a purpose."""

from __future__ import annotations

import pytest

from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.profiles import PROFILES, SERVER, profile_named
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError


@pytest.mark.parametrize("name", PROFILES)
def test_a_broker_can_be_started_with_each(name: str) -> None:
    plan = ClusterPlan(directory="/data", profile=PROFILES[name])
    config = BrokerConfig(plan.broker_settings(1))
    assert config.without_effect() == []
    session_ms = config.integer("zookeeper.session.timeout.ms")
    assert 2 * plan.profile.tick_ms <= session_ms <= 20 * plan.profile.tick_ms
    assert session_ms < config.integer("replica.lag.time.max.ms")


def test_the_profile_of_a_server_changes_nothing() -> None:
    assert SERVER.settings == {}
    plan = ClusterPlan(directory="/data", profile=SERVER)
    config = BrokerConfig(plan.broker_settings(1))
    assert config.integer("zookeeper.session.timeout.ms") == 18_000
    assert config.integer("replica.lag.time.max.ms") == 30_000


def test_overrides_come_last() -> None:
    plan = ClusterPlan(directory="/data", overrides={"zookeeper.session.timeout.ms": "4000"})
    assert plan.broker_settings(1)["zookeeper.session.timeout.ms"] == "4000"


def test_an_unknown_name() -> None:
    with pytest.raises(
        ConfigError, match="no profile is named 'prod'; there are server, dev, test"
    ):
        profile_named("prod")
