"""Snapshots, patches and events as JSON documents, for pages, tests and scripts. Pure.

A partition has no keys with empty values, since there may be thousands of partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from barnabas.console.health import Health
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Patch,
    Snapshot,
    TopicPatch,
)
from barnabas.console.timeline import Event

Document = dict[str, Any]


def snapshot_document(snapshot: Snapshot) -> Document:
    """A whole snapshot. A patch has the same form; see ``patch_document``."""
    return {
        "cluster_id": snapshot.cluster_id,
        "controller": controller_document(snapshot.controller),
        "brokers": {str(b.id): broker_document(b) for b in snapshot.brokers.values()},
        "topics": {
            topic.name: {
                "topic_id": topic.topic_id,
                "min_isr": topic.min_isr,
                "partitions": {
                    str(number): partition_document(p) for number, p in topic.partitions.items()
                },
            }
            for topic in snapshot.topics.values()
        },
    }


def patch_document(patch: Patch) -> Document:
    """What changed; null means that the item is gone. ``controller`` is there only if it
    changed."""
    document: Document = {"cluster_id": patch.cluster_id}
    if patch.controller is not None:
        document["controller"] = controller_document(patch.controller)
    if patch.brokers:
        document["brokers"] = {
            str(i): None if b is None else broker_document(b) for i, b in patch.brokers.items()
        }
    if patch.topics:
        document["topics"] = {name: _topic(change) for name, change in patch.topics.items()}
    return document


def _topic(change: TopicPatch | None) -> Document | None:
    if change is None:
        return None
    return {
        "topic_id": change.topic_id,
        "min_isr": change.min_isr,
        "partitions": {
            str(number): None if p is None else partition_document(p)
            for number, p in change.partitions.items()
        },
    }


def controller_document(controller: ControllerState) -> Document:
    """``broker`` is -1 while nobody is controller."""
    return {
        "broker": controller.broker,
        "epoch": controller.epoch,
        "since_ms": controller.since_ms,
    }


def broker_document(broker: BrokerState) -> Document:
    """A registered broker."""
    return {
        "id": broker.id,
        "epoch": broker.epoch,
        "rack": broker.rack,
        "since_ms": broker.since_ms,
        "endpoints": [
            {
                "listener": e.listener,
                "security_protocol": e.security_protocol,
                "host": e.host,
                "port": e.port,
            }
            for e in broker.endpoints
        ],
    }


def partition_document(partition: PartitionState) -> Document:
    """A partition; ``adding``, ``removing`` and ``recovering`` are left out where empty or
    false."""
    document: Document = {
        "leader": partition.leader,
        "epoch": partition.leader_epoch,
        "replicas": list(partition.replicas),
        "isr": list(partition.isr),
        "changed_ms": partition.changed_ms,
    }
    if partition.adding:
        document["adding"] = list(partition.adding)
    if partition.removing:
        document["removing"] = list(partition.removing)
    if partition.recovering:
        document["recovering"] = True
    return document


def health_document(health: Health) -> Document:
    """The level, the sentence and the counts."""
    return {
        "level": health.level,
        "sentence": health.sentence,
        "brokers": health.brokers,
        "missing": list(health.missing),
        "topics": health.topics,
        "partitions": health.partitions,
        "leaderless": health.leaderless,
        "under_replicated": health.under_replicated,
        "under_min_isr": health.under_min_isr,
        "moving": health.moving,
        "not_preferred": health.not_preferred,
    }


def event_document(number: int, event: Event) -> Document:
    """``number`` counts the events of one console, from 0."""
    document: Document = {
        "number": number,
        "time_ms": event.time_ms,
        "kind": event.kind,
        "text": event.text,
    }
    optional: Mapping[str, object] = {
        "why": event.why,
        "strategy": event.strategy,
        "zxid": event.zxid,
    }
    document.update({key: value for key, value in optional.items() if value})
    named: Mapping[str, object] = {
        "broker": event.broker,
        "topic": event.topic,
        "partition": event.partition,
    }
    document.update({key: value for key, value in named.items() if value is not None})
    if event.fields:
        document["fields"] = dict(event.fields)
    return document
