"""The topics of the cluster as consumer groups see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from barnabas.coordinator.group.consumer.regex import TopicPattern
from barnabas.coordinator.group.records.facts import MemberFacts, TopicFacts
from barnabas.errors import KafkaError
from barnabas.metadata_cache import MetadataCache

PATTERNS_MAX = 1_000
"""How many expressions are kept. Others are compiled again."""


class Topics(Protocol):
    """What decisions ask about the cluster's topics."""

    @property
    def version(self) -> int:
        """Rises with every change of metadata; 0 before the first."""
        ...

    def get(self, name: str) -> TopicFacts | None:
        """A topic; None if there is none, or it has no id."""
        ...

    def matching(self, pattern: str) -> Sequence[str]:
        """Names that a regular expression matches, ascending."""
        ...


class Patterns:
    """Regular expressions that have been read, by their text."""

    def __init__(self) -> None:
        self._patterns: dict[str, TopicPattern] = {}

    def get(self, pattern: str) -> TopicPattern:
        """Raises INVALID_REGULAR_EXPRESSION."""
        found = self._patterns.get(pattern)
        if found is None:
            if len(self._patterns) >= PATTERNS_MAX:
                self._patterns.clear()
            found = self._patterns[pattern] = TopicPattern(pattern)
        return found


class CachedTopics:
    """The metadata cache. Results that take long to compute are kept until the metadata changes."""

    def __init__(self, metadata: MetadataCache, patterns: Patterns) -> None:
        self._metadata = metadata
        self._patterns = patterns
        self._seen = -1
        self._names: list[str] = []
        self._topics: dict[str, TopicFacts | None] = {}
        self._matching: dict[str, list[str]] = {}

    @property
    def version(self) -> int:
        """The version of the cache."""
        return self._metadata.version

    def _refresh(self) -> None:
        if self._seen == self._metadata.version:
            return
        self._seen = self._metadata.version
        self._topics.clear()
        names = self._metadata.topics()
        if names != self._names:
            self._names = names
            self._matching.clear()

    def get(self, name: str) -> TopicFacts | None:
        """A topic as the controller announced it."""
        self._refresh()
        if name not in self._topics:
            self._topics[name] = self._read(name)
        return self._topics[name]

    def _read(self, name: str) -> TopicFacts | None:
        topic_id, partitions = self._metadata.topic_id(name), self._metadata.partitions(name)
        if topic_id is None or not partitions:
            return None
        return TopicFacts(id=topic_id, partitions=len(partitions))

    def matching(self, pattern: str) -> Sequence[str]:
        """Names that a regular expression matches; none if a record holds an invalid one."""
        self._refresh()
        found = self._matching.get(pattern)
        if found is None:
            try:
                compiled = self._patterns.get(pattern)
            except KafkaError:
                return []
            found = self._matching[pattern] = [n for n in self._names if compiled.matches(n)]
        return found


def subscribed(
    member: MemberFacts, known: Mapping[str, TopicFacts], found: Sequence[str]
) -> list[str]:
    """The topics that a member subscribes to, by name or because its expression has ``found`` them,
    ascending."""
    return sorted({name for name in (*member.topics, *found) if name in known})
