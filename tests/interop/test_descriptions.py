"""The tables of ``protocol/descriptions`` are what the original's own jar says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tools import describe_messages

from barnabas.protocol.api import API_TABLE

pytestmark = pytest.mark.foreign

LIBRARIES = Path(os.environ.get("ORIGINAL_LIBS", Path.home() / ".cache" / "kafka-3.9.1"))
JAR = LIBRARIES / "kafka-clients-3.9.1.jar"
LATER = {"consumer_group_heartbeat", "consumer_group_describe"}
"""Of these we have a later version, from another jar."""


@pytest.mark.skipif(not JAR.exists(), reason=f"{JAR.name}, which tools/original/kafka fetches")
def test_the_tables_are_what_the_jar_says() -> None:
    found = {"3.9.1": describe_messages.descriptions(JAR)}
    compared = 0
    for api in API_TABLE.values():
        path = describe_messages.FOLDER / f"{api.key.name.lower()}.py"
        if path.stem not in LATER:
            assert path.read_text() == describe_messages.module(api, found), path.name
            compared += 1
    assert compared == len(API_TABLE) - len(LATER)
