"""Listeners."""

from __future__ import annotations

from barnabas.config.broker_config import BrokerConfig
from barnabas.types import Endpoint


def test_listeners() -> None:
    config = BrokerConfig(
        {
            "listeners": "INTERNAL://127.0.0.1:9092,external://0.0.0.0:9093",
            "advertised.listeners": "INTERNAL://127.0.0.1:9092,EXTERNAL://kafka.example:9093",
            "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
            "inter.broker.listener.name": "internal",
        }
    )
    assert config.listeners[1] == Endpoint("EXTERNAL", "PLAINTEXT", "0.0.0.0", 9093)
    assert config.advertised[1].host == "kafka.example"
    assert config.inter_broker_listener == "INTERNAL"
