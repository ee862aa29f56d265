"""Every broker setting that Barnabas honours, with Kafka 3.9's names and defaults (reference 10).

``KNOWN_WITHOUT_EFFECT`` lists Kafka settings that a server.properties may carry and that change
nothing here; they are accepted with a warning. Any other name is an error.
"""

from __future__ import annotations

import sys

from barnabas.config.definition import ConfigType, Setting, Value

_BOOL, _STR, _INT = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.INT
_SHORT, _LONG, _DOUBLE, _LIST = (
    ConfigType.SHORT,
    ConfigType.LONG,
    ConfigType.DOUBLE,
    ConfigType.LIST,
)
LONG_MAX = 2**63 - 1
DOUBLE_MAX = sys.float_info.max
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
ASSIGNOR_CLASSES = {
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
    "uniform": "uniform",
    "range": "range",
}
CODECS = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")


def _setting(
    name: str,
    type: ConfigType,  # noqa: A002
    default: Value,
    doc: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
    topic: str | None = None,
    scale: int = 1,
    ours: bool = False,
) -> Setting:
    return Setting(
        name=name,
        type=type,
        default=default,
        doc=doc,
        minimum=at_least,
        maximum=at_most,
        choices=choices,
        topic_name=topic,
        scale_to_topic=scale,
        ours=ours,
    )


_IDENTITY = (
    _setting("broker.id", _INT, -1, "This broker's id; -1 lets the cluster generate one."),
    _setting("broker.id.generation.enable", _BOOL, True, "Generate an id when broker.id is -1."),
    _setting("reserved.broker.max.id", _INT, 1000, "Generated ids lie above this.", at_least=0),
    _setting("broker.rack", _STR, None, "The rack, for rack-aware replica assignment."),
    _setting("listeners", _LIST, ("PLAINTEXT://:9092",), "NAME://host:port to listen on."),
    _setting("advertised.listeners", _LIST, None, "What clients are told; default: listeners."),
    _setting(
        "listener.security.protocol.map",
        _LIST,
        (
            "PLAINTEXT:PLAINTEXT",
            "SSL:SSL",
            "SASL_PLAINTEXT:SASL_PLAINTEXT",
            "SASL_SSL:SASL_SSL",
        ),
        "Security protocol of each listener name. Only PLAINTEXT is served.",
    ),
    _setting("inter.broker.listener.name", _STR, None, "Listener that brokers use."),
)

_ZOOKEEPER = (
    _setting("zookeeper.connect", _STR, None, "host:port[,host:port...][/chroot]"),
    _setting(
        "zookeeper.session.timeout.ms",
        _INT,
        18_000,
        "A broker unheard of for this long is dead.",
        at_least=1,
    ),
    _setting(
        "zookeeper.connection.timeout.ms",
        _INT,
        None,
        "How long a start waits for ZooKeeper; default: the session timeout.",
    ),
    _setting("zookeeper.max.in.flight.requests", _INT, 10, "Kept for Kafka's sake.", at_least=1),
    _setting(
        "barnabas.zookeeper.fast.expiry.ms",
        _INT,
        200,
        "The embedded coordinator drops this broker's session so long after its connection broke "
        "without a new one (a killed process). 0: only the session timeout counts.",
        at_least=0,
        ours=True,
    ),
)

_CONTROLLER = (
    _setting("controller.socket.timeout.ms", _INT, 30_000, "Timeout of controller requests."),
    _setting("auto.leader.rebalance.enable", _BOOL, True, "Give leadership back periodically."),
    _setting("leader.imbalance.check.interval.seconds", _LONG, 300, "Interval.", at_least=1),
    _setting("leader.imbalance.per.broker.percentage", _INT, 10, "Allowed imbalance."),
    _setting("delete.topic.enable", _BOOL, True, "Allow DeleteTopics."),
    _setting("auto.create.topics.enable", _BOOL, True, "Create topics on first use."),
    _setting("controlled.shutdown.enable", _BOOL, True, "Hand leadership over on shutdown."),
    _setting("controlled.shutdown.max.retries", _INT, 3, "Attempts.", at_least=0),
    _setting("controlled.shutdown.retry.backoff.ms", _LONG, 5000, "Pause between attempts."),
    _setting(
        "barnabas.controller.refused.connections",
        _INT,
        5,
        "So many connections in a row refused by a broker's own port make the controller elect "
        "around it before its session expires. 0: never.",
        at_least=0,
        ours=True,
    ),
)

