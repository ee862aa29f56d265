"""CreateTopicPolicy, AlterConfigPolicy: classes that may refuse new topics and changes of settings.

Sources: KIP-108, KIP-133, and the interfaces in ``org.apache.kafka.server.policy``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.plugins.base import Plugin
from barnabas.types import ConfigResourceType


class PolicyViolation(KafkaError):
    """PolicyViolationException: a request that a policy refuses. The client gets POLICY_VIOLATION
    and the text, of which 1,000 characters at most are sent."""

    def __init__(self, message: str = "") -> None:
        super().__init__(ErrorCode.POLICY_VIOLATION, str(message))


class CreateTopicPolicy(Plugin, ABC):
    """``create.topic.policy.class.name``: is asked about each new topic.

    It is asked by CreateTopics (with ``validate_only`` too) after everything else about the topic
    is found to be right, and about topics that a broker creates on first use, also the internal
    ones (``__consumer_offsets``). CreatePartitions does not ask, as in Kafka. Another broker than
    the controller creates topics on first use, so all brokers need the same policy.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class RequestMetadata:
        """A topic that is to be created."""

        topic: str
        num_partitions: int | None
        """None if the request places the replicas itself. Otherwise the request's number, or
        ``num.partitions`` if it has none."""
        replication_factor: int | None
        """In the same way; the default is ``default.replication.factor``."""
        replicas_assignments: Mapping[int, Sequence[int]] | None
        """Partition -> ids of brokers, if the request places the replicas itself, else None."""
        configs: Mapping[str, str]
        """The topic's own settings in the request, without the broker's defaults."""

    @abstractmethod
    def validate(self, request: RequestMetadata) -> None:
        """Return if the topic may be created. Raise PolicyViolation, with a text for the client, if
        it may not; other topics of the request are still created. Any other ``KafkaError`` gives
        the client its code and text. Any other exception gives UNKNOWN_SERVER_ERROR, and its
        traceback is logged."""


class ConfigResource(NamedTuple):
    """What settings belong to."""

    type: ConfigResourceType
    """TOPIC or BROKER."""
    name: str
    """The topic, or the id of the broker; empty for all brokers (``<default>``)."""


class AlterConfigPolicy(Plugin, ABC):
    """``alter.config.policy.class.name``: is asked about each change of a topic's or of brokers'
    settings.

    It is asked by AlterConfigs and IncrementalAlterConfigs (with ``validate_only`` too) after the
    new settings are found to be right. Levels of loggers, quotas and users are not asked about, as
    in Kafka.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class RequestMetadata:
        """A change of settings."""

        resource: ConfigResource
        configs: Mapping[str, str | None]
        """What the request says, by the settings' names. With AlterConfigs these are all settings
        that the resource shall have. With IncrementalAlterConfigs they are those that change, and
        the operation is not told: the value is the new one (SET), the items that are added or
        removed (APPEND, SUBTRACT), or None (DELETE). So Kafka does it in ZooKeeper mode."""

    @abstractmethod
    def validate(self, request: RequestMetadata) -> None:
        """Return if the settings may change. Raise PolicyViolation, with a text for the client, if
        they may not; other resources of the request still change. Other exceptions are answered as
        those of ``CreateTopicPolicy.validate``."""
