"""``up --secure``: a temporary certificate authority, TLS, and users with SCRAM passwords.

Brokers log in to each other with a password that is only in their memory. The files that clients
and ZooKeeper tools need are in ``secure/`` below the data directory; only its owner can read them.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from typing import Final

from barnabas.broker.main import system_env
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.users import NUMBERS, set_password
from barnabas.cluster.certificates import Authority
from barnabas.cluster.plan import ClusterPlan
from barnabas.config.client_config import client_security
from barnabas.security.sasl import digest_md5, plain, scram
from barnabas.security.sasl.mechanism import SCRAM_SHA_256, SCRAM_SHA_512
from barnabas.security.sasl.scram import DEFAULT_ITERATIONS, secure_text

ADMIN: Final = "admin"
_BROKER: Final = "broker"
_PASSWORD_BYTES: Final = 18
_KEY_BYTES: Final = 32
PROTOCOL: Final = "SASL_SSL"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurePlan:
    """What the processes of one secure cluster share."""

    directory: str
    ca: str
    key: str = field(repr=False)
    certificate: str
    broker_password: str = field(repr=False)
    zookeeper_password: str = field(repr=False)
    admin_password: str = field(repr=False)
    token_key: str = field(repr=False)

    @classmethod
    def fresh(cls, data: str, host: str) -> SecurePlan:
        """A plan with a new authority and new passwords. Writes the files that clients need."""
        authority = Authority()
        key, certificate = authority.issue("barnabas", [host, "localhost", "127.0.0.1", "::1"])
        made = cls(
            directory=os.path.join(data, "secure"),
            ca=authority.pem.decode(),
            key=key.decode(),
            certificate=certificate.decode(),
            broker_password=secrets.token_urlsafe(_PASSWORD_BYTES),
            zookeeper_password=secrets.token_urlsafe(_PASSWORD_BYTES),
            admin_password=secrets.token_urlsafe(_PASSWORD_BYTES),
            token_key=secrets.token_urlsafe(_KEY_BYTES),
        )
        os.makedirs(made.directory, mode=0o700, exist_ok=True)
        _write(made.ca_path, made.ca)
        _write(made.properties_path, made.properties())
        _write(made.zookeeper_path, made.zookeeper_properties())
        return made

    @property
    def ca_path(self) -> str:
        return os.path.join(self.directory, "ca.pem")

    @property
    def properties_path(self) -> str:
        return os.path.join(self.directory, "client.properties")

    @property
    def zookeeper_path(self) -> str:
        return os.path.join(self.directory, "zookeeper.properties")

    @property
    def coordinator_users(self) -> dict[str, str]:
        """Passwords of the users who may log in to the coordinator."""
        return {_BROKER: self.zookeeper_password}

    def zookeeper_settings(self) -> dict[str, str]:
        """The settings with which a broker, or a tool with its rights, reaches the coordinator."""
        login = f'username="{_BROKER}" password="{self.zookeeper_password}"'
        return {
            "zookeeper.ssl.client.enable": "true",
            "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
            "zookeeper.ssl.protocol": "TLSv1.3",
            "zookeeper.ssl.truststore.location": self.ca_path,
            "zookeeper.ssl.truststore.type": "PEM",
            "barnabas.zookeeper.sasl.jaas.config": f"{digest_md5.MODULE} required {login};",
            "zookeeper.set.acl": "true",
        }

    def zookeeper_properties(self) -> str:
        """``zookeeper_settings`` as a file for ``--zk-tls-config-file``. Kafka's own tools ignore
        the login in it."""
        return "".join(f"{name}={value}\n" for name, value in self.zookeeper_settings().items())

    def broker_settings(self) -> dict[str, str]:
        """The settings that every broker of a secure cluster has in addition."""
        prefix = f"listener.name.{PROTOCOL.lower()}."
        login = f'username="{_BROKER}" password="{self.broker_password}"'
        return {
            "security.inter.broker.protocol": PROTOCOL,
            "sasl.enabled.mechanisms": f"PLAIN,{SCRAM_SHA_256},{SCRAM_SHA_512}",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            f"{prefix}plain.sasl.jaas.config": f"{plain.MODULE} required {login}"
            f' user_{_BROKER}="{self.broker_password}";',
            f"{prefix}scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
            f"{prefix}scram-sha-512.sasl.jaas.config": f"{scram.MODULE} required;",
            "delegation.token.secret.key": self.token_key,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": self.key,
            "ssl.keystore.certificate.chain": self.certificate,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": self.ca,
        }

    def with_coordinator(self, plan: ClusterPlan) -> ClusterPlan:
        """``plan`` with TLS and a login between brokers and the embedded coordinator."""
        return replace(
            plan,
            security={**plan.security, **self.zookeeper_settings()},
            coordinator_users=self.coordinator_users,
            coordinator_identity=(self.key, self.certificate),
        )

    def bootstrap(self, servers: str) -> Bootstrap:
        """Connects as a broker does, for ``up`` itself."""
        login = f'username="{_BROKER}" password="{self.broker_password}"'
        return self._bootstrap(servers, "PLAIN", f"{plain.MODULE} required {login};")

    def _bootstrap(self, servers: str, mechanism: str, jaas: str) -> Bootstrap:
        env = system_env()
        properties = {
            "security.protocol": PROTOCOL,
            "sasl.mechanism": mechanism,
            "sasl.jaas.config": jaas,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": self.ca,
        }
        security = client_security(
            properties, read=env.files.read, secret=env.secret, wall_ms=env.clock.wall_ms
        )
        return Bootstrap(servers=servers, security=security)

    async def add_admin(self, servers: str) -> None:
        """Create the user ``ADMIN``, whose password ``guide`` shows. Raises ClientError and
        Unreachable."""
        env = system_env()
        async with ClusterClient(self.bootstrap(servers), "barnabas-up") as client:
            for mechanism in NUMBERS:
                salt = secure_text(env.secret).encode()
                await set_password(
                    client, ADMIN, mechanism, self.admin_password, salt, DEFAULT_ITERATIONS
                )

    def properties(self) -> str:
        """Client properties for Kafka's tools, Java clients and ``--command-config``."""
        return (
            f"security.protocol={PROTOCOL}\n"
            f"sasl.mechanism={SCRAM_SHA_512}\n"
            f"sasl.jaas.config={scram.MODULE} required"
            f' username="{ADMIN}" password="{self.admin_password}";\n'
            "ssl.truststore.type=PEM\n"
            f"ssl.truststore.location={self.ca_path}\n"
        )

    def guide(self, servers: str) -> str:
        """A text that says how several clients log in."""
        return f"""\
Java, Kafka's tools, barnabas (--command-config {self.properties_path}):
{_indented(self.properties())}
librdkafka (confluent-kafka and others):
  bootstrap.servers={servers}
  security.protocol={PROTOCOL}
  sasl.mechanism={SCRAM_SHA_512}
  sasl.username={ADMIN}
  sasl.password={self.admin_password}
  ssl.ca.location={self.ca_path}
kafka-python, aiokafka:
  bootstrap_servers="{servers}", security_protocol="{PROTOCOL}",
  sasl_mechanism="{SCRAM_SHA_512}", sasl_plain_username="{ADMIN}",
  sasl_plain_password="{self.admin_password}",
  ssl_context=ssl.create_default_context(cafile="{self.ca_path}")
"""


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines()).rstrip("\n")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
