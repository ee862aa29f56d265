"""Settings of replication, elections and throttles."""

ROWS = """
min.insync.replicas  INT  1  1..  HIGH  dynamic
    Replicas that acks=all needs in sync.
unclean.leader.election.enable  BOOLEAN  false  HIGH  dynamic
    Let a replica out of sync lead if no other is left; records may be lost.
unclean.leader.election.interval.ms  LONG  300000  1..  MEDIUM  internal  unused
    How often the controller looks for such elections (KRaft).
replica.lag.time.max.ms  LONG  30000  HIGH
    A replica behind for this long leaves the in-sync replicas.
replica.fetch.max.bytes  INT  1048576  0..  MEDIUM
    Bytes of one partition in a follower's fetch.
replica.fetch.response.max.bytes  INT  10485760  0..  MEDIUM
    Bytes of one fetch of a follower.
replica.fetch.wait.max.ms  INT  500  HIGH
    How long a follower's fetch waits for records.
replica.fetch.min.bytes  INT  1  HIGH
    Bytes for which a follower's fetch waits.
replica.fetch.backoff.ms  INT  1000  0..  MEDIUM
    Pause of a follower after an error.
replica.socket.timeout.ms  INT  30000  HIGH
    How long a follower's fetch may take.
replica.socket.receive.buffer.bytes  INT  65536  HIGH  unused
    SO_RCVBUF of a follower's connection.
replica.high.watermark.checkpoint.interval.ms  LONG  5000  HIGH
    How often high watermarks are written.
replica.selector.class  STRING  -  MEDIUM
    Class that sends consumers to a near replica (KIP-392).
num.replica.fetchers  INT  1  HIGH  dynamic  unused
    Threads that fetch from one leader; here one connection does.
num.replica.alter.log.dirs.threads  INT  -  HIGH  unused
    Threads that move replicas between directories.
fetch.purgatory.purge.interval.requests  INT  1000  MEDIUM  unused
    When answered fetches are removed from the purgatory.
producer.purgatory.purge.interval.requests  INT  1000  MEDIUM  unused
    When answered produces are removed from the purgatory.
delete.records.purgatory.purge.interval.requests  INT  1  MEDIUM  unused
    When answered deletions are removed from their purgatory.
auto.leader.rebalance.enable  BOOLEAN  true  HIGH
    Give leadership back to preferred replicas.
leader.imbalance.check.interval.seconds  LONG  300  1..  HIGH
    How often the controller looks for leaders to move.
leader.imbalance.per.broker.percentage  INT  10  HIGH
    Percentage of leaders of a broker that need not be the preferred ones.
controller.socket.timeout.ms  INT  30000  MEDIUM
    How long a request of the controller may take.
inter.broker.protocol.version  STRING  3.9-IV0  version  MEDIUM
    Version of the protocol between brokers, 2.8 to 3.9: that of the oldest broker.
quota.window.num  INT  11  1..  LOW
    Samples kept for client quotas.
quota.window.size.seconds  INT  1  1..  LOW
    Length of such a sample.
replication.quota.window.num  INT  11  1..  LOW
    Samples kept for replication throttles.
replication.quota.window.size.seconds  INT  1  1..  LOW
    Length of such a sample.
alter.log.dirs.replication.quota.window.num  INT  11  1..  LOW
    Samples kept for throttles of directory moves.
alter.log.dirs.replication.quota.window.size.seconds  INT  1  1..  LOW
    Length of such a sample.
controller.quota.window.num  INT  11  1..  LOW
    Samples kept for quotas of topic changes.
controller.quota.window.size.seconds  INT  1  1..  LOW
    Length of such a sample.
leader.replication.throttled.rate  LONG  9223372036854775807  0..  MEDIUM  dynamic-only
    Bytes per second that a leader sends of throttled partitions.
follower.replication.throttled.rate  LONG  9223372036854775807  0..  MEDIUM  dynamic-only
    Bytes per second that a follower fetches of throttled partitions.
replica.alter.log.dirs.io.max.bytes.per.second  LONG  9223372036854775807  0..  MEDIUM
    dynamic-only
    Bytes per second moved between log directories.
barnabas.controller.refused.connections  INT  5  0..  MEDIUM  ours
    After this many refused connections a broker counts as failed; 0: never.
barnabas.controller.silence.ms  INT  2000  0..  MEDIUM  ours
    A broker whose machine gives no sign of life for so long counts as failed; 0: never.
"""
