"""Runs the coordinator alone: ``python -m barnabas.zookeeper.server.main``. An edge."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time

from barnabas.errors import ConfigError, FatalError
from barnabas.limits import ZOOKEEPER_SERVER_FRAME_BYTES_MAX
from barnabas.logs import configure_logging, visible
from barnabas.seams import Env
from barnabas.storage.files import OperatingSystemFiles
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.sqlite_store import SqliteStore


async def main(env: Env, config: CoordinatorConfig, directory: str, *, flush: bool = True) -> None:
    """Serve from a directory until SIGTERM or SIGINT."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)

    def ready(host: str, port: int) -> None:
        sys.stdout.write(f"coordinator ready on {host}:{port}\n")
        sys.stdout.flush()

    try:
        await serve(env, config, SqliteStore(directory, flush=flush), ready=ready)
    except asyncio.CancelledError:
        return


class _SystemClock:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


def run() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m barnabas.zookeeper.server.main")
    parser.add_argument("--data", required=True, help="directory for the coordinator's data")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2181)
    parser.add_argument("--tick-ms", type=int, default=2000)
    parser.add_argument("--session-timeout-min-ms", type=int)
    parser.add_argument("--session-timeout-max-ms", type=int)
    parser.add_argument("--jute-maxbuffer", type=int, default=ZOOKEEPER_SERVER_FRAME_BYTES_MAX)
    parser.add_argument(
        "--allow-strangers", action="store_true", help="listen beyond this machine without logins"
    )
    parser.add_argument("--no-flush", action="store_true", help="do not wait for the disk")
    options = parser.parse_args()
    configure_logging()
    config = CoordinatorConfig(
        host=options.host,
        port=options.port,
        tick_ms=options.tick_ms,
        session_timeout_min_ms=options.session_timeout_min_ms,
        session_timeout_max_ms=options.session_timeout_max_ms,
        jute_maxbuffer=options.jute_maxbuffer,
        allow_strangers=options.allow_strangers,
    )
    env = Env(
        clock=_SystemClock(),
        random=random.SystemRandom(),
        files=OperatingSystemFiles(),
        boot_id="",
    )
    try:
        asyncio.run(main(env, config, options.data, flush=not options.no_flush))
    except (ConfigError, FatalError) as problem:
        sys.stderr.write(f"{visible(problem)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
