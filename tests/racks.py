"""Brokers in racks whose followers serve consumers (KIP-392), and what they have sent."""

from __future__ import annotations

import re
import urllib.request

from barnabas.testing import Cluster

RACKS = ("a", "b", "c")
SETTINGS = {
    "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
}


def sent_bytes(cluster: Cluster, broker: int, topic: str) -> float:
    """The bytes of records of a topic that a broker has sent to consumers since its start."""
    return _metric(cluster, broker, "bytesoutpersec", topic)


def failed_fetches(cluster: Cluster, broker: int, topic: str) -> float:
    """How often a broker has answered a consumer's fetch of a topic with an error."""
    return _metric(cluster, broker, "failedfetchrequestspersec", topic)


def _metric(cluster: Cluster, broker: int, name: str, topic: str) -> float:
    with urllib.request.urlopen(f"{cluster.http_url(broker)}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    label = f'kafka_server_brokertopicmetrics_{name}{{topic="{topic}"}}'
    found = re.search(rf"^{re.escape(label)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
