"""Settings of the server itself: identity, listeners, connections, threads, metrics."""

ROWS = """
broker.id  INT  -1  HIGH
    This broker's id; -1 lets the cluster generate one.
broker.id.generation.enable  BOOLEAN  true  MEDIUM
    Generate an id when broker.id is -1.
reserved.broker.max.id  INT  1000  0..  MEDIUM
    Generated ids lie above this.
node.id  INT  -1  HIGH
    Another name of broker.id.
broker.rack  STRING  -  MEDIUM
    This broker's rack; replicas of a partition are spread over racks.
listeners  STRING  PLAINTEXT://:9092  HIGH  per-broker
    Addresses to listen on: NAME://host:port, separated by commas.
advertised.listeners  STRING  -  HIGH  per-broker
    Addresses that clients and other brokers connect to; if unset, listeners.
listener.security.protocol.map  STRING
    SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT  LOW  per-broker
    Security protocol of each listener name.
inter.broker.listener.name  STRING  -  MEDIUM
    Listener over which brokers talk to each other.
control.plane.listener.name  STRING  -  HIGH
    Listener for the controller's requests; if unset, the one between brokers.
early.start.listeners  STRING  -  HIGH  unused
    Listeners opened before the authorizer is ready (KRaft).
socket.request.max.bytes  INT  104857600  1..  HIGH
    Largest request in bytes.
socket.listen.backlog.size  INT  50  1..  MEDIUM
    Connections that may wait to be accepted.
socket.send.buffer.bytes  INT  102400  HIGH  unused
    SO_SNDBUF of client connections.
socket.receive.buffer.bytes  INT  102400  HIGH  unused
    SO_RCVBUF of client connections.
socket.connection.setup.timeout.ms  LONG  10000  MEDIUM  unused
    First limit of a connection attempt between brokers.
socket.connection.setup.timeout.max.ms  LONG  30000  MEDIUM  unused
    Last limit of a connection attempt between brokers.
connections.max.idle.ms  LONG  600000  MEDIUM
    Connections unused for this long are closed; negative: never.
connections.max.reauth.ms  LONG  0  MEDIUM  restart
    After this long a SASL client must authenticate again.
connection.failed.authentication.delay.ms  INT  100  0..  LOW
    A failed authentication is answered after this long.
max.connections  INT  2147483647  0..  MEDIUM  dynamic
    Connections to this broker.
max.connections.per.ip  INT  2147483647  0..  MEDIUM  dynamic
    Connections from one address.
max.connections.per.ip.overrides  STRING  ""  MEDIUM  dynamic
    Other limits for some addresses: address:count, separated by commas.
max.connection.creation.rate  INT  2147483647  0..  MEDIUM  dynamic
    New connections per second.
queued.max.requests  INT  500  1..  HIGH  unused
    Waiting requests at which no more is read from the network.
queued.max.request.bytes  LONG  -1  MEDIUM
    Bytes of waiting requests at which no more is read from the network; -1: 128 MiB.
num.network.threads  INT  3  1..  HIGH  dynamic  unused
    Threads of the network; here one loop does all work.
num.io.threads  INT  8  1..  HIGH  dynamic  unused
    Threads that answer requests; here one loop does all work.
background.threads  INT  10  1..  HIGH  dynamic  unused
    Threads of background work; here one loop does all work.
request.timeout.ms  INT  30000  HIGH
    How long a request between brokers may take.
fetch.max.bytes  INT  57671680  1024..  MEDIUM
    Largest answer to a fetch in bytes.
barnabas.queued.max.answer.bytes  LONG  134217728  1048576..  MEDIUM  ours
    Bytes of answers that clients have not read; above it the largest are closed.
barnabas.newcomers.max  INT  1000  1..  MEDIUM  ours
    Connections that have not authenticated; above it the oldest is closed.
barnabas.authentication.timeout.ms  LONG  10000  1..  MEDIUM  ours
    A connection that has not authenticated after this time is closed.
barnabas.unfinished.request.timeout.ms  LONG  30000  1..  MEDIUM  ours
    A connection is closed if a request it has begun makes no progress for this long.
barnabas.broker.drained  BOOLEAN  false  MEDIUM  ours  dynamic-only  per-broker
    This broker gets no replicas of new partitions (barnabas broker drain).
barnabas.http.listener  STRING  -  MEDIUM  ours
    HOST:PORT for metrics, health and events over HTTP; none without it.
barnabas.http.token  PASSWORD  -  MEDIUM  ours
    Readers of metrics and events must send it (Bearer). Needed on an address others reach.
barnabas.http.names  LIST  ""  LOW  ours
    Host names under which readers reach the HTTP listener, beside its addresses.
barnabas.metrics.total.names  BOOLEAN  false  LOW  ours
    Give meters their other name too, which ends in _total instead of persec.
barnabas.metrics.exporter.names  BOOLEAN  false  LOW  ours
    Give the series of kafka_exporter too: of the whole cluster, at its controller.
barnabas.events.file  STRING  -  LOW  ours
    A file for events, a line of JSON each.
max.incremental.fetch.session.cache.slots  INT  1000  0..  MEDIUM
    Fetch sessions kept (KIP-227).
max.request.partition.size.limit  INT  2000  1..  MEDIUM
    Partitions in one answer of DescribeTopicPartitions.
delete.topic.enable  BOOLEAN  true  HIGH
    Allow topics to be deleted.
controlled.shutdown.enable  BOOLEAN  true  MEDIUM
    Hand leadership over before stopping.
controlled.shutdown.max.retries  INT  3  MEDIUM
    Attempts at a controlled shutdown.
controlled.shutdown.retry.backoff.ms  LONG  5000  MEDIUM
    Pause between these attempts.
metric.reporters  LIST  ""  LOW  dynamic  unused
    Classes that report metrics.
metrics.num.samples  INT  2  1..  LOW  unused
    Samples kept of a metric.
metrics.sample.window.ms  LONG  30000  1..  LOW  unused
    Length of a sample.
metrics.recording.level  STRING  INFO  LOW  unused
    Which metrics are recorded.
auto.include.jmx.reporter  BOOLEAN  true  LOW  unused
    Report metrics to JMX.
kafka.metrics.reporters  LIST  ""  LOW  unused
    Classes that report Yammer metrics.
kafka.metrics.polling.interval.secs  INT  10  1..  LOW  unused
    How often these report.
telemetry.max.bytes  INT  1048576  1..  LOW  unused
    Largest push of client metrics (KIP-714).
unstable.api.versions.enable  BOOLEAN  false  HIGH  internal  unused
    Offer versions of APIs that are not released.
unstable.feature.versions.enable  BOOLEAN  false  HIGH  internal  unused
    Offer versions of features that are not released.
"""
