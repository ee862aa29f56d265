"""How the demo connects to its cluster: in plain text, or with TLS, logins and ACLs (``--secure``).

The writer and the reader are separate users, each with rights for the demo's topic only.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from barnabas.authorizer.acl import AclOperation, AclPermissionType, PatternType, ResourceType
from barnabas.broker.main import system_env
from barnabas.broker.zookeeper_security import security_of
from barnabas.client.acls import create_acls
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.users import set_password
from barnabas.config.client_config import client_security
from barnabas.config.settings import SETTINGS
from barnabas.config.sources import parse_properties
from barnabas.protocol.messages.create_acls import CreateAclsRequest
from barnabas.security.sasl.mechanism import SCRAM_SHA_256
from barnabas.security.sasl.scram import DEFAULT_ITERATIONS, secure_text
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity

WRITER: Final = "demo-writer"
READER: Final = "demo-reader"
RIGHTS: Final = {WRITER: AclOperation.WRITE, READER: AclOperation.READ}
UP: Final = (
    "--secure",
    *("-X", "authorizer.class.name=kafka.security.authorizer.AclAuthorizer"),
    *("-X", "super.users=User:broker;User:admin"),
)
"""The options of ``up`` for a secure demo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The connection settings of each client."""

    bootstrap: Bootstrap
    """For the demo's own administration of the cluster."""
    writer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Settings for librdkafka."""
    reader: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Settings for kafka-python."""
    zookeeper: ZooKeeperSecurity = OPEN


async def secure_access(servers: str, directory: str, topic: str) -> Access:
    """Create the two users in a cluster that ``up --secure --data DIRECTORY`` started. Raises
    ClientError, Unreachable."""
    env = system_env()
    folder = os.path.join(directory, "secure")
    properties = _properties(os.path.join(folder, "client.properties"))
    security = client_security(
        properties, read=env.files.read, secret=env.secret, wall_ms=env.clock.wall_ms
    )
    bootstrap = Bootstrap(servers=servers, security=security)
    passwords = {user: secrets.token_urlsafe() for user in RIGHTS}
    async with ClusterClient(bootstrap, "barnabas-demo") as client:
        for user, password in passwords.items():
            salt = secure_text(env.secret).encode()
            await set_password(client, user, SCRAM_SHA_256, password, salt, DEFAULT_ITERATIONS)
        await create_acls(client, [_right(user, RIGHTS[user], topic) for user in RIGHTS])
    ca = os.path.join(folder, "ca.pem")
    return Access(
        bootstrap=bootstrap,
        writer={
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": SCRAM_SHA_256,
            "sasl.username": WRITER,
            "sasl.password": passwords[WRITER],
            "ssl.ca.location": ca,
        },
        reader={
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": SCRAM_SHA_256,
            "sasl_plain_username": READER,
            "sasl_plain_password": passwords[READER],
            "ssl_cafile": ca,
        },
        zookeeper=_zookeeper(os.path.join(folder, "zookeeper.properties")),
    )


def _zookeeper(path: str) -> ZooKeeperSecurity:
    given = _properties(path)

    def value(name: str) -> Any:
        setting = SETTINGS[name]
        return setting.parse(given[name]) if name in given else setting.default

    return security_of(system_env(), value)


def _properties(path: str) -> dict[str, str]:
    return parse_properties(system_env().files.read(path).decode())


def _right(user: str, operation: AclOperation, topic: str) -> CreateAclsRequest.AclCreation:
    return CreateAclsRequest.AclCreation(
        resource_type=int(ResourceType.TOPIC),
        resource_name=topic,
        resource_pattern_type=int(PatternType.LITERAL),
        principal=f"User:{user}",
        host="*",
        operation=int(operation),
        permission_type=int(AclPermissionType.ALLOW),
    )