_REPLICATION = (
    _setting("default.replication.factor", _INT, 1, "Of auto-created topics.", at_least=1),
    _setting("num.partitions", _INT, 1, "Partitions of auto-created topics.", at_least=1),
    _setting(
        "min.insync.replicas",
        _INT,
        1,
        "acks=all needs this many in-sync replicas.",
        at_least=1,
        topic="min.insync.replicas",
    ),
    _setting(
        "unclean.leader.election.enable",
        _BOOL,
        False,
        "Let a replica out of sync lead when no other is left; loses records.",
        topic="unclean.leader.election.enable",
    ),
    _setting("replica.lag.time.max.ms", _LONG, 30_000, "Lag after which the ISR shrinks."),
    _setting("replica.fetch.max.bytes", _INT, 1_048_576, "Per partition.", at_least=0),
    _setting("replica.fetch.response.max.bytes", _INT, 10_485_760, "Per answer.", at_least=0),
    _setting("replica.fetch.wait.max.ms", _INT, 500, "Long poll of a follower."),
    _setting("replica.fetch.min.bytes", _INT, 1, "Answer a follower at this many bytes."),
    _setting("replica.fetch.backoff.ms", _INT, 1000, "After an error.", at_least=0),
    _setting("replica.socket.timeout.ms", _INT, 30_000, "Of a follower's requests."),
    _setting("replica.high.watermark.checkpoint.interval.ms", _LONG, 5000, "Watermark checkpoint."),
    _setting("num.replica.fetchers", _INT, 1, "One connection a leader is all that is used."),
)

