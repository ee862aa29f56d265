"""Reports read from followers, so that leaders have more time for everybody else.

::

    replica.selector.class=spare_leaders.SpareLeaders
"""

from __future__ import annotations

from barnabas.plugins import (
    ClientMetadata,
    PartitionView,
    ReplicaSelector,
    ReplicaView,
    TopicPartition,
)


class SpareLeaders(ReplicaSelector):
    """A consumer whose client id begins with ``report`` is sent to the follower with most records;
    any other one to a replica in its rack."""

    def select(
        self,
        topic_partition: TopicPartition,
        client_metadata: ClientMetadata,
        partition_view: PartitionView,
    ) -> ReplicaView | None:
        followers = [view for view in partition_view.replicas if view != partition_view.leader]
        if not client_metadata.client_id.startswith("report"):
            rack = client_metadata.rack_id
            if not rack or partition_view.leader.endpoint.rack == rack:
                return None  # it reads from the leader
            followers = [view for view in followers if view.endpoint.rack == rack]
        return max(followers, key=lambda view: view.log_end_offset, default=None)
