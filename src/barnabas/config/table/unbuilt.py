"""Settings of features that Barnabas does not have: KRaft, share groups, tiered storage."""

ROWS = """
process.roles  LIST  ""  each:broker,controller  HIGH  refused
    Roles of a KRaft process.
controller.listener.names  STRING  -  HIGH  refused
    Listeners of the KRaft controller.
controller.quorum.voters  LIST  ""  voters  HIGH  unused
    Members of the KRaft quorum.
controller.quorum.bootstrap.servers  LIST  ""  servers  HIGH  unused
    Where the KRaft quorum is found.
controller.quorum.append.linger.ms  INT  25  MEDIUM  unused
    How long the KRaft leader collects writes.
controller.quorum.election.timeout.ms  INT  1000  HIGH  unused
    Election timeout of the KRaft quorum.
controller.quorum.election.backoff.max.ms  INT  1000  HIGH  unused
    Longest pause between these elections.
controller.quorum.fetch.timeout.ms  INT  2000  HIGH  unused
    How long the KRaft quorum does without its leader.
controller.quorum.request.timeout.ms  INT  2000  MEDIUM  unused
    How long a request in the KRaft quorum may take.
controller.quorum.retry.backoff.ms  INT  20  LOW  unused
    Pause before such a request is repeated.
metadata.log.dir  STRING  -  HIGH  unused
    Directory of the KRaft log.
metadata.log.segment.bytes  INT  1073741824  12..  HIGH  unused
    Segment size of the KRaft log.
metadata.log.segment.ms  LONG  604800000  HIGH  unused
    Segment age of the KRaft log.
metadata.log.segment.min.bytes  INT  8388608  12..  HIGH  internal  unused
    Least segment size of the KRaft log.
metadata.log.max.record.bytes.between.snapshots  LONG  20971520  1..  HIGH  unused
    Bytes of records between two KRaft snapshots.
metadata.log.max.snapshot.interval.ms  LONG  3600000  0..  HIGH  unused
    Time between two KRaft snapshots.
metadata.max.idle.interval.ms  INT  500  0..  LOW  unused
    How often an idle KRaft leader writes.
metadata.max.retention.bytes  LONG  104857600  HIGH  unused
    Size of the KRaft log and snapshots that stay.
metadata.max.retention.ms  LONG  604800000  HIGH  unused
    Age of the KRaft log and snapshots that stay.
broker.heartbeat.interval.ms  INT  2000  MEDIUM  unused
    How often a KRaft broker reports to its controller.
broker.session.timeout.ms  INT  9000  MEDIUM  unused
    A KRaft broker that was silent for this long counts as dead.
initial.broker.registration.timeout.ms  INT  60000  MEDIUM  unused
    How long a KRaft broker may take to register.
server.max.startup.time.ms  LONG  9223372036854775807  0..  MEDIUM  internal  unused
    How long a KRaft process may take to start.
eligible.leader.replicas.enable  BOOLEAN  false  HIGH  unused
    Eligible leader replicas (KIP-966) in KRaft.
group.share.enable  BOOLEAN  false  MEDIUM  internal  unused
    Share groups (KIP-932).
group.share.delivery.count.limit  INT  5  2..10  MEDIUM  unused
    Deliveries of one record.
group.share.record.lock.duration.ms  INT  30000  1000..60000  MEDIUM  unused
    How long a record is locked for a member.
group.share.min.record.lock.duration.ms  INT  15000  1000..30000  MEDIUM  unused
    Least such duration.
group.share.max.record.lock.duration.ms  INT  60000  30000..3600000  MEDIUM  unused
    Greatest such duration.
group.share.partition.max.record.locks  INT  200  100..10000  MEDIUM  unused
    Locked records of one partition.
group.share.session.timeout.ms  INT  45000  1..  MEDIUM  unused
    Session timeout of members.
group.share.min.session.timeout.ms  INT  45000  1..  MEDIUM  unused
    Least such timeout.
group.share.max.session.timeout.ms  INT  60000  1..  MEDIUM  unused
    Greatest such timeout.
group.share.heartbeat.interval.ms  INT  5000  1..  MEDIUM  unused
    Heartbeat interval of members.
group.share.min.heartbeat.interval.ms  INT  5000  1..  MEDIUM  unused
    Least such interval.
group.share.max.heartbeat.interval.ms  INT  15000  1..  MEDIUM  unused
    Greatest such interval.
group.share.max.groups  SHORT  10  1..100  MEDIUM  unused
    Share groups.
group.share.max.size  SHORT  200  10..1000  MEDIUM  unused
    Members of a share group.
remote.log.storage.system.enable  BOOLEAN  false  MEDIUM  refused
    Tiered storage.
remote.log.storage.manager.class.name  STRING  -  nonempty  MEDIUM  unused
    Class that stores segments remotely.
remote.log.storage.manager.class.path  STRING  -  MEDIUM  unused
    Where this class is.
remote.log.storage.manager.impl.prefix  STRING  rsm.config.  nonempty  MEDIUM  unused
    Prefix of this class's settings.
remote.log.metadata.manager.class.name  STRING
    org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager
    nonempty  MEDIUM  unused
    Class that remembers what is stored remotely.
remote.log.metadata.manager.class.path  STRING  -  MEDIUM  unused
    Where this class is.
remote.log.metadata.manager.impl.prefix  STRING  rlmm.config.  nonempty  MEDIUM  unused
    Prefix of this class's settings.
remote.log.metadata.manager.listener.name  STRING  -  nonempty  MEDIUM  unused
    Listener over which this class reaches brokers.
remote.log.metadata.custom.metadata.max.bytes  INT  128  0..  LOW  unused
    Bytes of a plug-in's note on a segment.
remote.log.index.file.cache.total.size.bytes  LONG  1073741824  1..  LOW  dynamic  unused
    Indexes of remote segments kept on this disk.
remote.log.manager.thread.pool.size  INT  10  1..  MEDIUM  unused
    Threads of tiered storage.
remote.log.manager.copier.thread.pool.size  INT  -1  threads  MEDIUM  unused
    Threads that copy segments; -1: as many as that.
remote.log.manager.expiration.thread.pool.size  INT  -1  threads  MEDIUM  unused
    Threads that delete segments; -1: as many as that.
remote.log.manager.task.interval.ms  LONG  30000  1..  LOW  unused
    How often segments are copied and deleted.
remote.log.manager.task.retry.backoff.ms  LONG  500  1..  LOW  internal  unused
    First pause after a failure.
remote.log.manager.task.retry.backoff.max.ms  LONG  30000  1..  LOW  internal  unused
    Longest pause after failures.
remote.log.manager.task.retry.jitter  DOUBLE  0.2  0..0.5  LOW  internal  unused
    Random share added to this pause.
remote.log.manager.copy.max.bytes.per.second  LONG  9223372036854775807  1..  MEDIUM  dynamic
    unused
    Bound of copying.
remote.log.manager.copy.quota.window.num  INT  11  1..  MEDIUM  unused
    Samples kept for this bound.
remote.log.manager.copy.quota.window.size.seconds  INT  1  1..  MEDIUM  unused
    Length of such a sample.
remote.log.manager.fetch.max.bytes.per.second  LONG  9223372036854775807  1..  MEDIUM  dynamic
    unused
    Bound of reading remote segments.
remote.log.manager.fetch.quota.window.num  INT  11  1..  MEDIUM  unused
    Samples kept for this bound.
remote.log.manager.fetch.quota.window.size.seconds  INT  1  1..  MEDIUM  unused
    Length of such a sample.
remote.log.reader.threads  INT  10  1..  MEDIUM  unused
    Threads that read remote segments.
remote.log.reader.max.pending.tasks  INT  100  1..  MEDIUM  unused
    Reads of remote segments that may wait.
remote.fetch.max.wait.ms  INT  500  1..  MEDIUM  dynamic  unused
    How long a fetch waits for remote records.
"""
