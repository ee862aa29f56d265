"""The metric families of a broker, for ``prometheus_client``: all but those with a series for each
topic or partition.

Values are read when ``/metrics`` is asked for. ``docs/monitoring.md`` says how the names follow
from Kafka's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from barnabas.monitor.dispatcher import FETCH_KINDS
from barnabas.monitor.subject import ControllerCounts, PartitionCounts, Subject
from barnabas.observe.histogram import Histogram
from barnabas.protocol.api import ApiKey

SOFTWARE_MAX: Final = 20
"""Client libraries and versions with a series of their own; all others share one."""
BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BROKER_STATE_RUNNING: Final = 3
BROKER_STATE_STARTING: Final = 1
_GROUP_STATES: Final = ("PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty")


class BrokerCollector(Collector):
    """Collects the families of one broker once, from counts taken before."""

    def __init__(
        self, subject: Subject, counts: PartitionCounts, cluster: ControllerCounts
    ) -> None:
        self._subject = subject
        self._counts = counts
        self._cluster = cluster

    def collect(self) -> Iterator[Metric]:
        yield from self._server()
        yield from self._replication()
        yield from self._controller()
        yield from self._requests()
        yield from self._network()
        yield from self._zookeeper()
        yield from self._logs()
        yield from self._coordinators()
        yield from self._own()
        for name, doc in (("read", "Bytes read"), ("write", "Bytes written")):
            value = self._subject.disk_bytes(name)
            if value is not None:
                yield _meter(
                    f"server_kafkaserver_linux_disk_{name}_bytes",
                    f"{doc} by this process, as Linux counts them.",
                    value,
                )
        yield from ProcessCollector(registry=None).collect()

    # Server

    def _server(self) -> Iterator[Metric]:
        subject, services = self._subject, self._subject.services
        running = BROKER_STATE_RUNNING if subject.is_registered() else BROKER_STATE_STARTING
        yield _gauge("server_kafkaserver_brokerstate", "3: it serves; 1: it starts.", running)
        yield _gauge(
            "server_kafkaserver_clusterid",
            "The id of the cluster, as a label.",
            {(("clusterid", services.cluster_id),): 1},
        )
        yield _gauge(
            "server_kafkaserver_yammer_metrics_count",
            "Metrics, as Kafka counts them; here only those of requests.",
            len(subject.requests.apis),
        )
        sessions = services.replicas.fetch_sessions
        yield _gauge(
            "server_fetchsessioncache_numincrementalfetchsessions",
            "Fetch sessions (KIP-227).",
            len(sessions),
        )
        yield _gauge(
            "server_fetchsessioncache_numincrementalfetchpartitionscached",
            "Partitions in fetch sessions.",
            sessions.partition_count,
        )
        yield _meter(
            "server_fetchsessioncache_incrementalfetchsessionevictionspersec",
            "Fetch sessions ended to make room for others.",
            sessions.evictions,
        )
        yield _gauge(
            "server_delayedoperationpurgatory_purgatorysize",
            "Requests that wait in purgatory.",
            {(("delayedoperation", kind),): size for kind, size in self._waiting().items()},
        )
        idle = self._subject.idle_share()
        yield _gauge(
            "server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate",
            "Share of a core that this process does not use: one loop does all work.",
            idle,
        )
        yield _gauge(
            "network_socketserver_networkprocessoravgidlepercent", "As the handlers'.", idle
        )

    def _waiting(self) -> dict[str, int]:
        replicas = self._subject.services.replicas
        return {"Produce": replicas.waiting_produces, "Fetch": replicas.waiting_fetches}

    # Replication

    def _replication(self) -> Iterator[Metric]:
        counts, figures = self._counts, self._subject.replication
        for name, doc, value in (
            ("leadercount", "Partitions led here.", counts.led),
            ("partitioncount", "Partitions hosted here.", counts.hosted),
            ("offlinereplicacount", "Replicas on failed disks.", counts.offline),
            ("underreplicatedpartitions", "Led here, some not in sync.", counts.under_replicated),
            ("underminisrpartitioncount", "Led here, too few in sync.", counts.under_min_isr),
            ("atminisrpartitioncount", "Led here, just enough in sync.", counts.at_min_isr),
            ("reassigningpartitions", "Led here, being moved.", counts.reassigning),
        ):
            yield _gauge(f"server_replicamanager_{name}", doc, value)
        for name, doc, value in (
            ("isrshrinkspersec", "ISRs that this leader shrank.", figures.isr_shrinks),
            ("isrexpandspersec", "ISRs that this leader expanded.", figures.isr_expands),
            ("failedisrupdatespersec", "ISR changes refused.", figures.failed_isr_updates),
        ):
            yield _meter(f"server_replicamanager_{name}", doc, value)
        client = (("clientid", "Replica"),)
        fetchers = self._subject.services.replicas.fetchers
        for name, doc, value in (
            ("maxlag", "Records that the slowest follower here lacks.", counts.max_lag),
            ("failedpartitionscount", "Replicas that cannot be copied.", 0),
            ("deadthreadcount", "Always 0: no fetcher is left dead.", 0),
        ):
            yield _gauge(f"server_replicafetchermanager_{name}", doc, {client: value})
        yield _gauge(
            "server_replicafetchermanager_minfetchrate",
            "Fetchers that copy, at least one of which answers.",
            {client: len(fetchers)},
        )
        for name in ("count", "misclassifiedcount", "totalsize"):
            yield _gauge(
                f"server_replicamanager_straypartitions{name}",
                "Always 0: stray logs are not kept apart here.",
                0,
            )
        yield _meter(
            "server_brokertopicmetrics_replicationbytesinpersec", "Copied.", figures.bytes_in
        )
        yield _meter(
            "server_brokertopicmetrics_replicationbytesoutpersec",
            "Bytes sent to followers.",
            figures.bytes_out,
        )

    # Controller

    def _controller(self) -> Iterator[Metric]:
        controller, cluster = self._subject.services.controller, self._cluster
        for name, doc, value in (
            ("activecontrollercount", "1 at the controller.", int(controller.is_active)),
            ("offlinepartitionscount", "Partitions without a live leader.", cluster.offline),
            (
                "preferredreplicaimbalancecount",
                "Partitions led by another than the first replica.",
                cluster.not_preferred,
            ),
            ("globaltopiccount", "Topics.", cluster.topics),
            ("globalpartitioncount", "Partitions.", cluster.partitions),
            ("topicstodeletecount", "Topics that are being deleted.", cluster.deleting),
            ("topicsineligibletodeletecount", "Topics to delete that wait.", cluster.ineligible),
            ("activebrokercount", "Live brokers.", cluster.brokers),
        ):
            yield _gauge(f"controller_kafkacontroller_{name}", doc, value)
        yield _meter(
            "controller_controllerstats_uncleanleaderelectionspersec",
            "Leaders elected from outside the ISR.",
            controller.counts["unclean"],
        )
        stats = self._subject.controller
        now = self._subject.now_s
        yield _gauge(
            "controller_controllereventmanager_eventqueuesize",
            "Events of the controller that wait.",
            controller.queued,
        )
        for name, doc, histogram in (
            ("controllereventmanager_eventqueuetimems", "How long events waited.", stats.waited),
            (
                "controllerstats_leaderelectionrateandtimems",
                "How long the controller's events took that may elect leaders.",
                stats.elections,
            ),
        ):
            metric = Metric(f"kafka_controller_{name}", doc, "unknown")
            _add_quantiles(metric, {}, histogram.quantiles_ms(now), histogram.count)
            yield metric

    # Requests

    def _requests(self) -> Iterator[Metric]:
        figures, now = self._subject.requests, self._subject.now_s
        per_version = Metric("kafka_network_requestmetrics_requestspersec", "Requests.", "unknown")
        counts: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for (key, version), served in list(figures.served.items()):
            labels = {"request": served.api, "version": str(version)}
            per_version.add_sample(per_version.name, labels, served.count)
            counts[served.api] = counts.get(served.api, 0) + served.count
            sizes[served.api] = sizes.get(served.api, 0) + served.bytes
            if key == ApiKey.FETCH:
                for kind, count in zip(FETCH_KINDS, served.kinds, strict=True):
                    labels = {"request": kind, "version": str(version)}
                    per_version.add_sample(per_version.name, labels, count)
                    counts[kind] = counts.get(kind, 0) + count
        yield per_version
        yield self._errors(counts)
        apis = list(figures.apis.items())
        for part, doc in (
            ("requestqueue", "From the arrival of a request to its handling."),
            ("local", "Time in the handler."),
            ("remote", "Time spent waiting for other brokers, or for records."),
            ("responsequeue", "From the answer until it is written."),
            ("total", "From the arrival of a request until its answer is written."),
        ):
            metric = Metric(f"kafka_network_requestmetrics_{part}timems", doc, "unknown")
            for api, each in apis:
                histogram = {
                    "requestqueue": each.queue,
                    "local": each.local,
                    "remote": each.remote,
                    "responsequeue": each.response_queue,
                    "total": each.total,
                }[part]
                _add_quantiles(
                    metric, {"request": api}, histogram.quantiles_ms(now), counts.get(api, 0)
                )
            yield metric
        throttle = Metric(
            "kafka_network_requestmetrics_throttletimems",
            "How long throttled clients had to wait.",
            "unknown",
        )
        send = Metric(
            "kafka_network_requestmetrics_responsesendtimems",
            "Always 0: an answer counts as sent when the kernel has taken it.",
            "unknown",
        )
        nothing = Histogram()
        for api, each in apis:
            _add_quantiles(
                throttle, {"request": api}, each.throttle.quantiles_ms(now), each.throttled
            )
            _add_quantiles(send, {"request": api}, nothing.quantiles_ms(now), counts.get(api, 0))
        yield throttle
        yield send
        yield from self._conversions()
        yield _meter(
            "network_requestmetrics_requestbytes",
            "Bytes of requests, estimated from the measured ones.",
            {(("request", api),): size for api, size in sizes.items()},
        )
        yield self._seconds()

    def _errors(self, counts: dict[str, int]) -> Metric:
        metric = Metric(
            "kafka_network_requestmetrics_errorspersec",
            "Answers by error; for Produce and Fetch also the errors of partitions.",
            "unknown",
        )
        for api, figures in list(self._subject.requests.apis.items()):
            for error, count in figures.errors.items():
                metric.add_sample(metric.name, {"request": api, "error": error}, count)
            good = max(0, counts.get(api, 0) - sum(figures.errors.values()))
            metric.add_sample(metric.name, {"request": api, "error": "NONE"}, good)
        return metric

    def _conversions(self) -> Iterator[Metric]:
        figures, now = self._subject.replication, self._subject.now_s
        times = Metric(
            "kafka_network_requestmetrics_messageconversionstimems",
            "Time to convert the records of a partition, where they have to be.",
            "unknown",
        )
        sizes = Metric(
            "kafka_network_requestmetrics_temporarymemorybytes",
            "Bytes of the records of a partition that were converted.",
            "unknown",
        )
        for api, took, size in (
            ("Produce", figures.produce_conversion, figures.produce_conversion_bytes),
            ("Fetch", figures.fetch_conversion, figures.fetch_conversion_bytes),
        ):
            _add_quantiles(times, {"request": api}, took.quantiles_ms(now), took.count)
            _add_quantiles(sizes, {"request": api}, size.quantiles_bytes(now), size.count)
        yield times
        yield sizes

    def _seconds(self) -> Metric:
        """Histograms: unlike quantiles, they can be added up over brokers."""
        metric = HistogramMetricFamily(
            "barnabas_request_seconds",
            "How long requests took in all; only measured requests are counted.",
            labels=["request"],
        )
        for api, figures in list(self._subject.requests.apis.items()):
            found = figures.total.cumulative(BOUNDS_S)
            buckets = [(str(b), float(n)) for b, n in zip(BOUNDS_S, found, strict=True)]
            buckets.append(("+Inf", float(figures.total.count)))
            metric.add_metric([api], buckets, figures.total.sum_s)
        return metric

    # Network

    def _network(self) -> Iterator[Metric]:
        network = self._subject.network
        yield _gauge(
            "network_requestchannel_requestqueuesize",
            "Requests without an answer yet.",
            network.waiting_requests,
        )
        yield _gauge(
            "network_requestchannel_responsequeuesize",
            "Bytes of answers that clients have not read.",
            network.answer_bytes,
        )
        open_now = {_at(name): count for name, count in network.connections.items()}
        came = {_at(name): count for name, count in network.created.items()}
        went = _difference(came, open_now)
        for name, doc, values in (
            ("connection_count", "Connections.", open_now),
            ("connection_creation_total", "Connections opened so far.", came),
            ("connection_close_total", "Connections ended so far.", went),
            ("connection_creation_rate", "Connections opened a second.", self._rates("came", came)),
            ("connection_close_rate", "Connections ended a second.", self._rates("went", went)),
        ):
            yield _gauge(f"server_socketservermetrics_{name}", doc, values)
        yield _gauge(
            "server_socketservermetrics_connections",
            "Connections by client library and version; rare ones are counted together.",
            _commonest(network.software()),
        )
        yield _gauge(
            "network_acceptor_acceptorblockedpercent",
            "Always 0: connections wait to be accepted only over a limit.",
            {(("listener", name),): 0 for name in network.connections},
        )

    def _rates(self, what: str, counts: dict[Labels, int]) -> dict[Labels, float]:
        return {
            labels: self._subject.rate((what, labels), count) for labels, count in counts.items()
        }

    # ZooKeeper

    def _zookeeper(self) -> Iterator[Metric]:
        subject = self._subject
        metric = Metric(
            "kafka_server_zookeeperclientmetrics_zookeeperrequestlatencyms",
            "How long requests to ZooKeeper took.",
            "unknown",
        )
        latency = subject.zookeeper_latency
        _add_quantiles(metric, {}, latency.quantiles_ms(subject.now_s), latency.count)
        yield metric
        counts = subject.timeline.counts
        for name, kind in (
            ("disconnects", "session_disconnected"),
            ("expires", "session_expired"),
            ("syncconnects", "session_connected"),
            ("authfailures", "session_refused"),
        ):
            yield _meter(
                f"server_sessionexpirelistener_zookeeper{name}persec",
                "State changes of the session with ZooKeeper.",
                counts.get(kind, 0),
            )

    # Logs

    def _logs(self) -> Iterator[Metric]:
        logs, counts = self._subject.services.logs, self._counts
        offline = logs.offline_dirs
        yield _gauge(
            "log_logmanager_offlinelogdirectorycount", "Log directories that failed.", len(offline)
        )
        yield _gauge(
            "log_logmanager_logdirectoryoffline",
            "1 if the directory has failed.",
            {(("logdirectory", path),): int(path in offline) for path in logs.log_dirs},
        )
        yield _gauge(
            "log_logcleanermanager_uncleanable_partitions_count",
            "Logs that cannot be compacted.",
            len(logs.cleaner.uncleanable),
        )
        cleaned = self._subject.timeline.cleaned
        since_s = -1.0
        if cleaned.finished_ms is not None:
            since_s = (self._subject.services.env.clock.wall_ms() - cleaned.finished_ms) / 1000
        for name, doc, value in (
            ("logcleanermanager_time_since_last_run_ms", "-1000: no pass yet.", since_s * 1000),
            ("logcleaner_max_clean_time_secs", "The longest pass.", cleaned.longest_ms / 1000),
            ("logcleaner_cleaner_recopy_percent", "Share of bytes kept.", cleaned.kept_percent),
            ("logcleaner_deadthreadcount", "Always 0: a failed cleaner ends the broker.", 0),
        ):
            yield _gauge(f"log_{name}", doc, value)
        yield _meter("log_logcleaner_passes", "Passes of the cleaner.", cleaned.passes)
        yield _gauge(
            "log_logmanager_replicas",
            "Replicas by directory.",
            {(("logdirectory", path),): n for path, n in counts.by_directory.items()},
        )

    # Groups and transactions

    def _coordinators(self) -> Iterator[Metric]:
        services = self._subject.services
        _, groups = services.groups.list()
        states: dict[str, int] = dict.fromkeys(_GROUP_STATES, 0)
        offsets = 0
        for group in groups:
            states[group.state.value] = states.get(group.state.value, 0) + 1
            offsets += len(group.offsets.committed)
        prefix = "coordinator_group_groupmetadatamanager"
        yield _gauge(f"{prefix}_numgroups", "Groups coordinated here.", len(groups))
        yield _gauge(f"{prefix}_numoffsets", "Committed offsets kept here.", offsets)
        for state, count in sorted(states.items()):
            yield _gauge(f"{prefix}_numgroups{state.lower()}", f"Groups in state {state}.", count)
        yield _gauge(
            "coordinator_transaction_transactionstatemanager_transactionalids",
            "Transactional ids by state.",
            {
                (("state", state),): count
                for state, count in services.transactions.count_by_state().items()
            },
        )

    # Names of Barnabas's own

    def _own(self) -> Iterator[Metric]:
        subject = self._subject
        quotas = subject.services.quotas
        for name, doc, values in (
            (
                "quota_users",
                "Users, client ids and pairs of both whose use of a quota is measured.",
                {(("quota", kind),): count for kind, count in quotas.tracked().items()},
            ),
            (
                "memory_bytes",
                "Bytes of memory that requests and answers hold.",
                {
                    (("account", "requests"),): subject.network.request_bytes,
                    (("account", "answers"),): subject.network.answer_bytes,
                },
            ),
        ):
            yield _family(f"barnabas_{name}", doc, "gauge", values)
        events = Metric("barnabas_events", "Events so far, by kind.", "unknown")
        for kind, count in subject.timeline.counts.items():
            events.add_sample(events.name, {"kind": kind}, count)
        yield events


Labels = tuple[tuple[str, str], ...]
Values = float | Mapping[Any, float]
"""One value, or values by ``Labels``."""


def _at(listener: str) -> Labels:
    """Labels of a listener. There is one network processor, since one event loop serves all."""
    return (("listener", listener), ("network_processor", "0"))


def _difference(came: dict[Labels, int], left: dict[Labels, int]) -> dict[Labels, int]:
    return {labels: count - left.get(labels, 0) for labels, count in came.items()}


def _commonest(found: Mapping[tuple[str, str], int]) -> dict[Labels, int]:
    order = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    values: dict[Labels, int] = {}
    for (name, version), count in order[:SOFTWARE_MAX]:
        values[("client_software_name", name), ("client_software_version", version)] = count
    rest = sum(count for _, count in order[SOFTWARE_MAX:])
    if rest:
        values[("client_software_name", "other"), ("client_software_version", "other")] = rest
    return values


def _gauge(name: str, doc: str, values: Values) -> Metric:
    return _family(f"kafka_{name}", doc, "gauge", values)


def _meter(name: str, doc: str, values: Values) -> Metric:
    return _family(f"kafka_{name}", doc, "unknown", values)


def _family(name: str, doc: str, kind: str, values: Values) -> Metric:
    metric = Metric(name, doc, kind)
    if isinstance(values, Mapping):
        for labels, value in values.items():
            metric.add_sample(name, dict(labels), value)
    else:
        metric.add_sample(name, {}, values)
    return metric


def _add_quantiles(
    metric: Metric, labels: dict[str, str], quantiles: list[tuple[float, float]], count: int
) -> None:
    """Add a histogram as the JMX exporter shows one: the count has no quantile label."""
    metric.add_sample(metric.name, labels, count)
    for quantile, value in quantiles:
        metric.add_sample(metric.name, {**labels, "quantile": f"{quantile:g}"}, value)
