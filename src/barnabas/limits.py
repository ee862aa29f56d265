"""Bounds that protect a broker from its peers; sizes in bytes unless the name says otherwise.

Every length that arrives from the network is checked against one of these before memory is taken.
"""

from __future__ import annotations

REQUEST_BYTES_MAX = 100 * 1024 * 1024
"""Default of ``socket.request.max.bytes``: a longer size prefix closes the connection."""

ZOOKEEPER_FRAME_BYTES_MAX = 4 * 1024 * 1024
"""``jute.maxbuffer`` as Kafka sets it for its clients."""
ZOOKEEPER_SERVER_FRAME_BYTES_MAX = 0xFFFFF
"""``jute.maxbuffer`` of a ZooKeeper server, unless it is set."""

WRITE_BUFFER_BYTES_MAX = 1024 * 1024
"""A connection whose unsent answers pass this is not read until they drain."""

PARKED_REQUESTS_MAX = 256
"""Requests of one connection that may wait (acks=all, long polls) before it is not read."""

TOPIC_NAME_LENGTH_MAX = 249
CLIENT_ID_LENGTH_MAX = 32_767
"""Kafka's own bound: an i16 length."""

DECOMPRESSED_BATCH_BYTES_MAX = REQUEST_BYTES_MAX
"""A compressed batch that unfolds to more is called corrupt wherever its records are read."""
