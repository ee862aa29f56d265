"""What consumers tell each other through a group, as far as the broker reads it. Pure.

Only the topics of a subscription: they decide which offsets may expire or be deleted. The rest of
the metadata, and every assignment, is for the clients.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

CONSUMER_PROTOCOL_TYPE: Final = "consumer"

_START = struct.Struct(">hi")


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """All topics that these subscriptions name; None if one cannot be read."""
    topics: dict[str, None] = {}
    try:
        for data in subscriptions:
            version, count = _START.unpack_from(data)
            if version < 0 or not 0 <= count <= len(data):
                return None
            at = _START.size
            for _ in range(count):
                length = int.from_bytes(data[at : at + 2], "big", signed=True)
                end = at + 2 + length
                if length < 0 or end > len(data):
                    return None
                topics[data[at + 2 : end].decode()] = None
                at = end
    except (struct.error, UnicodeDecodeError):
        return None
    return frozenset(topics)
