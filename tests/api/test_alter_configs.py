"""AlterConfigs: what is not named goes back to its default."""

from __future__ import annotations

from tests.api import kit
from tests.api.config_kit import (
    SET,
    TOPIC,
    alter,
)

from barnabas.protocol.api import ApiKey
from barnabas.zk import paths
from barnabas.zk.admin import read_config


def test_topics_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"segment.bytes": "20000"})
        for version in kit.versions(ApiKey.ALTER_CONFIGS):
            one = (SET, "retention.ms", str(version))
            done = await alter(client, TOPIC, "t", one, api=ApiKey.ALTER_CONFIGS, version=version)
            assert done.error_code == 0
            found = await read_config(await kit.zookeeper(client.env), paths.topic_entity("t"))
            assert found == {"retention.ms": str(version)}, "all others are gone"

    kit.run(scenario)
