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
"""A connection whose unsent answers pass this is not served until they drain."""

WRITE_BUFFER_BYTES_FREE = 64 * 1024
"""Unsent answers of one connection that nobody counts; its bound while memory is short."""

ANSWER_BYTES_MAX = 128 * 1024 * 1024
"""Of the whole broker: answers made and not sent. The fuller it is, the less is a fetch answered
with; a quarter is for replicas alone. At the whole the connections that owe most are closed."""

FETCH_BYTES_AT_ONCE = 8 * 1024 * 1024
"""Records in one answer to a Fetch, whatever that allows, but one batch at least. To read and send
so many takes the loop some 10 ms."""

QUEUED_REQUEST_BYTES_MAX = 128 * 1024 * 1024
"""Of the whole broker: requests received, in part or whole, and not answered. Stands for
``queued.max.request.bytes`` while that is -1 (no bound, in the original)."""

WAITING_REQUEST_BYTES_MAX = 32 * 1024 * 1024
"""Requests of one connection that wait for their answers; one always may."""

STEPPED_FRAME_BYTES = 8 * 1024
"""A request (but Produce) that is longer is decoded in steps."""

LARGE_FRAME_BYTES = 64 * 1024
"""One that is longer than this is decoded and worked on only when few others are."""

REQUEST_ELEMENTS_MAX = 100_000
"""Structs and strings in one request of a client (but Produce and Fetch): each takes some hundred
bytes of memory once it is decoded, however few it takes on the wire."""

CONTROLLER_REQUEST_ELEMENTS_MAX = 2_000_000
"""The same for what a controller sends: it may name every partition of a cluster."""

REQUEST_PARTITIONS_MAX = 20_000
"""Partitions in one Produce or Fetch, and as many that a Fetch forgets. A producer's largest
request (1 MB, unless it is told otherwise) has room for 13,000 batches."""

PARTITIONS_AT_ONCE = 128
"""A Produce or Fetch of more partitions is worked on in steps."""

DECODED_ELEMENT_BYTES = 600
"""Memory of a struct or a partition of a request, once it is decoded: about."""

SESSION_PARTITIONS_MAX = 200_000
"""In the fetch sessions of all consumers together."""

UNFINISHED_BYTES_PER_S_MIN = 1024
"""A frame that comes more slowly than this, over ``barnabas.unfinished.request.timeout.ms``, is not
waited for."""

PARKED_REQUESTS_MAX = 256
"""Requests of one connection that may wait (acks=all, long polls) before it is not read."""

CLIENT_ID_LENGTH_MAX = 32_767
"""Kafka's own bound: an i16 length."""

DECOMPRESSED_BATCH_BYTES_MAX = REQUEST_BYTES_MAX
"""A compressed batch that unfolds to more is called corrupt wherever its records are read."""
