"""Clients of three kinds over SASL_SSL with SCRAM, and by certificate."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from tests.cluster_kit import BARNABAS, Cluster, free_ports, no_traceback, wait_for

from barnabas.cluster.certificates import Authority
from barnabas.config.sources import parse_properties
from barnabas.security.sasl import oauthbearer, plain

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the way in which it reads its files
    from kafka import KafkaConsumer, KafkaProducer

pytestmark = [
    pytest.mark.processes,
    # kafka-python and aiokafka leave sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
COUNT = 50


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("secure"), secure=True) as running:
        yield running
        gc.collect()
        assert all(no_traceback(running.log(f"broker:{i}")) for i in (1, 2, 3))


def _password(cluster: Cluster) -> str:
    properties = parse_properties(cluster.client_properties.read_text())
    return properties["sasl.jaas.config"].partition('password="')[2].partition('"')[0]


def _librdkafka(bootstrap: str, **more: str) -> dict[str, Any]:
    return {"bootstrap.servers": bootstrap, "log_level": 0, **more}


def _there_and_back(writer: dict[str, Any], topic: str) -> None:
    """By librdkafka."""
    producer, failed = Producer(writer), list[object]()

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    for number in range(COUNT):
        producer.produce(topic, b"%d" % number, on_delivery=delivered)
    assert producer.flush(30) == 0
    assert failed == []
    consumer = Consumer({**writer, "group.id": f"g-{topic}", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        found = [m.value() for m in consumer.consume(COUNT, timeout=30)]
    finally:
        consumer.close()
    assert sorted(value or b"" for value in found) == sorted(b"%d" % i for i in range(COUNT))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_librdkafka(secure: Cluster, mechanism: str) -> None:
    sasl = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "sasl.username": "admin",
        "sasl.password": _password(secure),
        "ssl.ca.location": str(secure.client_properties.with_name("ca.pem")),
    }
    _there_and_back(_librdkafka(secure.bootstrap, **sasl), f"rd-{mechanism}")


def _python(cluster: Cluster, mechanism: str) -> dict[str, Any]:
    ca = str(cluster.client_properties.with_name("ca.pem"))
    return {
        "bootstrap_servers": cluster.bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "admin",
        "sasl_plain_password": _password(cluster),
        "ssl_context": ssl.create_default_context(cafile=ca),
    }


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka_python(secure: Cluster, mechanism: str) -> None:
    topic = f"kp-{mechanism}"
    producer = KafkaProducer(**_python(secure, mechanism))
    for sent in [producer.send(topic, b"%d" % number) for number in range(COUNT)]:
        sent.get(30)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
        **_python(secure, mechanism),
    )
    found = [message.value for _, message in zip(range(COUNT), consumer, strict=False)]
    consumer.close()
    assert found == [b"%d" % number for number in range(COUNT)]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_aiokafka(secure: Cluster, mechanism: str) -> None:
    async def main() -> None:
        topic = f"aio-{mechanism}"
        producer = AIOKafkaProducer(**_python(secure, mechanism))
        await producer.start()
        for number in range(COUNT):
            await producer.send_and_wait(topic, b"%d" % number)
        await producer.stop()
        consumer = AIOKafkaConsumer(
            topic, auto_offset_reset="earliest", **_python(secure, mechanism)
        )
        await consumer.start()
        try:
            async with asyncio.timeout(30):
                found = [(await consumer.getone()).value for _ in range(COUNT)]
        finally:
            await consumer.stop()
        assert found == [b"%d" % number for number in range(COUNT)]

    asyncio.run(main())


def test_certificates(tmp_path: Path) -> None:
    """mTLS: librdkafka with a certificate is served, without one it is not."""
    authority = Authority()
    key, certificate = authority.issue("broker", ["127.0.0.1"])
    port = free_ports(3)
    overrides = {
        "listeners": f"SSL://127.0.0.1:{port}",
        "security.inter.broker.protocol": "SSL",
        "ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": key.decode(),
        "ssl.keystore.certificate.chain": certificate.decode(),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": authority.pem.decode(),
    }
    own_key, own_certificate = authority.issue("alice")
    for name, pem in (("ca", authority.pem), ("key", own_key), ("cert", own_certificate)):
        (tmp_path / name).write_bytes(pem)
    anonymous = {"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "ca")}
    alice = {
        **anonymous,
        "ssl.key.location": str(tmp_path / "key"),
        "ssl.certificate.location": str(tmp_path / "cert"),
    }
    with _broker(tmp_path, port, overrides):
        bootstrap = f"127.0.0.1:{port}"
        _there_and_back(_librdkafka(bootstrap, **alice), "mtls")
        producer = Producer(_librdkafka(bootstrap, **anonymous))
        producer.produce("mtls", b"x")
        assert producer.flush(3) == 1


def test_plain_and_tokens(tmp_path: Path) -> None:
    """PLAIN and unsigned OAUTHBEARER by librdkafka, PLAIN by the two in Python."""
    port, prefix = free_ports(2), "listener.name.sasl_plaintext"
    settings = {
        "listeners": f"SASL_PLAINTEXT://127.0.0.1:{port}",
        "security.inter.broker.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
        f"{prefix}.plain.sasl.jaas.config": f"{plain.MODULE} required"
        ' username="broker" password="b-pw" user_broker="b-pw" user_alice="a-pw";',
        f"{prefix}.oauthbearer.sasl.jaas.config": f"{oauthbearer.MODULE} required;",
        # Clients renew their sessions meanwhile.
        "connections.max.reauth.ms": "2000",
    }
    bootstrap = f"127.0.0.1:{port}"
    way = {"security.protocol": "SASL_PLAINTEXT"}
    alice = {"sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": "a-pw"}
    bearer = {
        "sasl.mechanism": "OAUTHBEARER",
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
        "sasl.oauthbearer.config": "principal=bob lifeSeconds=3600",
    }
    python = {
        "bootstrap_servers": bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "alice",
        "sasl_plain_password": "a-pw",
    }
    with _broker(tmp_path, port, settings):
        _there_and_back(_librdkafka(bootstrap, **way, **alice), "plain")
        _there_and_back(_librdkafka(bootstrap, **way, **bearer), "bearer")
        producer = KafkaProducer(**python)
        assert producer.send("plain", b"x").get(30).offset == COUNT
        producer.close()

        async def last() -> None:
            other = AIOKafkaProducer(**python)
            await other.start()
            assert (await other.send_and_wait("plain", b"y")).offset == COUNT + 1
            await other.stop()

        asyncio.run(last())


@contextmanager
def _broker(directory: Path, port: int, settings: dict[str, str]) -> Iterator[None]:
    """A coordinator and one broker, as processes of their own."""
    zookeeper = port + 1
    given = {
        "broker.id": "1",
        "zookeeper.connect": f"127.0.0.1:{zookeeper}",
        "log.dirs": str(directory / "log"),
        "offsets.topic.replication.factor": "1",
        "group.initial.rebalance.delay.ms": "0",
        **settings,
    }
    properties, log = directory / "server.properties", directory / "broker.log"
    lines = (f"{name}={text}".replace("\n", "\\n") for name, text in given.items())
    properties.write_text("\n".join(lines))
    processes = []
    try:
        for arguments in (
            ("coordinator", "--port", str(zookeeper), "--data", str(directory / "zk")),
            ("broker", "--config", str(properties)),
        ):
            with open(directory / f"{arguments[0]}.log", "w") as output:
                processes.append(
                    subprocess.Popen([*BARNABAS, *arguments], stdout=output, stderr=output)
                )
        wait_for(lambda: "broker 1 serves" in log.read_text(), 30, "the broker serves")
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)
    assert no_traceback(log.read_text())
