"""The coordinator as a process of its own, killed without warning."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.zookeeper.server.kit import Client, connect

from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import CreateRequest, OpCode, PathRequest, ReadRequest

pytestmark = pytest.mark.processes


def start(directory: Path) -> tuple[subprocess.Popen[str], Any]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "barnabas.zookeeper.server.main",
            "--data",
            str(directory),
            "--port",
            "0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = re.search(r":(\d+)", process.stdout.readline())
    assert ready is not None
    return process, type("Process", (), {"port": int(ready[1])})


IN_FLIGHT = 5000
KILLED_AFTER = 3000


async def _create_until_killed(server: Any, process: subprocess.Popen[str]) -> tuple[Client, int]:
    """How many creates were answered in all, of a stream that never lets up until the kill."""
    client = await connect(server)
    for number in range(IN_FLIGHT):
        client.send(OpCode.CREATE, CreateRequest(f"/n{number}", b"x"))
    answered = 0
    while (frame := await client.receive()) is not None:
        assert jute.decode_reply_header(frame).err == 0
        client.send(OpCode.CREATE, CreateRequest(f"/n{answered + IN_FLIGHT}", b"x"))
        answered += 1
        if answered == KILLED_AFTER:
            process.kill()
    return client, answered


def test_a_killed_coordinator_has_kept_what_it_answered(tmp_path: Path) -> None:
    process, server = start(tmp_path)
    try:
        client, answered = asyncio.run(_create_until_killed(server, process))
    finally:
        process.kill()
        process.communicate()
    assert answered >= KILLED_AFTER

    async def look(server: Any) -> int:
        again = await connect(server, resume=client.session)
        assert again.session.session_id == client.session.session_id
        for number in range(answered):
            err, _ = await again.call(OpCode.EXISTS, ReadRequest(f"/n{number}"))
            assert err == 0, number
        _, count = await again.call(OpCode.GET_ALL_CHILDREN_NUMBER, PathRequest("/"))
        await again.close()
        return int(count.total) - 3

    process, server = start(tmp_path)
    try:
        assert asyncio.run(look(server)) >= answered
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0
