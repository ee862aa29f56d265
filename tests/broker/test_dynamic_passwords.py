"""Passwords among the settings of a broker that runs: a listener with logins comes without a
restart, and ZooKeeper holds nothing that could be read."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import kit
from tests.api.config_kit import BROKER, described
from tests.api.kit import Client
from tests.broker.test_listeners import alter, until
from tests.broker.test_sasl_listener import ALICE, PLAIN_JAAS, _as, _with_users

from barnabas.broker.dynamic_config import DynamicBrokerConfig
from barnabas.broker.dynamic_passwords import DynamicPasswords
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.security import client as secure
from barnabas.security.client import AuthenticationRefused, ClientSecurity
from barnabas.security.sasl import scram
from barnabas.zk.admin import read_config

SECRET = {"password.encoder.secret": "the-encoders-secret"}
STATIC = {
    **SECRET,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LATER:SASL_PLAINTEXT",
}
JAAS = "listener.name.later.plain.sasl.jaas.config"
LATER: dict[str, str | None] = {
    "listeners": "PLAINTEXT://b1:9092,LATER://b1:9095",
    "listener.name.later.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
    JAAS: PLAIN_JAAS,
    "listener.name.later.scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
}


async def _enters(security: ClientSecurity) -> bool:
    try:
        connection = await secure.connect(
            "b1", 9095, client_id="c", timeout_ms=10_000, security=security
        )
    except ConnectionError:
        return False
    answer: Any = await connection.send(ApiKey.METADATA, 1, Message(topics=[]))
    connection.close()
    return bool(answer.brokers)


def test_a_listener_with_logins_comes_while_a_broker_runs() -> None:
    async def scenario(client: Client) -> None:
        assert await alter(client, **LATER) == (0, "")
        await until(lambda: _enters(ALICE))
        assert await _enters(_as("broker", "broker-secret", "SCRAM-SHA-256")), "users are read"
        wrong = _as("alice", "wrong")
        with pytest.raises(AuthenticationRefused):
            await secure.connect("b1", 9095, client_id="c", timeout_ms=10_000, security=wrong)

        zookeeper = await kit.zookeeper(client.env)
        stored = await read_config(zookeeper, "brokers/1")
        assert "secret" not in str(stored).replace("encryptedPassword", "")
        assert stored[JAAS].startswith("initializationVector:")
        found = await described(client, BROKER, "1", JAAS)
        assert found is not None
        assert found[0] is None, "nobody is told"

        assert await alter(client, log__retention__ms="777000") == (0, "")
        assert (await read_config(zookeeper, "brokers/1"))[JAAS] == stored[JAAS]

        broker = client.simulation.processes["b1"]
        broker.kill()
        broker.start()
        await until(lambda: _enters(ALICE))
        gone = dict.fromkeys(LATER)
        assert await alter(client, **gone) == (0, "")
        await until(lambda: _is_closed())
        await zookeeper.close()

    async def _is_closed() -> bool:
        return not await _enters(ALICE)

    kit.run(scenario, brokers=1, settings=STATIC, prepare=_with_users)


def test_without_a_secret_no_password_is_stored() -> None:
    async def scenario(client: Client) -> None:
        error, text = await alter(client, **LATER)
        assert error == ErrorCode.INVALID_REQUEST
        assert "password.encoder.secret" in text
        assert "secret;" not in text
        assert "alice" not in text

    settings = {name: text for name, text in STATIC.items() if name not in SECRET}
    kit.run(scenario, brokers=1, settings=settings)


def _passwords(**given: str) -> DynamicPasswords:
    settings = {f"password.encoder.{name.replace('_', '.')}": x for name, x in given.items()}
    return DynamicPasswords(BrokerConfig({"broker.id": "1", **settings}), bytes)


def test_a_new_secret_takes_the_place_of_the_old_one() -> None:
    plain = {JAAS: PLAIN_JAAS, "log.retention.ms": "5"}
    stored = _passwords(secret="old").encoded(plain, {})
    both = _passwords(secret="new", old_secret="old")
    assert not both.are_of_now()
    assert both.decoded(stored)[1].keys() == {JAAS}
    anew = both.encoded_anew(stored)
    assert _passwords(secret="new").decoded(anew) == (plain, {})
    assert both.encoded_anew(anew) == anew, "a second time there is nothing to do"
    assert both.encoded_anew({JAAS: "nonsense"}) == {JAAS: "nonsense"}


def test_a_start_with_a_password_that_cannot_be_read_is_refused() -> None:
    async def scenario(client: Client) -> None:
        assert await alter(client, **LATER) == (0, "")
        zookeeper = await kit.zookeeper(client.env)
        static = {"broker.id": "1", **{k: v for k, v in STATIC.items() if k not in SECRET}}
        for secret, why in (
            ({}, "there is no password.encoder.secret"),
            ({"password.encoder.secret": "another"}, "another secret"),
        ):
            config = BrokerConfig({**static, **secret})
            with pytest.raises(ConfigError) as refused:
                await DynamicBrokerConfig(config, zookeeper, bytes).load(1)
            assert why in str(refused.value)
            assert f"{JAAS}: " in str(refused.value) or "scram" in str(refused.value)
        new = {
            "password.encoder.secret": "newer",
            "password.encoder.old.secret": "the-encoders-secret",
        }
        config = BrokerConfig({**static, **new})
        await DynamicBrokerConfig(config, zookeeper, bytes).load(1)
        assert config.texts[JAAS] == PLAIN_JAAS
        config = BrokerConfig({**static, "password.encoder.secret": "newer"})
        await DynamicBrokerConfig(config, zookeeper, bytes).load(1)
        assert config.texts[JAAS] == PLAIN_JAAS
        await zookeeper.close()

    kit.run(scenario, brokers=1, settings=STATIC)


def test_a_way_to_encrypt_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"password\.encoder\.cipher\.algorithm"):
        _passwords(secret="s", cipher_algorithm="DES").check()
    _passwords(cipher_algorithm="DES").check()


def test_passwords_are_encrypted_as_the_settings_say() -> None:
    settings = {
        **SECRET,
        "password.encoder.keyfactory.algorithm": "PBKDF2WithHmacSHA256",
        "password.encoder.cipher.algorithm": "AES/GCM/NoPadding",
        "password.encoder.key.length": "256",
        "password.encoder.iterations": "2048",
    }
    passwords = DynamicPasswords(BrokerConfig({"broker.id": "1", **settings}), bytes)
    stored = passwords.encoded({JAAS: PLAIN_JAAS}, {})
    told = dict(part.split(":", 1) for part in stored[JAAS].split(","))
    assert told["keyFactoryAlgorithm"] == "PBKDF2WithHmacSHA256"
    assert told["cipherAlgorithm"] == "AES/GCM/NoPadding"
    assert (told["keyLength"], told["iterations"]) == ("256", "2048")
    other = DynamicPasswords(BrokerConfig({"broker.id": "1", **SECRET}), bytes)
    assert other.decoded(stored) == ({JAAS: PLAIN_JAAS}, {}), "the text says how, not the settings"
