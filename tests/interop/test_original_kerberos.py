"""The original's tools log in to a broker of ours with Kerberos."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import kerberos
from tests.cluster_kit import BARNABAS, free_ports, no_traceback, wait_for
from tests.interop.original import our_broker, output
from tests.kerberos import REALM, Kdc

from barnabas.security.kerberos_settings import MODULE

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("original"),
    pytest.mark.skipif(kerberos.missing() is not None, reason=str(kerberos.missing())),
]


def _entry(keytab: Path, principal: str) -> str:
    return (
        f'{MODULE} required useKeyTab=true storeKey=true keyTab="{keytab}"'
        f' principal="{principal}@{REALM}";'
    )


def test_its_tools_with_kerberos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_ports(4)
    coordinator = ["coordinator", "--data", str(tmp_path / "zk"), "--port", str(port + 3)]
    with (
        Kdc(tmp_path / "kdc", port) as kdc,
        (tmp_path / "zk.log").open("w") as errors,
        subprocess.Popen([*BARNABAS, *coordinator], stderr=errors) as process,
        ExitStack() as stack,
    ):
        stack.callback(process.terminate)
        for name, value in kdc.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("JDK_JAVA_OPTIONS", f"-Djava.security.krb5.conf={kdc.config}")
        keys = {name: kdc.keytab(name) for name in ("kafka/localhost", "alice")}
        inside = f"PLAINTEXT://127.0.0.1:{port + 2}"
        settings = {
            "broker.id": "2",
            "listeners": f"{inside},SASL_PLAINTEXT://localhost:{port + 1}",
            "inter.broker.listener.name": "PLAINTEXT",
            "zookeeper.connect": f"127.0.0.1:{port + 3}",
            "log.dirs": str(tmp_path / "second"),
            "sasl.mechanism.inter.broker.protocol": "GSSAPI",
            "sasl.kerberos.service.name": "kafka",
            "listener.name.sasl_plaintext.gssapi.sasl.jaas.config": _entry(
                keys["kafka/localhost"], "kafka/localhost"
            ),
        }
        log, properties = tmp_path / "second.log", tmp_path / "alice.properties"
        properties.write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=GSSAPI\n"
            f"sasl.kerberos.service.name=kafka\nsasl.jaas.config={_entry(keys['alice'], 'alice')}\n"
        )
        with our_broker(log, settings):
            wait_for(lambda: "serves" in log.read_text(), 30, "it serves")
            told = output(
                *("org.apache.kafka.tools.TopicCommand", "--create", "--topic", "t"),
                *("--bootstrap-server", f"localhost:{port + 1}"),
                *("--command-config", str(properties), "--replica-assignment", "2"),
            )
            assert "Created topic t" in told
        assert no_traceback(log.read_text())
