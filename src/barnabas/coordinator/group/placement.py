"""Where the state of groups is kept."""

from __future__ import annotations

OFFSETS_TOPIC = "__consumer_offsets"
