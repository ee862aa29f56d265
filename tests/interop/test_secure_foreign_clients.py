"""franz-go, kafkajs and Java's console: SASL_SSL with SCRAM and signed tokens, and certificates.

Each way in is another user, who may only do what an ACL of his own name allows: whoever is served
has been taken for the right one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.cli.kit import ok
from tests.cluster_kit import Cluster, free_ports, no_traceback, wait_for
from tests.interop.original import output, tool
from tests.security.oauth.provider import AUDIENCE, ISSUER, Provider

from barnabas.cluster.certificates import Authority
from barnabas.security.oauth_settings import LOGIN_HANDLER, VALIDATOR
from barnabas.security.sasl import oauthbearer, scram

HERE = Path(__file__).parent
COUNT = 20
PASSWORD = "s3cr3t-of-the-user"
USERS = {
    "SCRAM-SHA-256": "User:alice",
    "SCRAM-SHA-512": "User:bob",
    "OAUTHBEARER": "User:carol",
    "certificate": "User:CN=dave",
}
"""By the way in."""

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(400)]


class Served:
    """A broker with a listener for logins, one for certificates, and one for the test."""

    def __init__(self, directory: Path, provider: Provider, url: str) -> None:
        self.directory, self.provider = directory, provider
        self.cluster = Cluster(directory=directory / "ours", brokers=1)
        self.cluster.port = free_ports(4)
        self.cluster.zookeeper_port = self.cluster.port + 1
        self.ports = {"logins": self.cluster.port + 2, "certificates": self.cluster.port + 3}
        self._make_keys()
        prefix = "listener.name.logins."
        self.cluster.overrides = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.cluster.port},"
            f"LOGINS://127.0.0.1:{self.ports['logins']},"
            f"CERTIFICATES://127.0.0.1:{self.ports['certificates']}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LOGINS:SASL_SSL,"
            "CERTIFICATES:SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            f"{prefix}scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
            f"{prefix}scram-sha-512.sasl.jaas.config": f"{scram.MODULE} required;",
            f"{prefix}oauthbearer.sasl.jaas.config": f"{oauthbearer.MODULE} required;",
            f"{prefix}oauthbearer.sasl.server.callback.handler.class": VALIDATOR,
            "sasl.oauthbearer.jwks.endpoint.url": f"{url}/keys",
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
            "listener.name.certificates.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(directory / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(directory / "ca.pem"),
            "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def _make_keys(self) -> None:
        authority = Authority()
        (self.directory / "ca.pem").write_bytes(authority.pem)
        (self.directory / "broker.pem").write_bytes(b"".join(authority.issue("b", ["127.0.0.1"])))
        key, certificate = authority.issue("dave")
        (self.directory / "dave.pem").write_bytes(key + certificate)
        (self.directory / "key.pem").write_bytes(key)
        (self.directory / "certificate.pem").write_bytes(certificate)

    def way(self, way: str, *, wrong: bool = False) -> tuple[str, dict[str, str]]:
        """(bootstrap, variables) of one way in; or what is not let in by it."""
        found = {"CA": str(self.directory / "ca.pem")}
        if way == "certificate":
            if not wrong:
                found["CERTIFICATE"] = str(self.directory / "certificate.pem")
                found["KEY"] = str(self.directory / "key.pem")
            return f"127.0.0.1:{self.ports['certificates']}", found
        found["MECHANISM"] = way
        if way == "OAUTHBEARER":
            issued_s = time.time() - (1000 if wrong else 0)
            found["TOKEN"] = self.provider.token("carol", issued_s)
        else:
            found["NAME"] = USERS[way].removeprefix("User:")
            found["PASSWORD"] = PASSWORD + "x" * wrong
        return f"127.0.0.1:{self.ports['logins']}", found

    def properties(self, way: str, *, wrong: bool = False) -> str:
        """The path of a file with Java's properties for one way in."""
        lines = ["ssl.truststore.type=PEM", f"ssl.truststore.location={self.directory / 'ca.pem'}"]
        if way == "certificate":
            lines.append("security.protocol=SSL")
            if not wrong:
                lines.append("ssl.keystore.type=PEM")
                lines.append(f"ssl.keystore.location={self.directory / 'dave.pem'}")
        else:
            lines += ["security.protocol=SASL_SSL", f"sasl.mechanism={way}"]
        if way == "OAUTHBEARER":
            token = self.directory / "token"
            token.write_text(self.way(way, wrong=wrong)[1]["TOKEN"])
            lines.append(f"sasl.login.callback.handler.class={LOGIN_HANDLER}")
            lines.append(f"sasl.oauthbearer.token.endpoint.url={token.as_uri()}")
            lines.append(f"sasl.jaas.config={oauthbearer.MODULE} required;")
        elif way != "certificate":
            own = self.way(way, wrong=wrong)[1]
            login = f'username="{own["NAME"]}" password="{own["PASSWORD"]}"'
            lines.append(f"sasl.jaas.config={scram.MODULE} required {login};")
        if wrong:
            lines += ["request.timeout.ms=2000", "default.api.timeout.ms=4000"]
        path = self.directory / f"{way}-{wrong}.properties"
        path.write_text("\n".join(lines))
        return str(path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    provider = Provider("a")
    with provider.served(time.time) as url:
        found = Served(tmp_path_factory.mktemp("foreign"), provider, url)
        with found.cluster as cluster:
            for name in ("alice", "bob"):
                ok(cluster, "user", "add", name, stdin=f"{PASSWORD}\n")
            wait_for(lambda: provider.asked, 20, "keys are asked for")
            yield found
            assert no_traceback(cluster.log("broker:1"))


@pytest.fixture(scope="module")
def franz_go(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program; skips where Go or its modules are missing."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    program = tmp_path_factory.mktemp("go") / "secure"
    build = ["go", "build", "-o", str(program), "."]
    done = subprocess.run(
        build, cwd=HERE / "franz_go", capture_output=True, text=True, timeout=150, check=False
    )
    if done.returncode:
        pytest.skip(f"go cannot build franz-go: {done.stderr[-200:]}")
    return str(program)


def _run(
    command: list[str], bootstrap: str, topic: str, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, bootstrap, topic, str(COUNT)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def _there_and_back(served: Served, command: list[str], variables: Mapping[str, str]) -> None:
    kind = Path(command[0]).name
    for way, user in USERS.items():
        topic = f"{kind}-{way}"
        rights = ("--producer", "--consumer", "--topic", topic, "--group", f"g-{topic}")
        bootstrap, own = served.way(way)
        ok(served.cluster, "topic", "create", topic, "-r", "1")
        ok(served.cluster, "acl", "add", user, *rights)
        done = _run(command, bootstrap, topic, {**variables, **own})
        assert done.returncode == 0, (way, done.stderr)
        assert json.loads(done.stdout) == [str(number) for number in range(COUNT)]
        bootstrap, others = served.way(way, wrong=True)
        refused = _run(command, bootstrap, topic, {**variables, **others, "PATIENCE": "3"})
        assert refused.returncode == 1, (way, "a stranger is let in")


def test_franz_go(served: Served, franz_go: str) -> None:
    _there_and_back(served, [franz_go], {})


def test_kafkajs(served: Served, kafkajs: Path) -> None:
    command = ["node", str(HERE / "kafkajs_secure.js")]
    _there_and_back(served, command, {"NODE_PATH": str(kafkajs)})


@pytest.mark.usefixtures("original")
def test_the_originals_console(served: Served) -> None:
    values = [str(number) for number in range(COUNT)]
    for way, user in USERS.items():
        topic, properties = f"java-{way}", served.properties(way)
        here = ("--bootstrap-server", served.way(way)[0], "--topic", topic)
        rights = ("--producer", "--consumer", "--topic", topic, "--group", f"g-{topic}")
        ok(served.cluster, "topic", "create", topic, "-r", "1")
        ok(served.cluster, "acl", "add", user, *rights)
        output(
            *("kafka.tools.ConsoleProducer", *here, "--producer.config", properties),
            stdin="".join(f"{value}\n" for value in values),
        )
        found = output(
            *("org.apache.kafka.tools.consumer.ConsoleConsumer", *here),
            *("--consumer.config", properties, "--group", f"g-{topic}", "--from-beginning"),
            *("--max-messages", str(COUNT), "--timeout-ms", "30000"),
        )
        assert found.splitlines() == values, way
        refused = tool(
            *("org.apache.kafka.tools.TopicCommand", *here[:2], "--list"),
            *("--command-config", served.properties(way, wrong=True)),
        )
        assert refused.returncode != 0, (way, "a stranger is let in")
