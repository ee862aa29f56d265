"""The two kinds of group under one roof: an id has at most one of them."""

from __future__ import annotations

from typing import TypeAlias

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.consumer.group import ConsumerGroup

AnyGroup: TypeAlias = Group | ConsumerGroup
