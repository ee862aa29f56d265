"""Asks the policies about what clients want. For the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from barnabas.plugins.loading import Guard
from barnabas.plugins.policies import AlterConfigPolicy, ConfigResource, CreateTopicPolicy
from barnabas.types import ConfigResourceType

CREATE_TOPIC_POLICY: Final = "create.topic.policy.class.name"
ALTER_CONFIG_POLICY: Final = "alter.config.policy.class.name"


class Policies:
    """The policies of one broker; None for one that its settings do not name."""

    def __init__(
        self, create_topic: CreateTopicPolicy | None, alter_config: AlterConfigPolicy | None
    ) -> None:
        self._create_topic: Guard[CreateTopicPolicy] | None = None
        self._alter_config: Guard[AlterConfigPolicy] | None = None
        if create_topic is not None:
            self._create_topic = Guard(CREATE_TOPIC_POLICY, create_topic)
        if alter_config is not None:
            self._alter_config = Guard(ALTER_CONFIG_POLICY, alter_config)

    def check_topic(
        self,
        name: str,
        assignment: Mapping[int, Sequence[int]],
        configs: Mapping[str, str],
        *,
        manual: bool,
    ) -> None:
        """Raises KafkaError unless the policy allows the topic. ``assignment``: partition ->
        replicas, one partition at least; ``manual``: whether the request places them."""
        if self._create_topic is None:
            return
        request = CreateTopicPolicy.RequestMetadata(
            topic=name,
            num_partitions=None if manual else len(assignment),
            replication_factor=None if manual else len(next(iter(assignment.values()))),
            replicas_assignments=dict(assignment) if manual else None,
            configs=dict(configs),
        )
        with self._create_topic.answered() as policy:
            _returns_nothing(policy.validate, request)

    def check_configs(self, kind: int, name: str, configs: Mapping[str, str | None]) -> None:
        """Raises KafkaError unless the policy allows the change. ``kind``: that of the resource;
        ``configs``: what the request says."""
        if self._alter_config is None:
            return
        request = AlterConfigPolicy.RequestMetadata(
            resource=ConfigResource(ConfigResourceType(kind), name), configs=dict(configs)
        )
        with self._alter_config.answered() as policy:
            _returns_nothing(policy.validate, request)


def _returns_nothing(validate: object, request: object) -> None:
    """Call it. Raises TypeError if it returns anything: whoever returns False believes that this
    refuses the request."""
    result = cast("Callable[[object], object]", validate)(request)
    if result is not None:
        raise TypeError(
            f"validate returned {result!r}; it must return None or raise PolicyViolation"
        )
