"""Connect strings."""

from __future__ import annotations

import pytest
from tests.zookeeper.clients import make_env

from barnabas.errors import ConfigError
from barnabas.zookeeper.client.client import (
    ZooKeeperClient,
)


@pytest.mark.parametrize("text", ["", "/kafka", "h:x", "h:99999", "h:1,:2", "[::1", "h/a//b"])
def test_a_bad_connect_string_names_the_setting(text: str) -> None:
    with pytest.raises(ConfigError, match=r"zookeeper\.connect"):
        ZooKeeperClient(make_env(), text, 6000)
