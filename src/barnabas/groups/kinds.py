"""The two kinds of group under one roof: an id has at most one of them."""

from __future__ import annotations

from typing import TypeAlias

from barnabas.groups.consumer.group import ConsumerGroup
from barnabas.groups.group import Group

AnyGroup: TypeAlias = Group | ConsumerGroup
