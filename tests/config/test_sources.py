from __future__ import annotations

import pytest

from barnabas.config.settings import SETTINGS
from barnabas.config.sources import from_environment, parse_overrides, parse_properties
from barnabas.errors import ConfigError


def test_properties_as_java_reads_them() -> None:
    text = """
# a comment
! another
broker.id=1
log.dirs : /a,/b
listeners   PLAINTEXT://:9092
  indented = yes
long=first,\\
     second
escaped\\ key=a\\u0041\\tb
empty=
one=line\x0bonly\u2028really
"""
    assert parse_properties(text) == {
        "broker.id": "1",
        "log.dirs": "/a,/b",
        "listeners": "PLAINTEXT://:9092",
        "indented": "yes",
        "long": "first,second",
        "escaped key": "aA\tb",
        "empty": "",
        "one": "line\x0bonly\u2028really",
    }


def test_a_malformed_escape_is_one_line() -> None:
    with pytest.raises(ConfigError, match="malformed"):
        parse_properties("a=\\u00zz")


def test_environment_by_the_official_images_rule() -> None:
    environ = {
        "KAFKA_BROKER_ID": "7",
        "KAFKA_LOG_DIRS": "/x",
        "KAFKA_ZOOKEEPER_CLIENTCNXNSOCKET": "c",
        "KAFKA_SUPER_USERS": "User:a",
        "KAFKA_LISTENER_NAME_IN__SIDE_MY___NAME": "b",
        "KAFKA_HEAP_OPTS": "-Xmx1G",
        "KAFKA_LOG4J_ROOT_LOGLEVEL": "WARN",
        "KAFKA_JMX_PORT": "9999",
        "KAFKA_": "x",
        "PATH": "/bin",
    }
    assert from_environment(environ, SETTINGS) == {
        "broker.id": "7",
        "log.dirs": "/x",
        "zookeeper.clientCnxnSocket": "c",
        "super.users": "User:a",
        "listener.name.in_side.my-name": "b",
    }


def test_overrides() -> None:
    assert parse_overrides(["a=b", "c = d=e"]) == {"a": "b", "c": "d=e"}
    with pytest.raises(ConfigError, match="key=value"):
        parse_overrides(["nonsense"])
