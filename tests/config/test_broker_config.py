from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"broker.id": "one"}, "Invalid value one for configuration broker.id"),
        ({"broker.id": "1\n2"}, "broker.id: Not a number of type INT"),
        ({"broker.id": "1", "node.id": "2"}, "node.id: must be the same as broker.id"),
        ({"listeners": "nonsense"}, "listeners: 'nonsense'"),
        ({"listeners": "SSL://:9093"}, "listener.name.ssl.ssl.keystore.location: required"),
        ({"listeners": "FOO://:9093"}, "no security protocol"),
        ({"listeners": "PLAINTEXT://:1,PLAINTEXT://:2"}, "is given twice"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:9092"}, "advertised.listeners"),
        ({"inter.broker.listener.name": "X"}, "inter.broker.listener.name"),
        ({"log.cleanup.policy": "burn"}, "Invalid value burn for configuration log.cleanup.policy"),
        ({"log.segment.bytes": "3"}, "log.segment.bytes: Value must be at least 14"),
        ({"log.flush.scheduler.interval.ms": "-1"}, "log.flush.scheduler.interval.ms"),
        ({"connections.max.idle.ms": "100"}, "connections.max.idle.ms: 100 must be greater"),
        ({"queued.max.request.bytes": "100"}, "queued.max.request.bytes"),
        ({"max.connections.per.ip.overrides": "a b:1"}, "max.connections.per.ip.overrides"),
        ({"log.cleaner.min.compaction.lag.ms": "9", "log.cleaner.max.compaction.lag.ms": "8"}, "9"),
        (
            {
                "inter.broker.listener.name": "PLAINTEXT",
                "security.inter.broker.protocol": "PLAINTEXT",
            },
            "inter.broker.listener.name: only one",
        ),
        ({"log.dirs": ""}, "log.dirs: at least one"),
        ({"log.dirs": "/a\0b"}, r"log.dirs: '/a\x00b' is no path"),
        ({"log.dirs": "//data,/data"}, "log.dirs: //data and /data are the same directory"),
        ({"log.dirs": "/data,/data/extra"}, "log.dirs: /data/extra lies inside /data"),
        ({"log.dirs": "/data/extra/, /data"}, "log.dirs: /data/extra lies inside /data"),
        ({"log.dirs": "/a/../b,/b/"}, "log.dirs: /b and /b are the same directory"),
        ({"log.dirs": "/,/a"}, "log.dirs: /a lies inside /"),
        ({"num.partitions": str(2**31)}, "num.partitions"),
        ({"broker.id": "1001"}, "reserved.broker.max.id"),
        ({"replica.fetch.wait.max.ms": "30001"}, "replica.socket.timeout.ms"),
    ],
)
def test_what_cannot_be_is_one_line_naming_the_setting(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BrokerConfig(given)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_changes_nothing_is_accepted_and_named() -> None:
    given = {
        "num.io.threads": "9",
        "num.network.threads": "3",  # the default
        "a.plug.in": "x",
        "listener.name.plaintext.max.connections": "5",
        "log.segment.bytes": "1000",
    }
    config = BrokerConfig(given)
    assert config.without_effect() == ["num.io.threads", "a.plug.in"]
