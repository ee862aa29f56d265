"""All faults by name. Those that are stories take several steps, timed by what the cluster does, to
reach what chance alone reaches rarely. Each is the history of a bug of Kafka's, told to a cluster
that must not have it."""

from __future__ import annotations

from tests.simulation.controller_stories import CONTROLLER_STORIES
from tests.simulation.disk_faults import DISK_FAULTS
from tests.simulation.hostile_clients import HOSTILE_CLIENTS
from tests.simulation.moving_stories import MOVING_STORIES
from tests.simulation.nemesis import FAULTS, Fault
from tests.simulation.replication_stories import REPLICATION_STORIES
from tests.simulation.silence_stories import SILENCE_STORIES
from tests.simulation.topic_stories import TOPIC_STORIES

ALL_FAULTS: dict[str, Fault] = {
    **FAULTS,
    **REPLICATION_STORIES,
    **CONTROLLER_STORIES,
    **SILENCE_STORIES,
    **DISK_FAULTS,
    **TOPIC_STORIES,
    **MOVING_STORIES,
    **HOSTILE_CLIENTS,
}
NAMED_ONLY = (*TOPIC_STORIES, *SILENCE_STORIES)
"""Drawn only where they are asked for by name: what a seed draws stays as it was."""
TOGETHER = (
    "kill", "bounce", "kill_all", "power", "pause", "coordinator", "clock", "outage",
    "disk_error", "disk_full", "slow_disk", "bit_flip", "reassign", "elect",
    "create_topic", "greedy", "malicious", "throttled", "drain",
)  # fmt: skip
"""What can happen when all processes are on one machine."""
