"""Settings of logs on disk: segments, retention, compaction, compression."""

ROWS = """
log.dir  STRING  /tmp/kafka-logs  HIGH
    Log directory, if log.dirs is unset.
log.dirs  STRING  -  HIGH
    Log directories, separated by commas.
log.dir.failure.timeout.ms  LONG  30000  1..  LOW  unused
    How long the controller may take to learn of a failed directory (KRaft).
auto.create.topics.enable  BOOLEAN  true  HIGH
    Create topics on first use.
num.partitions  INT  1  1..  MEDIUM
    Partitions of a topic if its creator gives no number.
default.replication.factor  INT  1  MEDIUM
    Replicas of a topic if its creator gives no number.
log.segment.bytes  INT  1073741824  14..  HIGH  dynamic
    A segment is closed at this size.
log.roll.ms  LONG  -  HIGH  dynamic
    A segment is closed at this age.
log.roll.hours  INT  168  1..  HIGH
    A segment is closed at this age, if log.roll.ms is unset.
log.roll.jitter.ms  LONG  -  HIGH  dynamic
    Upper bound of a random time by which segments are closed earlier.
log.roll.jitter.hours  INT  0  0..  HIGH
    The same in hours, if log.roll.jitter.ms is unset.
log.retention.ms  LONG  -  HIGH  dynamic
    Closed segments older than this are deleted; -1: never.
log.retention.minutes  INT  -  HIGH
    The same in minutes, if log.retention.ms is unset.
log.retention.hours  INT  168  HIGH
    The same in hours, if neither of the two is set.
log.retention.bytes  LONG  -1  HIGH  dynamic
    Oldest segments of a larger partition are deleted; -1: never.
log.retention.check.interval.ms  LONG  300000  1..  MEDIUM
    How often retention looks for segments to delete.
log.initial.task.delay.ms  LONG  30000  0..  LOW  internal
    How long after the start background work on logs first runs.
log.cleanup.policy  LIST  delete  each:compact,delete  MEDIUM  dynamic
    What happens to old records: delete, compact or both.
log.index.size.max.bytes  INT  10485760  4..  MEDIUM  dynamic
    An index file's size limit.
log.index.interval.bytes  INT  4096  0..  MEDIUM  dynamic
    Bytes of records between two entries of an index.
log.flush.interval.messages  LONG  9223372036854775807  1..  HIGH  dynamic
    Flush a partition to disk after this many records.
log.flush.interval.ms  LONG  -  HIGH  dynamic
    Flush a partition to disk after this long.
log.flush.scheduler.interval.ms  LONG  9223372036854775807  HIGH
    Used as log.flush.interval.ms if that is unset.
log.flush.offset.checkpoint.interval.ms  INT  60000  0..  HIGH
    How often recovery points are written.
log.flush.start.offset.checkpoint.interval.ms  INT  60000  0..  HIGH
    How often log start offsets are written.
log.segment.delete.delay.ms  LONG  60000  0..  HIGH  dynamic
    Files of deleted segments stay this long.
log.preallocate  BOOLEAN  false  MEDIUM  dynamic  unused
    Reserve a segment's size when it is created.
log.local.retention.ms  LONG  -2  -2..  MEDIUM  dynamic  unused
    Tiered storage: how long segments stay on this disk.
log.local.retention.bytes  LONG  -2  -2..  MEDIUM  dynamic  unused
    Tiered storage: how much of a partition stays on this disk.
message.max.bytes  INT  1048588  0..  HIGH  dynamic
    Largest batch of records.
log.message.timestamp.type  STRING  CreateTime  in:CreateTime,LogAppendTime  MEDIUM  dynamic
    Whether records have the producer's or the broker's time.
log.message.timestamp.before.max.ms  LONG  9223372036854775807  0..  MEDIUM  dynamic
    How far a record's timestamp may be behind the broker's clock.
log.message.timestamp.after.max.ms  LONG  9223372036854775807  0..  MEDIUM  dynamic
    How far a record's timestamp may be ahead of the broker's clock.
log.message.timestamp.difference.max.ms  LONG  9223372036854775807  0..  MEDIUM  dynamic
    Used for the bounds before and after if they have their defaults.
log.message.format.version  STRING  3.0-IV1  version  MEDIUM  unused
    Ignored since Kafka 3.0: records are stored in format 2.
log.message.downconversion.enable  BOOLEAN  true  LOW  dynamic
    Convert records for consumers too old to read them.
compression.type  STRING  producer  in:uncompressed,zstd,lz4,snappy,gzip,producer  HIGH  dynamic
    Codec of stored batches; producer keeps the producer's.
compression.gzip.level  INT  -1  gzip  MEDIUM  dynamic
    Level at which the broker itself compresses with gzip.
compression.lz4.level  INT  9  1..17  MEDIUM  dynamic
    Level at which the broker itself compresses with lz4.
compression.zstd.level  INT  3  -131072..22  MEDIUM  dynamic
    Level at which the broker itself compresses with zstd.
log.cleaner.enable  BOOLEAN  true  MEDIUM
    Compact topics that ask for it.
log.cleaner.threads  INT  1  0..  MEDIUM  dynamic  unused
    Threads that compact; here one task does.
log.cleaner.backoff.ms  LONG  15000  0..  MEDIUM  dynamic
    Pause of the cleaner when no log is dirty enough.
log.cleaner.dedupe.buffer.size  LONG  134217728  MEDIUM  dynamic
    Bytes that keys may take while a log is compacted.
log.cleaner.io.buffer.size  INT  524288  0..  MEDIUM  dynamic
    Bytes read and written at once.
log.cleaner.io.buffer.load.factor  DOUBLE  0.9  MEDIUM  dynamic
    Share of the dedupe buffer that may be filled.
log.cleaner.io.max.bytes.per.second  DOUBLE  1.7976931348623157E308  MEDIUM  dynamic
    Most bytes read and written together per second.
log.cleaner.min.cleanable.ratio  DOUBLE  0.5  0..1  MEDIUM  dynamic
    A log is compacted when this share of it is dirty.
log.cleaner.delete.retention.ms  LONG  86400000  0..  MEDIUM  dynamic
    How long tombstones stay in compacted logs.
log.cleaner.min.compaction.lag.ms  LONG  0  0..  MEDIUM  dynamic
    Younger records are not compacted.
log.cleaner.max.compaction.lag.ms  LONG  9223372036854775807  1..  MEDIUM  dynamic
    A log with an older record that is not compacted is compacted.
num.recovery.threads.per.data.dir  INT  1  1..  HIGH  dynamic  unused
    Threads that load logs; here one loop does.
log.flush.before.ack  BOOLEAN  false  MEDIUM  ours
    Flush to disk before a record counts as replicated or is acknowledged.
"""