_LOG = (
    _setting("log.dir", _STR, "/tmp/kafka-logs", "Log directory, if log.dirs is unset."),
    _setting("log.dirs", _LIST, None, "Log directories."),
    _setting(
        "log.segment.bytes",
        _INT,
        1_073_741_824,
        "Segment size.",
        at_least=14,
        topic="segment.bytes",
    ),
    _setting("log.roll.ms", _LONG, None, "Segment age.", at_least=1, topic="segment.ms"),
    _setting(
        "log.roll.hours",
        _INT,
        168,
        "Segment age.",
        at_least=1,
        topic="segment.ms",
        scale=HOUR_MS,
    ),
    _setting(
        "log.roll.jitter.ms",
        _LONG,
        None,
        "Subtracted from segment age.",
        at_least=0,
        topic="segment.jitter.ms",
    ),
    _setting(
        "log.roll.jitter.hours",
        _INT,
        0,
        "Subtracted from segment age.",
        at_least=0,
        topic="segment.jitter.ms",
        scale=HOUR_MS,
    ),
    _setting(
        "log.retention.ms", _LONG, None, "Keep; -1 for ever.", at_least=-1, topic="retention.ms"
    ),
    _setting(
        "log.retention.minutes",
        _INT,
        None,
        "Keep.",
        at_least=-1,
        topic="retention.ms",
        scale=MINUTE_MS,
    ),
    _setting(
        "log.retention.hours",
        _INT,
        168,
        "Keep.",
        at_least=-1,
        topic="retention.ms",
        scale=HOUR_MS,
    ),
    _setting(
        "log.retention.bytes", _LONG, -1, "Per partition; -1 no bound.", topic="retention.bytes"
    ),
    _setting("log.retention.check.interval.ms", _LONG, 300_000, "Interval.", at_least=1),
    _setting("log.initial.task.delay.ms", _LONG, 30_000, "First run.", at_least=0),
    _setting(
        "log.cleanup.policy",
        _LIST,
        ("delete",),
        "delete, compact or both.",
        choices=("compact", "delete"),
        topic="cleanup.policy",
    ),
    _setting(
        "log.index.size.max.bytes",
        _INT,
        10_485_760,
        "Index size.",
        at_least=4,
        topic="segment.index.bytes",
    ),
    _setting(
        "log.index.interval.bytes",
        _INT,
        4096,
        "Index density.",
        at_least=0,
        topic="index.interval.bytes",
    ),
    _setting(
        "log.flush.interval.messages",
        _LONG,
        LONG_MAX,
        "Flush after so many records.",
        at_least=1,
        topic="flush.messages",
    ),
    _setting("log.flush.interval.ms", _LONG, LONG_MAX, "Flush after so long.", topic="flush.ms"),
    _setting("log.flush.offset.checkpoint.interval.ms", _INT, 60_000, "Interval."),
    _setting("log.flush.start.offset.checkpoint.interval.ms", _INT, 60_000, "Interval."),
    _setting(
        "log.segment.delete.delay.ms",
        _LONG,
        60_000,
        "Before files go.",
        at_least=0,
        topic="file.delete.delay.ms",
    ),
    _setting("log.preallocate", _BOOL, False, "Preallocate.", topic="preallocate"),
    _setting("num.recovery.threads.per.data.dir", _INT, 1, "One loop recovers all logs."),
    _setting(
        "message.max.bytes",
        _INT,
        1_048_588,
        "Largest batch.",
        at_least=0,
        topic="max.message.bytes",
    ),
    _setting(
        "log.message.timestamp.type",
        _STR,
        "CreateTime",
        "Whose clock stamps records.",
        choices=("CreateTime", "LogAppendTime"),
        topic="message.timestamp.type",
    ),
    _setting(
        "log.message.timestamp.before.max.ms",
        _LONG,
        LONG_MAX,
        "Oldest accepted.",
        at_least=0,
        topic="message.timestamp.before.max.ms",
    ),
    _setting(
        "log.message.timestamp.after.max.ms",
        _LONG,
        LONG_MAX,
        "Furthest future accepted.",
        at_least=0,
        topic="message.timestamp.after.max.ms",
    ),
    _setting(
        "compression.type",
        _STR,
        "producer",
        "Codec on disk.",
        choices=CODECS,
        topic="compression.type",
    ),
    _setting("log.cleaner.enable", _BOOL, True, "Compact topics that ask for it."),
    _setting("log.cleaner.threads", _INT, 1, "One task of the loop cleans.", at_least=0),
    _setting("log.cleaner.backoff.ms", _LONG, 15_000, "Look for work again.", at_least=0),
    _setting("log.cleaner.dedupe.buffer.size", _LONG, 134_217_728, "For keys, 192 bytes each."),
    _setting("log.cleaner.io.buffer.size", _INT, 524_288, "Half is written at once.", at_least=0),
    _setting("log.cleaner.io.buffer.load.factor", _DOUBLE, 0.9, "Share of the dedupe buffer."),
    _setting("log.cleaner.io.max.bytes.per.second", _DOUBLE, DOUBLE_MAX, "Bound of its speed."),
    _setting(
        "log.cleaner.min.cleanable.ratio",
        _DOUBLE,
        0.5,
        "Dirty share that starts the cleaner.",
        at_least=0,
        at_most=1,
        topic="min.cleanable.dirty.ratio",
    ),
    _setting(
        "log.cleaner.delete.retention.ms",
        _LONG,
        86_400_000,
        "Keep tombstones.",
        at_least=0,
        topic="delete.retention.ms",
    ),
    _setting(
        "log.cleaner.min.compaction.lag.ms",
        _LONG,
        0,
        "Do not compact younger records.",
        at_least=0,
        topic="min.compaction.lag.ms",
    ),
    _setting(
        "log.cleaner.max.compaction.lag.ms",
        _LONG,
        LONG_MAX,
        "Compact at the latest.",
        at_least=1,
        topic="max.compaction.lag.ms",
    ),
    _setting(
        "log.flush.before.ack",
        _BOOL,
        False,
        "fsync (by group commit) before a record counts as replicated or is acknowledged, so that "
        "a machine that loses power loses nothing acknowledged.",
        ours=True,
    ),
    _setting("producer.id.expiration.ms", _INT, 86_400_000, "Forget idle producers.", at_least=1),
    _setting("producer.id.expiration.check.interval.ms", _INT, 600_000, "Interval.", at_least=1),
)

_NETWORK = (
    _setting("socket.request.max.bytes", _INT, 104_857_600, "Largest request.", at_least=1),
    _setting("socket.listen.backlog.size", _INT, 50, "Listen backlog.", at_least=1),
    _setting("connections.max.idle.ms", _LONG, 600_000, "Close idle connections."),
    _setting("max.connections", _INT, 2**31 - 1, "Per broker.", at_least=0),
    _setting("max.connections.per.ip", _INT, 2**31 - 1, "Per address.", at_least=0),
    _setting("request.timeout.ms", _INT, 30_000, "Of requests between brokers."),
    _setting("fetch.max.bytes", _INT, 57_671_680, "Largest fetch answer.", at_least=1024),
    _setting("max.incremental.fetch.session.cache.slots", _INT, 1000, "Sessions.", at_least=0),
    _setting("max.request.partition.size.limit", _INT, 2000, "DescribeTopicPartitions page."),
)

