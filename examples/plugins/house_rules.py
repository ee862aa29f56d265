"""Rules for topics and settings: two plug-ins for the brokers of a house.

::

    create.topic.policy.class.name=house_rules.TopicRules
    alter.config.policy.class.name=house_rules.SettingRules
    house.rules.replicas.min=2
"""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.plugins import (
    AlterConfigPolicy,
    ConfigResourceType,
    CreateTopicPolicy,
    PolicyViolation,
)

LONGEST_RETENTION_MS = 30 * 24 * 3600 * 1000


class TopicRules(CreateTopicPolicy):
    """A topic has replicas enough, and a name ``team.subject``."""

    def configure(self, settings: Mapping[str, str]) -> None:
        self._replicas_min = int(settings.get("house.rules.replicas.min", "2"))

    def validate(self, request: CreateTopicPolicy.RequestMetadata) -> None:
        if request.topic.startswith("__"):
            return  # the brokers' own topics
        if "." not in request.topic:
            raise PolicyViolation(f"{request.topic}: name it team.subject")
        placed = request.replicas_assignments or {}
        counts = [len(replicas) for replicas in placed.values()]
        if request.replication_factor is not None:
            counts.append(request.replication_factor)
        if min(counts) < self._replicas_min:
            raise PolicyViolation(f"{request.topic}: give it {self._replicas_min} replicas")


class SettingRules(AlterConfigPolicy):
    """No topic keeps records for longer than 30 days."""

    def validate(self, request: AlterConfigPolicy.RequestMetadata) -> None:
        if request.resource.type is not ConfigResourceType.TOPIC:
            return
        retention = request.configs.get("retention.ms")
        if retention is not None and not 0 <= int(retention) <= LONGEST_RETENTION_MS:
            raise PolicyViolation(f"{request.resource.name}: keep records for 30 days at most")
