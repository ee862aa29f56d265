"""Settings of topics. ``behind`` names the broker settings that apply if a topic has none."""

ROWS = """
cleanup.policy  LIST  delete  each:compact,delete  MEDIUM  behind=log.cleanup.policy
    What happens to old records: delete, compact or both.
compression.gzip.level  INT  -1  gzip  MEDIUM  behind=compression.gzip.level
    Level at which the broker itself compresses with gzip.
compression.lz4.level  INT  9  1..17  MEDIUM  behind=compression.lz4.level
    Level at which the broker itself compresses with lz4.
compression.type  STRING  producer  in:uncompressed,zstd,lz4,snappy,gzip,producer  MEDIUM
    behind=compression.type
    Codec of stored batches; producer keeps the producer's.
compression.zstd.level  INT  3  -131072..22  MEDIUM  behind=compression.zstd.level
    Level at which the broker itself compresses with zstd.
delete.retention.ms  LONG  86400000  0..  MEDIUM  behind=log.cleaner.delete.retention.ms
    How long tombstones stay in a compacted log.
file.delete.delay.ms  LONG  60000  0..  MEDIUM  behind=log.segment.delete.delay.ms
    Files of deleted segments stay this long.
flush.messages  LONG  9223372036854775807  1..  MEDIUM  behind=log.flush.interval.messages
    Flush a partition to disk after this many records.
flush.ms  LONG  9223372036854775807  0..  MEDIUM
    behind=log.flush.interval.ms,log.flush.scheduler.interval.ms
    Flush a partition to disk after this long.
follower.replication.throttled.replicas  LIST  ""  replicas  MEDIUM
    Replicas whose fetching is throttled: partition:broker,... or *.
index.interval.bytes  INT  4096  0..  MEDIUM  behind=log.index.interval.bytes
    Bytes of records between two entries of an index.
leader.replication.throttled.replicas  LIST  ""  replicas  MEDIUM
    Replicas whose sending is throttled: partition:broker,... or *.
local.retention.bytes  LONG  -2  -2..  MEDIUM  behind=log.local.retention.bytes  unused
    Tiered storage: how much of a partition stays on the broker's disk.
local.retention.ms  LONG  -2  -2..  MEDIUM  behind=log.local.retention.ms  unused
    Tiered storage: how long segments stay on the broker's disk.
max.compaction.lag.ms  LONG  9223372036854775807  1..  MEDIUM
    behind=log.cleaner.max.compaction.lag.ms
    A log with an older record that is not compacted is compacted.
max.message.bytes  INT  1048588  0..  MEDIUM  behind=message.max.bytes
    Largest batch of records.
message.downconversion.enable  BOOLEAN  true  LOW  behind=log.message.downconversion.enable
    Convert records for consumers too old to read them.
message.format.version  STRING  3.0-IV1  version  MEDIUM  behind=log.message.format.version  unused
    Ignored since Kafka 3.0: records are stored in format 2.
message.timestamp.after.max.ms  LONG  9223372036854775807  0..  MEDIUM
    behind=log.message.timestamp.after.max.ms
    How far a record's timestamp may be ahead of the broker's clock.
message.timestamp.before.max.ms  LONG  9223372036854775807  0..  MEDIUM
    behind=log.message.timestamp.before.max.ms
    How far a record's timestamp may be behind the broker's clock.
message.timestamp.difference.max.ms  LONG  9223372036854775807  0..  MEDIUM
    behind=log.message.timestamp.difference.max.ms
    Used for the bounds before and after if they have their defaults.
message.timestamp.type  STRING  CreateTime  in:CreateTime,LogAppendTime  MEDIUM
    behind=log.message.timestamp.type
    Whether records have the producer's or the broker's time.
min.cleanable.dirty.ratio  DOUBLE  0.5  0..1  MEDIUM  behind=log.cleaner.min.cleanable.ratio
    The log is compacted when this share of it is dirty.
min.compaction.lag.ms  LONG  0  0..  MEDIUM  behind=log.cleaner.min.compaction.lag.ms
    Younger records are not compacted.
min.insync.replicas  INT  1  1..  MEDIUM  behind=min.insync.replicas
    Replicas that acks=all needs in sync.
preallocate  BOOLEAN  false  MEDIUM  behind=log.preallocate  unused
    Reserve a segment's size when it is created.
remote.log.copy.disable  BOOLEAN  false  MEDIUM  refused
    Tiered storage: copy no more segments.
remote.log.delete.on.disable  BOOLEAN  false  MEDIUM  refused
    Tiered storage: delete remote segments when it is switched off.
remote.storage.enable  BOOLEAN  false  MEDIUM  refused
    Tiered storage of this topic.
retention.bytes  LONG  -1  MEDIUM  behind=log.retention.bytes
    Oldest segments of a larger partition are deleted; -1: never.
retention.ms  LONG  604800000  -1..  MEDIUM
    behind=log.retention.ms,log.retention.minutes*60000,\
log.retention.hours*3600000
    Closed segments older than this are deleted; -1: never.
segment.bytes  INT  1073741824  14..  MEDIUM  behind=log.segment.bytes
    A segment is closed at this size.
segment.index.bytes  INT  10485760  4..  MEDIUM  behind=log.index.size.max.bytes
    An index file's size limit.
segment.jitter.ms  LONG  0  0..  MEDIUM  behind=log.roll.jitter.ms,log.roll.jitter.hours*3600000
    Upper bound of a random time by which segments are closed earlier.
segment.ms  LONG  604800000  1..  MEDIUM  behind=log.roll.ms,log.roll.hours*3600000
    A segment is closed at this age.
unclean.leader.election.enable  BOOLEAN  false  MEDIUM  behind=unclean.leader.election.enable
    Let a replica out of sync lead if no other is left; records may be lost.
"""
