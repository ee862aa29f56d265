"""Levels of loggers, as settings of a broker."""

from __future__ import annotations

import logging

from tests.api import kit
from tests.api.config_kit import DELETE, INVALID_REQUEST, LOGGER, SET, alter, described

from barnabas.protocol.api import ApiKey


def test_loggers() -> None:
    async def scenario(client: kit.Client) -> None:
        name = "tests.altered"
        logger = logging.getLogger(name)
        done = await alter(client, LOGGER, "1", (SET, name, "ERROR"), validate_only=True)
        assert (done.error_code, logger.level) == (0, logging.NOTSET)
        await alter(client, LOGGER, "1", (SET, name, "FATAL"))
        assert logger.level == logging.CRITICAL
        found = await described(client, LOGGER, "1", name)
        assert found == ("FATAL", 6, [])
        await alter(client, LOGGER, "1", (DELETE, name, None))
        assert logger.level == logging.NOTSET
        refused = await alter(
            client, LOGGER, "1", (SET, name, "INFO"), api=ApiKey.ALTER_CONFIGS, version=2
        )
        assert refused.error_code == INVALID_REQUEST

    kit.run(scenario)
