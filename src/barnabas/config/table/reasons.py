"""Why a setting has no effect, or only its default is accepted, by name or by the beginning of a
name that ends in a dot. The longest one that fits counts. A setting with an effect has none."""

from __future__ import annotations

from typing import Final

_NO_THREADS: Final = "a broker is one loop; more brokers use more cores (docs/hosts.md)"
_NO_PURGATORY: Final = "waiting requests are forgotten when they are done; nothing is left to purge"
_NO_JMX: Final = "there is no JMX; metrics are shown over HTTP (docs/monitoring.md)"
_NO_KRAFT: Final = "KRaft is not built: this is Kafka's ZooKeeper mode"
_NO_PLUG_INS: Final = "Java classes cannot be loaded"
_NO_TIERS: Final = "tiered storage is not built"
_SYSTEM: Final = "the system's own sizing of socket buffers is kept"
_TICKETS: Final = (
    "MIT's library fetches a new ticket by the keytab after half of the old one's life; one in a "
    "ticket cache is used to its end, and whoever made the cache renews it (kinit, k5start)"
)
_TLS: Final = "OpenSSL stands where Java has this choice"
_CONVERTED: Final = "as in 3.x, where the format is that of the inter-broker protocol"

REASONS: Final = {
    "early.start.listeners": "only KRaft controllers start listeners early",
    "socket.send.buffer.bytes": _SYSTEM,
    "socket.receive.buffer.bytes": _SYSTEM,
    "replica.socket.receive.buffer.bytes": _SYSTEM,
    "socket.connection.setup.timeout.": "a connection to a broker has its request's timeout",
    "queued.max.requests": "requests do not wait for threads; their bytes are bounded "
    "(queued.max.request.bytes)",
    "num.network.threads": _NO_THREADS,
    "num.io.threads": _NO_THREADS,
    "background.threads": _NO_THREADS,
    "num.replica.alter.log.dirs.threads": _NO_THREADS,
    "num.replica.fetchers": "a thread more lets Kafka fetch while another waits for its disk or "
    "processor. Here one connection for each leader has two requests in flight, and one loop "
    "appends for all; more connections would take turns on it",
    "log.cleaner.threads": "one log is cleaned at a time, in turns with clients' requests",
    "num.recovery.threads.per.data.dir": "recovery takes 0.65 ms of processor time for a log of "
    "64 KiB (2,000 logs: 1.3 s), of which checksums, the part that threads could share, are "
    "0.004 ms; the rest is Python",
    "metric.reporters": _NO_JMX,
    "metrics.": _NO_JMX,
    "auto.include.jmx.reporter": _NO_JMX,
    "kafka.metrics.": _NO_JMX,
    "telemetry.max.bytes": "client telemetry (KIP-714) needs KRaft and a plug-in",
    "unstable.": "there are no unstable versions",
    "zookeeper.metadata.migration.": _NO_KRAFT,
    "unclean.leader.election.interval.ms": "a KRaft controller's; here an unclean election is held "
    "as soon as it is allowed",
    "fetch.purgatory.purge.interval.requests": _NO_PURGATORY,
    "producer.purgatory.purge.interval.requests": _NO_PURGATORY,
    "delete.records.purgatory.purge.interval.requests": _NO_PURGATORY,
    "log.dir.failure.timeout.ms": _NO_KRAFT,
    "log.preallocate": "Kafka has it for file systems of Windows; segments here grow as they are "
    "written, so that no end of zeros is to be cut after a crash",
    "preallocate": "as log.preallocate",
    "log.local.retention.": _NO_TIERS,
    "local.retention.": _NO_TIERS,
    "log.message.format.version": _CONVERTED,
    "message.format.version": _CONVERTED,
    "group.coordinator.new.enable": "there is one coordinator for both protocols",
    "group.coordinator.threads": _NO_THREADS,
    "group.coordinator.append.linger.ms": "a heartbeat's records are appended at once",
    "group.consumer.migration.policy": "3.9 moves groups with members between the protocols only "
    "in KRaft mode, with its new coordinator. Here a group changes when it has no members",
    "offsets.commit.required.acks": "commits wait for the in-sync replicas, as Kafka's default; "
    "4.0 has removed the choice",
    "security.providers": _NO_PLUG_INS,
    "principal.builder.class": _NO_PLUG_INS,
    "sasl.mechanism.controller.protocol": _NO_KRAFT,
    "sasl.login.class": _NO_PLUG_INS,
    "sasl.kerberos.kinit.cmd": _TICKETS,
    "sasl.kerberos.ticket.renew.": _TICKETS,
    "sasl.kerberos.min.time.before.relogin": _TICKETS,
    "ssl.provider": _TLS + ", so Java's own (SunJSSE) has no effect; another one, which may check "
    "more, is refused",
    "ssl.keymanager.algorithm": _TLS
    + ": the first key of a store is shown, whichever of Java's is "
    "named; another one is refused",
    "ssl.trustmanager.algorithm": _TLS + ": it checks no less than PKIX, also where SunX509 is "
    "named; another one, which may check more, is refused",
    "ssl.secure.random.implementation": "OpenSSL has a generator of its own, seeded by the system",
    "process.roles": _NO_KRAFT,
    "controller.quorum.": _NO_KRAFT,
    "controller.listener.names": _NO_KRAFT,
    "metadata.": _NO_KRAFT,
    "broker.heartbeat.interval.ms": _NO_KRAFT,
    "broker.session.timeout.ms": _NO_KRAFT,
    "initial.broker.registration.timeout.ms": _NO_KRAFT,
    "server.max.startup.time.ms": _NO_KRAFT,
    "eligible.leader.replicas.enable": _NO_KRAFT,
    "group.share.": "share groups (KIP-932) need KRaft",
    "remote.": _NO_TIERS,
}


def reason(name: str) -> str | None:
    """Why the setting is not obeyed; None if nothing is known against it."""
    fitting = [
        key for key in REASONS if key == name or (key.endswith(".") and name.startswith(key))
    ]
    return REASONS[max(fitting, key=len)] if fitting else None
