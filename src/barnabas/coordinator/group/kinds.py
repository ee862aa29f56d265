"""The two kinds of groups. A group id belongs to one of them at a time."""

from __future__ import annotations

from typing import TypeAlias

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.consumer.group import ConsumerGroup

AnyGroup: TypeAlias = Group | ConsumerGroup