_GROUPS = (
    _setting("group.initial.rebalance.delay.ms", _INT, 3000, "Wait for more members."),
    _setting("group.min.session.timeout.ms", _INT, 6000, "Bound."),
    _setting("group.max.session.timeout.ms", _INT, 1_800_000, "Bound."),
    _setting("group.max.size", _INT, 2**31 - 1, "Members of a group.", at_least=1),
    _setting(
        "group.coordinator.rebalance.protocols",
        _LIST,
        ("classic",),
        "With consumer, next-generation groups (KIP-848) are served too.",
        choices=("classic", "consumer"),
    ),
    _setting("group.consumer.session.timeout.ms", _INT, 45_000, "Of its members.", at_least=1),
    _setting("group.consumer.min.session.timeout.ms", _INT, 45_000, "Bound.", at_least=1),
    _setting("group.consumer.max.session.timeout.ms", _INT, 60_000, "Bound.", at_least=1),
    _setting("group.consumer.heartbeat.interval.ms", _INT, 5000, "Of its members.", at_least=1),
    _setting("group.consumer.min.heartbeat.interval.ms", _INT, 5000, "Bound.", at_least=1),
    _setting("group.consumer.max.heartbeat.interval.ms", _INT, 15_000, "Bound.", at_least=1),
    _setting("group.consumer.max.size", _INT, 2**31 - 1, "Members of one.", at_least=1),
    _setting(
        "group.consumer.assignors",
        _LIST,
        (
            "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
            "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        ),
        "Kafka's class names, or uniform and range; the first one serves who does not ask.",
        choices=tuple(ASSIGNOR_CLASSES),
    ),
    _setting(
        "group.consumer.migration.policy",
        _STR,
        "disabled",
        "Groups change their protocol only while they are empty.",
        choices=("disabled",),
    ),
    _setting("offset.metadata.max.bytes", _INT, 4096, "Commit metadata."),
    _setting("offsets.topic.num.partitions", _INT, 50, "Of __consumer_offsets.", at_least=1),
    _setting("offsets.topic.replication.factor", _SHORT, 3, "Of __consumer_offsets.", at_least=1),
    _setting("offsets.topic.segment.bytes", _INT, 104_857_600, "Its segments.", at_least=1),
    _setting("offsets.retention.minutes", _INT, 10_080, "Keep offsets.", at_least=1),
    _setting("offsets.retention.check.interval.ms", _LONG, 600_000, "Interval.", at_least=1),
    _setting("offsets.commit.timeout.ms", _INT, 5000, "Of a commit.", at_least=1),
    _setting("transaction.state.log.replication.factor", _SHORT, 3, "Of its topic.", at_least=1),
    _setting("transaction.state.log.num.partitions", _INT, 50, "Of its topic.", at_least=1),
    _setting("transaction.state.log.min.isr", _INT, 2, "Of its topic.", at_least=1),
    _setting("transaction.state.log.segment.bytes", _INT, 104_857_600, "Segments.", at_least=1),
    _setting("transaction.max.timeout.ms", _INT, 900_000, "Bound.", at_least=1),
    _setting("transactional.id.expiration.ms", _INT, 604_800_000, "Forget ids.", at_least=1),
    _setting(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        _INT,
        10_000,
        "Look for transactions that last too long.",
        at_least=1,
    ),
    _setting(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        _INT,
        3_600_000,
        "Look for ids that nobody uses.",
        at_least=1,
    ),
    _setting("transaction.partition.verification.enable", _BOOL, True, "Ask coordinators."),
)

SETTINGS: dict[str, Setting] = {
    s.name: s
    for group in (
        _IDENTITY,
        _ZOOKEEPER,
        _CONTROLLER,
        _REPLICATION,
        _LOG,
        _NETWORK,
        _GROUPS,
    )
    for s in group
}

KNOWN_WITHOUT_EFFECT: tuple[str, ...] = (
    "background.threads",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "connection.failed.authentication.delay.ms",
    "connections.max.reauth.ms",
    "delete.records.purgatory.purge.interval.requests",
    "fetch.purgatory.purge.interval.requests",
    "inter.broker.protocol.version",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "max.connection.creation.rate",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.sample.window.ms",
    "num.io.threads",
    "num.network.threads",
    "offsets.load.buffer.size",
    "offsets.topic.compression.codec",
    "producer.purgatory.purge.interval.requests",
    "queued.max.request.bytes",
    "queued.max.requests",
    "replica.selector.class",
    "replica.socket.receive.buffer.bytes",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "transaction.state.log.load.buffer.size",
    "zookeeper.set.acl",
)
