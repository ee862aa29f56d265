"""ACLs in a ZooKeeper of their own (``authorizer.zookeeper.*``)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api import kit
from tests.authorizer.test_authorizer import FOO, POLICY, READ, added, may_read, running, until
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import connected, make_env

from barnabas.broker.acl_zookeeper import SeparateAclAuthorizer
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.storage.files import OperatingSystemFiles
from barnabas.zookeeper.client.client import ZooKeeperClient

ON = {"authorizer.class.name": "kafka.security.authorizer.AclAuthorizer"}


def _authorizer(url: str, **more: str) -> SeparateAclAuthorizer:
    given = {**ON, "broker.id": "1", "zookeeper.connect": "127.0.0.1:1"}
    given["authorizer.zookeeper.url"] = url
    given |= {f"authorizer.zookeeper.{name.replace('_', '.')}": text for name, text in more.items()}
    config = BrokerConfig(given)
    assert config.authorization is not None
    assert config.authorization.zookeeper is not None
    env = dataclasses.replace(make_env(), files=OperatingSystemFiles())
    return SeparateAclAuthorizer(env, config, config.authorization.zookeeper, POLICY)


@contextlib.asynccontextmanager
async def _following(url: str) -> AsyncIterator[SeparateAclAuthorizer]:
    authorizer = _authorizer(url)
    await authorizer.load()
    task = asyncio.ensure_future(authorizer.run())
    try:
        yield authorizer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await authorizer.close()


def test_it_follows_its_own_session_and_renews_it() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(30),
            PuppetServer() as server,
            connected(server.connect_string) as client,
            running(client) as other,
            _following(server.connect_string) as authorizer,
        ):
            await other.update(FOO, added(READ))
            await until(lambda: may_read(authorizer, "foo"))
            session = authorizer._own.session_id
            server.expire(session)
            await other.update(FOO, lambda _: ())
            await until(lambda: authorizer._own.session_id not in (0, session))
            await until(lambda: not may_read(authorizer, "foo"))
            await other.update(FOO, added(READ))
            await until(lambda: may_read(authorizer, "foo"))
            generation = authorizer.generation
            authorizer.on_new_session()
            assert authorizer.generation == generation, "the broker's session is not its own"

    asyncio.run(main())


def test_nobody_there_and_tls_that_cannot_be() -> None:
    async def main() -> None:
        authorizer = _authorizer("127.0.0.1:1", connection_timeout_ms="50")
        with pytest.raises(ConfigError, match=r"^authorizer\.zookeeper\.url: no ZooKeeper at"):
            await authorizer.load()
        await authorizer.close()
        with pytest.raises(ConfigError, match=r"^authorizer\.zookeeper\.ssl\.truststore"):
            _authorizer(
                "127.0.0.1:1", ssl_client_enable="true", ssl_truststore_location="/not/there.pem"
            )

    asyncio.run(main())


def test_a_broker_whose_acls_are_elsewhere() -> None:
    async def scenario(client: kit.Client) -> None:
        denied = {
            "resource_type": 2,
            "resource_name": "secret",
            "resource_pattern_type": 3,
            "principal": "User:*",
            "host": "*",
            "operation": 2,
            "permission_type": 2,
        }
        creation = Message(creations=[Message(**denied)])
        created: Any = await client.ask(ApiKey.CREATE_ACLS, 2, creation)
        assert created.results[0].error_code == 0
        described = await client.create("secret")
        assert described.error_code == 0, "who creates it may create on the whole cluster"
        produced = await client.produce("secret", b"x")
        assert produced.error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
        for path, there in (("/acls/kafka-acl/Topic/secret", True), ("/kafka-acl", False)):
            assert (await _exists(client, path)) == there

    kit.run(
        scenario,
        settings={
            **ON,
            "authorizer.zookeeper.url": "zk:2181/acls",
            "allow.everyone.if.no.acl.found": "true",
        },
    )


async def _exists(client: kit.Client, path: str) -> bool:
    zookeeper: ZooKeeperClient = await kit.zookeeper(client.env)
    try:
        return await zookeeper.exists(path) is not None
    finally:
        await zookeeper.close()
