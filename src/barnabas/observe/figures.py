"""BrokerTopicMetrics and ReplicaManager's meters: what the hot paths count.

They are plain integers, so that counting is cheap; they are read only for ``/metrics``.
"""

from __future__ import annotations

from barnabas.observe.histogram import Histogram, SizeHistogram


class TopicFigures:
    """The counts of one topic on this broker, since the broker's start."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "failed_fetches",
        "failed_produces",
        "fetch_conversion",
        "fetch_conversion_bytes",
        "fetch_conversions",
        "fetches",
        "messages_in",
        "produce_conversion",
        "produce_conversion_bytes",
        "produce_conversions",
        "produces",
    )

    def __init__(self, broker: ReplicationFigures) -> None:
        # Those of the broker: they are not told apart by topic.
        self.produce_conversion = broker.produce_conversion
        self.produce_conversion_bytes = broker.produce_conversion_bytes
        self.fetch_conversion = broker.fetch_conversion
        self.fetch_conversion_bytes = broker.fetch_conversion_bytes
        self.messages_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        """To consumers."""
        self.produces = 0
        """Partitions in Produce requests, also those that failed."""
        self.failed_produces = 0
        self.fetches = 0
        """Partitions in Fetch requests, also those that failed."""
        self.failed_fetches = 0
        self.produce_conversions = 0
        """Records that were written in another format or codec than they came in."""
        self.fetch_conversions = 0
        """Records that were converted for a consumer."""


class ReplicationFigures:
    """The counts of one broker, since its start."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicFigures] = {}
        """By topic, for topics that this broker has hosted; dropped when the topic is deleted."""
        self.bytes_in = 0
        """Copied from leaders."""
        self.bytes_out = 0
        """Sent to followers."""
        self.isr_shrinks = 0
        self.isr_expands = 0
        self.failed_isr_updates = 0
        self.produce_conversion = Histogram()
        """Time to append a batch that was converted."""
        self.produce_conversion_bytes = SizeHistogram()
        """Bytes of a batch that was converted."""
        self.fetch_conversion = Histogram()
        """Time to convert the records of a partition for an old consumer."""
        self.fetch_conversion_bytes = SizeHistogram()
        """Bytes of the converted records."""

    def of(self, topic: str) -> TopicFigures:
        """The counts of a topic, made if there are none yet."""
        found = self.topics.get(topic)
        if found is None:
            found = TopicFigures(self)
            self.topics[topic] = found
        return found
