"""Settings of the coordinators of consumer groups and transactions."""

ROWS = """
group.initial.rebalance.delay.ms  INT  3000  MEDIUM
    How long an empty group waits for more members.
group.min.session.timeout.ms  INT  6000  MEDIUM
    Least session timeout of a member.
group.max.session.timeout.ms  INT  1800000  MEDIUM
    Greatest session timeout of a member.
group.max.size  INT  2147483647  1..  MEDIUM
    Members of a group.
group.coordinator.rebalance.protocols  LIST  classic  each:consumer,classic,share,unknown  MEDIUM
    With consumer, groups of KIP-848 are served too.
group.coordinator.new.enable  BOOLEAN  false  MEDIUM  internal  unused
    Use Kafka's newer coordinator; Barnabas has only one.
group.coordinator.threads  INT  1  1..  MEDIUM  unused
    Threads of Kafka's newer coordinator.
group.coordinator.append.linger.ms  INT  10  0..  MEDIUM  unused
    How long Kafka's newer coordinator collects writes.
group.consumer.session.timeout.ms  INT  45000  1..  MEDIUM
    Session timeout of members (KIP-848).
group.consumer.min.session.timeout.ms  INT  45000  1..  MEDIUM
    Least session timeout of a group (KIP-848).
group.consumer.max.session.timeout.ms  INT  60000  1..  MEDIUM
    Greatest session timeout of a group (KIP-848).
group.consumer.heartbeat.interval.ms  INT  5000  1..  MEDIUM
    Heartbeat interval of members (KIP-848).
group.consumer.min.heartbeat.interval.ms  INT  5000  1..  MEDIUM
    Least heartbeat interval of a group (KIP-848).
group.consumer.max.heartbeat.interval.ms  INT  15000  1..  MEDIUM
    Greatest heartbeat interval of a group (KIP-848).
group.consumer.max.size  INT  2147483647  1..  MEDIUM
    Members of a group (KIP-848).
group.consumer.assignors  LIST
    org.apache.kafka.coordinator.group.assignor.UniformAssignor,\
org.apache.kafka.coordinator.group.assignor.RangeAssignor
    MEDIUM
    Assignors of the broker; the first one is for members that name none.
group.consumer.migration.policy  STRING  disabled
    anycase:DISABLED,DOWNGRADE,UPGRADE,BIDIRECTIONAL  MEDIUM  internal  refused
    Whether a group with members changes its protocol.
offset.metadata.max.bytes  INT  4096  HIGH
    Largest metadata of a committed offset, in bytes.
offsets.commit.required.acks  SHORT  -1  HIGH  unused
    Acknowledgements of a commit; always all.
offsets.commit.timeout.ms  INT  5000  1..  HIGH
    How long a commit may take.
offsets.load.buffer.size  INT  5242880  1..  HIGH
    Bytes read at once when offsets are loaded; here 64 KiB.
offsets.retention.minutes  INT  10080  1..  HIGH
    How long offsets of an empty group stay.
offsets.retention.check.interval.ms  LONG  600000  1..  HIGH
    How often expired offsets are looked for.
offsets.topic.compression.codec  INT  0  HIGH
    Codec of __consumer_offsets; it is not compressed here.
offsets.topic.num.partitions  INT  50  1..  HIGH
    Partitions of __consumer_offsets.
offsets.topic.replication.factor  SHORT  3  1..  HIGH
    Replicas of __consumer_offsets.
offsets.topic.segment.bytes  INT  104857600  1..  HIGH
    Segment size of __consumer_offsets.
producer.id.expiration.ms  INT  86400000  1..  LOW  dynamic
    A producer that wrote nothing for this long is forgotten.
producer.id.expiration.check.interval.ms  INT  600000  1..  LOW  internal
    How often such producers are looked for.
transaction.abort.timed.out.transaction.cleanup.interval.ms  INT  10000  1..  LOW
    How often late transactions are aborted.
transaction.max.timeout.ms  INT  900000  1..  HIGH
    Greatest timeout of a transaction.
transaction.partition.verification.enable  BOOLEAN  true  LOW  dynamic
    Ask the coordinator about unknown transactions (KIP-890).
transaction.remove.expired.transaction.cleanup.interval.ms  INT  3600000  1..  LOW
    How often unused ids are looked for.
transaction.state.log.load.buffer.size  INT  5242880  1..  HIGH
    Bytes read at once when ids are loaded; here 64 KiB.
transaction.state.log.min.isr  INT  2  1..  HIGH
    min.insync.replicas of __transaction_state.
transaction.state.log.num.partitions  INT  50  1..  HIGH
    Partitions of __transaction_state.
transaction.state.log.replication.factor  SHORT  3  1..  HIGH
    Replicas of __transaction_state.
transaction.state.log.segment.bytes  INT  104857600  1..  HIGH
    Segment size of __transaction_state.
transactional.id.expiration.ms  INT  604800000  1..  HIGH
    An id unused for this long is forgotten.
"""
