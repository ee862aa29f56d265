"""Which series a broker gives: those that dashboards and operators look for, none twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.monitor.support import Series, metrics, until
from tests.old_client import OldConnection, message
from tests.places import DOCS

from barnabas.testing import Cluster

# Read from confluentinc/jmx-monitoring-stacks, kafka-cluster.json (9707c1a): name, labels.
DASHBOARD = """
kafka_controller_kafkacontroller_activecontrollercount
kafka_controller_kafkacontroller_offlinepartitionscount
kafka_controller_kafkacontroller_preferredreplicaimbalancecount
kafka_controller_controllerstats_uncleanleaderelectionspersec
kafka_cluster_partition_underminisr
kafka_server_kafkaserver_brokerstate
kafka_server_replicamanager_leadercount
kafka_server_replicamanager_partitioncount
kafka_server_replicamanager_underreplicatedpartitions
kafka_server_replicamanager_isrshrinkspersec
kafka_server_replicamanager_isrexpandspersec
kafka_server_brokertopicmetrics_messagesinpersec topic
kafka_server_brokertopicmetrics_bytesinpersec topic
kafka_server_brokertopicmetrics_bytesoutpersec topic
kafka_server_brokertopicmetrics_producemessageconversionspersec
kafka_server_brokertopicmetrics_fetchmessageconversionspersec
kafka_network_requestmetrics_requestspersec request=Produce
kafka_network_requestmetrics_requestspersec request=Fetch
kafka_network_requestmetrics_requestspersec request=FetchConsumer
kafka_network_requestmetrics_requestspersec request=OffsetCommit
kafka_network_requestmetrics_requestspersec request=Metadata
kafka_network_requestmetrics_errorspersec error
kafka_network_requestmetrics_requestqueuetimems request=Produce quantile=0.99
kafka_network_requestmetrics_localtimems request=Produce quantile=0.99
kafka_network_requestmetrics_remotetimems request=Produce quantile=0.99
kafka_network_requestmetrics_responsequeuetimems request=Produce quantile=0.99
kafka_network_requestmetrics_responsesendtimems request=Produce quantile=0.99
kafka_network_requestmetrics_requestqueuetimems request=Fetch quantile=0.99
kafka_network_requestmetrics_localtimems request=Fetch quantile=0.99
kafka_network_requestmetrics_remotetimems request=Fetch quantile=0.99
kafka_network_requestmetrics_responsequeuetimems request=Fetch quantile=0.99
kafka_network_requestmetrics_responsesendtimems request=Fetch quantile=0.99
kafka_network_requestmetrics_requestqueuetimems request=FetchFollower quantile=0.99
kafka_network_requestmetrics_localtimems request=FetchFollower quantile=0.99
kafka_network_requestmetrics_remotetimems request=FetchFollower quantile=0.99
kafka_network_requestmetrics_responsequeuetimems request=FetchFollower quantile=0.99
kafka_network_requestmetrics_responsesendtimems request=FetchFollower quantile=0.99
kafka_network_requestmetrics_requestqueuetimems request=Metadata quantile=0.99
kafka_network_requestmetrics_totaltimems request=Metadata quantile=0.99
kafka_network_requestchannel_requestqueuesize
kafka_network_requestchannel_responsequeuesize
kafka_network_socketserver_networkprocessoravgidlepercent
kafka_network_acceptor_acceptorblockedpercent
kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate
kafka_server_zookeeperclientmetrics_zookeeperrequestlatencyms quantile=0.99
kafka_server_sessionexpirelistener_zookeepersyncconnectspersec
kafka_server_sessionexpirelistener_zookeeperexpirespersec
kafka_server_sessionexpirelistener_zookeeperdisconnectspersec
kafka_server_sessionexpirelistener_zookeeperauthfailurespersec
kafka_log_log_size topic
kafka_server_fetchsessioncache_numincrementalfetchsessions
kafka_server_fetchsessioncache_incrementalfetchsessionevictionspersec
kafka_server_replicafetchermanager_minfetchrate clientid=Replica
kafka_server_replicafetchermanager_maxlag clientid=Replica
kafka_server_socketservermetrics_connection_count listener
kafka_server_socketservermetrics_connection_creation_rate listener
kafka_server_socketservermetrics_connection_close_rate listener
kafka_server_socketservermetrics_connections client_software_name client_software_version
kafka_coordinator_group_groupmetadatamanager_numgroups
kafka_coordinator_group_groupmetadatamanager_numgroupsstable
kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance
kafka_coordinator_group_groupmetadatamanager_numgroupsdead
kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance
kafka_coordinator_group_groupmetadatamanager_numgroupsempty
process_cpu_seconds_total
kafka_server_kafkaserver_linux_disk_read_bytes
kafka_server_kafkaserver_linux_disk_write_bytes
kafka_server_replicamanager_straypartitionscount
kafka_server_replicamanager_straypartitionsmisclassifiedcount
kafka_server_replicamanager_straypartitionstotalsize
"""
NOT_OURS = (
    "jvm_memory_used_bytes",
    "jvm_memory_bytes_max",
    "jvm_gc_collection_seconds_sum",
    "kafka_log_log_tiersize",  # Confluent's tiered storage, as the next
    "kafka_tier_tasks_archive_tierarchiver_bytespersec",
    "kafka_network_requestmetrics_deprecatedrequestspersec_fiveminuterate",  # versions not served
)

# Kafka's operations manual, beside those of the dashboard.
OPERATORS = """
kafka_controller_controllerstats_leaderelectionrateandtimems quantile=0.99
kafka_controller_controllereventmanager_eventqueuesize
kafka_controller_controllereventmanager_eventqueuetimems quantile=0.99
kafka_server_replicamanager_underminisrpartitioncount
kafka_server_replicamanager_atminisrpartitioncount
kafka_server_replicamanager_offlinereplicacount
kafka_network_requestmetrics_totaltimems request=Produce quantile=0.5
kafka_network_requestmetrics_throttletimems request=Produce quantile=0.99
kafka_network_requestmetrics_messageconversionstimems request=Produce quantile=0.99
kafka_network_requestmetrics_messageconversionstimems request=Fetch quantile=0.99
kafka_network_requestmetrics_temporarymemorybytes request=Produce quantile=0.99
kafka_network_requestmetrics_temporarymemorybytes request=Fetch quantile=0.99
kafka_server_delayedoperationpurgatory_purgatorysize delayedoperation=Produce
kafka_server_delayedoperationpurgatory_purgatorysize delayedoperation=Fetch
kafka_server_fetcherlagmetrics_consumerlag topic partition
kafka_server_brokertopicmetrics_replicationbytesinpersec
kafka_server_brokertopicmetrics_replicationbytesoutpersec
kafka_log_logmanager_offlinelogdirectorycount
kafka_log_logcleanermanager_uncleanable_partitions_count
kafka_coordinator_transaction_transactionstatemanager_transactionalids state
barnabas_request_seconds_bucket request=Produce
barnabas_events kind
"""


@pytest.fixture(scope="module")
def readings() -> Iterator[list[Series]]:
    """Of three brokers whose cluster has had some of everything to do."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    with Cluster(
        brokers=3,
        in_process=True,
        http=True,
        settings={
            "barnabas.metrics.total.names": "true",
            "barnabas.metrics.exporter.names": "true",
        },
    ) as cluster:
        cluster.create_topic("orders", partitions=3, replicas=3, min_isr=2)
        producer = Producer(
            {"bootstrap.servers": cluster.bootstrap, "transactional.id": "t", "acks": "all"}
        )
        producer.init_transactions()
        producer.begin_transaction()
        for number in range(3):
            producer.produce("orders", b"x", partition=number)
        producer.commit_transaction()
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "billing"})
        consumer.assign([TopicPartition("orders", 0, 0)])
        while consumer.poll(0.1) is None:
            pass
        consumer.commit(offsets=[TopicPartition("orders", 0, 1)], asynchronous=False)

        def read() -> list[Series]:
            return [metrics(cluster.http_url(broker)) for broker in cluster.brokers]

        def committed() -> bool:
            # A record and the marker of its transaction, which followers hear of a moment later.
            series = read()

            def values(name: str, **labels: str) -> list[float]:
                return [v for s in series for v in s.all(name, **labels).values()]

            ends = values("kafka_topic_partition_current_offset", topic="orders")
            lag = values("kafka_consumergroup_lag", consumergroup="billing")
            return (ends, lag) == ([2, 2, 2], [1])

        until(committed, "all is committed")
        yield read()
        consumer.close()


