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
"""A connection with more bytes of unsent answers is not served until they are sent."""

WRITE_BUFFER_BYTES_FREE = 64 * 1024
"""Unsent answers of one connection that are not counted. While memory is short it is their
bound."""

ANSWER_BYTES_MAX = 128 * 1024 * 1024
"""Answers of the whole broker that are made but not sent. The less is free, the less a fetch gets;
a quarter is for replicas only. At this bound the connections with the most unsent bytes are closed.
"""

FETCH_BYTES_AT_ONCE = 8 * 1024 * 1024
"""The most records in one answer to a Fetch, even if the Fetch allows more; at least one batch. To
read and send this much takes about 10 ms."""

QUEUED_REQUEST_BYTES_MAX = 128 * 1024 * 1024
"""Requests of the whole broker that were received, at least in part, and not answered. Used as
``queued.max.request.bytes`` if that is -1, which means no bound in Kafka."""

TAIL_BYTES_MAX = 32 * 1024 * 1024
"""Large appended batches of the whole broker that are kept in memory until their followers have
them. Most belong to requests that wait for the followers. Beyond this they are read from files."""

WAITING_REQUEST_BYTES = 4 * 1024
"""Memory of a request that waits for its answer, beside its bytes: about."""

WAITING_REQUEST_BYTES_MAX = 32 * 1024 * 1024
"""Requests of one connection that wait for their answers. One request always may."""

STEPPED_FRAME_BYTES = 8 * 1024
"""A longer request (other than Produce) is decoded in steps."""

LARGE_FRAME_BYTES = 64 * 1024
"""A longer request is decoded and served only while few other such requests are."""

REQUEST_ELEMENTS_MAX = 100_000
"""Structs and strings in one request of a client (other than Produce and Fetch). Each takes a few
hundred bytes of memory when decoded, however short it is on the wire."""

CONTROLLER_REQUEST_ELEMENTS_MAX = 2_000_000
"""The same for a controller's request, which may name every partition of a cluster."""

REQUEST_PARTITIONS_MAX = 20_000
"""Partitions in one Produce or Fetch, and forgotten partitions in one Fetch. A producer's largest
request (1 MB by default) has room for 13,000 batches."""

FOLLOWER_PARTITIONS_MAX = 100_000
"""Partitions in one Fetch of another broker, if it is registered. A Java follower names all that it
copies from a leader in one request; what counts is that it fits in ``socket.request.max.bytes``."""

PARTITIONS_AT_ONCE = 128
"""A Produce or Fetch of more partitions is served in steps."""

LOOKS_AT_ONCE = 1024
"""A Fetch that has more partitions of its session to look at, named or not, is served in steps."""

DECODED_ELEMENT_BYTES = 600
"""About how much memory a decoded struct or partition of a request takes."""

SESSION_PARTITIONS_MAX = 200_000
"""Partitions in the fetch sessions of all consumers together. A follower's session may have more
than two requests can name while those of all followers have no more than this."""

UNFINISHED_BYTES_PER_S_MIN = 1024
"""A frame that arrives more slowly, measured over ``barnabas.unfinished.request.timeout.ms``,
closes its connection."""

PARKED_REQUESTS_MAX = 256
"""Requests of one connection that may wait (acks=all, long polls). With more it is not read."""

WAITING_FETCHES_MAX = 4
"""Of a client's connection, before nothing more of it is handled. In the original it is one."""

CLIENT_ID_LENGTH_MAX = 32_767
"""Kafka's own bound: an i16 length."""

DECOMPRESSED_BATCH_BYTES_MAX = REQUEST_BYTES_MAX
"""A compressed batch with more bytes after decompression counts as corrupt."""

RECORDS_MAX = 200_000
"""The most records of a batch. Reading more would hold up the broker too long, and a few kB of zstd
can hold millions. Java producers split a batch that is too large, others batch by 10,000. Without
compression this many records do not fit into the default ``max.message.bytes``."""
