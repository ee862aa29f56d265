"""BrokerTopicMetrics, ReplicaManager's meters: what the hot paths count. Plain integers, which
nobody reads before somebody asks for them."""

from __future__ import annotations


class TopicFigures:
    """Of one topic on this broker, since its start."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "failed_fetches",
        "failed_produces",
        "fetches",
        "messages_in",
        "produces",
    )

    def __init__(self) -> None:
        self.messages_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        """To consumers."""
        self.produces = 0
        """Parts of Produce requests, one for each partition; also those that failed."""
        self.failed_produces = 0
        self.fetches = 0
        """The same of a Fetch."""
        self.failed_fetches = 0


class ReplicationFigures:
    """Of one broker, since its start."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicFigures] = {}
        """Of those that this broker has hosted; forgotten when the topic is deleted."""
        self.bytes_in = 0
        """Copied from leaders."""
        self.bytes_out = 0
        """Sent to followers."""
        self.isr_shrinks = 0
        self.isr_expands = 0
        self.failed_isr_updates = 0

    def of(self, topic: str) -> TopicFigures:
        """A topic's."""
        found = self.topics.get(topic)
        if found is None:
            found = self.topics[topic] = TopicFigures()
        return found