def _is_there(readings: list[Series], row: str) -> bool:
    name, *labels = row.split()
    wanted = dict(label.split("=") for label in labels if "=" in label)
    present = {label for label in labels if "=" not in label}
    return any(
        present <= {key for key, _ in found}
        for series in readings
        for found in series.all(name, **wanted)
    )


@pytest.mark.parametrize("row", [*DASHBOARD.split("\n"), *OPERATORS.split("\n")])
def test_a_series_is_there(readings: list[Series], row: str) -> None:
    assert not row or _is_there(readings, row)


def _our_dashboard() -> list[str]:
    """The rows of our own dashboard, as those above."""
    rows: dict[str, None] = {}
    for panel in json.loads((DOCS / "grafana.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            for name, inside in re.findall(
                r"\b((?:kafka|barnabas|process)_\w+)\{(.*?)\}", target["expr"]
            ):
                labels = re.findall(r'(\w+)="([^"]+)"', inside)
                rows[" ".join([name, *(f"{key}={value}" for key, value in labels)])] = None
    return list(rows)


@pytest.mark.parametrize("row", _our_dashboard())
def test_our_dashboard_finds_what_it_shows(readings: list[Series], row: str) -> None:
    assert _is_there(readings, row.replace(" error=NONE", " error"))


def test_no_series_is_given_twice(readings: list[Series]) -> None:
    for series in readings:
        seen: dict[tuple[str, tuple[tuple[str, str], ...]], None] = {}
        for family in series.families:
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                assert key not in seen, key
                seen[key] = None
        assert series.text.count("# TYPE") == len({family.name for family in series.families})


def test_no_label_is_a_client_id_or_a_member(readings: list[Series]) -> None:
    names = {key for s in readings for f in s.families for x in f.samples for key in x.labels}
    assert not names & {"client_id", "member", "user", "address", "peer"} - {"address"}


def test_meters_have_their_other_name(readings: list[Series]) -> None:
    for series in readings:
        for name in ("kafka_server_brokertopicmetrics_messagesin",):
            assert series.all(f"{name}_total") == series.all(f"{name}persec")


def test_the_exporters_series_come_from_one_broker_each(readings: list[Series]) -> None:
    def total(name: str, **labels: str) -> list[float]:
        return [value for series in readings for value in series.all(name, **labels).values()]

    assert total("kafka_brokers") == [3]
    assert total("kafka_topic_partitions", topic="orders") == [3]
    assert total("kafka_topic_partition_in_sync_replica", topic="orders") == [3, 3, 3]
    assert total("kafka_topic_partition_under_replicated_partition", topic="orders") == [0, 0, 0]
    assert total("kafka_topic_partition_leader_is_preferred", topic="orders") == [1, 1, 1]
    assert total("kafka_topic_partition_current_offset", topic="orders") == [2, 2, 2]
    assert total("kafka_consumergroup_current_offset", consumergroup="billing") == [1]
    assert total("kafka_consumergroup_lag", consumergroup="billing") == [1]


def test_conversions_for_old_clients_are_counted_and_timed() -> None:
    topics, requests = "kafka_server_brokertopicmetrics_", "kafka_network_requestmetrics_"
    with Cluster(brokers=1, in_process=True, http=True) as cluster:
        cluster.create_topic("t", partitions=1, replicas=1)

        def figures() -> list[float]:
            """Records that were converted on append and on read, and how often each was timed."""
            series = metrics(cluster.http_url(1))
            return [
                series.one(f"{topics}producemessageconversionspersec"),
                series.one(f"{topics}fetchmessageconversionspersec"),
                series.one(f"{requests}messageconversionstimems", request="Produce"),
                series.one(f"{requests}messageconversionstimems", request="Fetch"),
                series.one(f"{requests}temporarymemorybytes", request="Produce"),
                series.one(f"{requests}temporarymemorybytes", request="Fetch"),
            ]

        def largest(api: str) -> float:
            name = f"{requests}temporarymemorybytes"
            return metrics(cluster.http_url(1)).one(name, request=api, quantile="0.99")

        cluster.produce("t", ["x"] * 5)
        assert len(cluster.records("t")) == 5
        assert figures() == [0, 0, 0, 0, 0, 0]
        with OldConnection(int(cluster.bootstrap.rpartition(":")[2])) as old:
            produced = old.produce("t", b"".join(message(b"x", offset=n) for n in range(5)))
            assert produced.error == 0
            assert old.fetch("t", 0).error == 0
        assert figures() == [5, 10, 1, 1, 1, 1]
        assert 61 + 5 * 7 <= largest("Produce") <= 1.25 * (61 + 5 * 8)
        assert largest("Fetch") > largest("Produce"), "old messages are larger"
