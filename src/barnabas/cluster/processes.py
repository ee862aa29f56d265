"""What runs inside each process of a cluster: a broker or the coordinator. An edge."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from barnabas.broker import node
from barnabas.broker.main import run_node, system_env, tune_process
from barnabas.cluster.plan import COORDINATOR, ClusterPlan
from barnabas.cluster.profiles import Profile
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.http_listener import HttpListener
from barnabas.config.log_dirs import check_log_dirs
from barnabas.config.protection import java_settings
from barnabas.config.settings import SETTINGS
from barnabas.config.sources import from_environment, parse_overrides, parse_properties
from barnabas.errors import ConfigError
from barnabas.logs import configure_logging

if TYPE_CHECKING:
    import ssl

    from barnabas.config.jaas_file import Sections
    from barnabas.zookeeper.server.coordinator import CoordinatorConfig

_SHARED_MEMORY = "/dev/shm"


def load_config(
    path: str | None, environ: Mapping[str, str], overrides: Iterable[str]
) -> BrokerConfig:
    """Settings of one broker: from the file, then ``KAFKA_*`` variables, then overrides (the last
    one wins). Raises ConfigError."""
    return with_reachable_address(load_settings(path, environ, overrides))


def load_settings(
    path: str | None, environ: Mapping[str, str], overrides: Iterable[str]
) -> dict[str, str]:
    """What ``load_config`` reads, as text. Raises ConfigError."""
    given = java_settings(environ.get("KAFKA_OPTS", ""))
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                given.update(parse_properties(file.read()))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--config: {path}: {error}") from None
    given.update(from_environment(environ, SETTINGS))
    given.update(parse_overrides(overrides))
    return given


def _sections_of_file(given: Mapping[str, str]) -> Sections | None:
    """The sections of a JAAS file, which may have logins of listeners. ConfigError."""
    if not given.get("java.security.auth.login.config"):
        return None
    from barnabas.config.jaas_file import listener_sections  # a plain broker does without

    return listener_sections(given, lambda path: Path(path).read_bytes())


def with_reachable_address(given: dict[str, str]) -> BrokerConfig:
    """A listener on all addresses is advertised under this machine's name, as in Kafka."""
    sections = _sections_of_file(given)
    config = BrokerConfig(given, sections)
    if not config.is_given("advertised.listeners") and any(
        e.host in ("", "0.0.0.0", "::") for e in config.listeners
    ):
        name = socket.getfqdn()
        texts = [
            f"{e.listener}://{name if e.host in ('', '0.0.0.0', '::') else e.host}:{e.port}"
            for e in config.listeners
        ]
        config = BrokerConfig({**given, "advertised.listeners": ",".join(texts)}, sections)
    return config


def load_coordinator_settings(path: str | None) -> dict[str, str]:
    """The settings in the coordinator's file. Raises ConfigError."""
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            return parse_properties(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config: {path}: {error}") from None


def _configure_logs(below: str = "") -> None:
    if {"LOG_DIR", "BARNABAS_LOG_FORMAT", "KAFKA_OPTS", "KAFKA_LOG4J_OPTS"}.isdisjoint(os.environ):
        configure_logging(os.environ.get("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"))
        return
    from barnabas.cluster.log_files import configure_logs

    configure_logs(os.environ, below)


def broker_process(
    config: BrokerConfig, *, die_with_parent: bool = False, logs_below: str = ""
) -> int:
    """Run a broker until a signal stops it. Returns the exit code. ``logs_below``: the directory of
    its own in that for Kafka's log files, where several brokers share that."""
    tune_process(die_with_parent=die_with_parent)
    _configure_logs(logs_below)

    async def run(stop: asyncio.Event) -> None:
        check_log_dirs(config.log_dirs, os.path.realpath)
        await node.main(system_env(), config, stop)

    return run_node(run)


def coordinator_process(
    directory: str,
    config: CoordinatorConfig,
    *,
    die_with_parent: bool = False,
    http: HttpListener | None = None,
) -> int:
    """Run the embedded coordinator until a signal stops it. Returns the exit code. ``http``: where
    it shows metrics, health and events."""
    from barnabas.zookeeper.server.serve import serve  # no broker imports the coordinator
    from barnabas.zookeeper.server.sqlite_store import SqliteStore

    tune_process(die_with_parent=die_with_parent)
    _configure_logs(COORDINATOR)
    make_data_directory(directory)

    async def run(stop: asyncio.Event) -> None:
        store = SqliteStore(os.path.join(directory, "coordinator.sqlite3"))
        env, made = system_env(), None
        shows: list[asyncio.Future[None]] = []
        if http is not None:
            from barnabas.cluster.coordinator_http import CoordinatorHttp

            shown = CoordinatorHttp(env, http)
            env, made = shown.env, shown.made
            shows.append(asyncio.ensure_future(shown.serve()))
        server = asyncio.ensure_future(serve(env, config, store, made=made))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([server, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        server.cancel()
        for each in shows:
            each.cancel()
        await asyncio.gather(*shows, return_exceptions=True)
        try:
            await server
        except asyncio.CancelledError:
            pass

    return run_node(run)


def temporary_directory(profile: Profile) -> str:
    """A new directory, in memory if the profile wants that and the system offers it."""
    import tempfile  # a broker of its own has no use for it

    shared = _SHARED_MEMORY if profile.in_memory and os.path.isdir(_SHARED_MEMORY) else None
    return tempfile.mkdtemp(prefix="barnabas-", dir=shared)


def make_data_directory(path: str) -> None:
    """Create it if it is missing. ConfigError if that is impossible."""
    try:
        os.makedirs(path, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(f"--data {path}: {error.strerror}") from None


def check_plan(plan: ClusterPlan) -> list[str]:
    """Check all settings of ``plan`` before anything starts. Raises ConfigError. Returns the names
    of settings that have no effect."""
    ignored: dict[str, None] = {}
    for broker_id in plan.broker_ids:
        ignored |= dict.fromkeys(BrokerConfig(plan.broker_settings(broker_id)).without_effect())
    make_data_directory(plan.directory)
    return list(ignored)


def run_process(plan: ClusterPlan, name: str) -> int:
    """Run the process ``name`` of ``plan`` in a forked child of the supervisor, with its log in a
    file. Returns the exit code."""
    log_to(plan.log_path(name))
    if name == COORDINATOR:
        from barnabas.zookeeper.server.coordinator import CoordinatorConfig

        coordinator = CoordinatorConfig(
            host=plan.zookeeper_host,
            port=plan.zookeeper_port,
            tick_ms=plan.profile.tick_ms,
            tls=_coordinator_tls(plan),
            users=plan.coordinator_users,
            login_required=bool(plan.coordinator_users),
        )
        return coordinator_process(
            plan.coordinator_directory,
            coordinator,
            die_with_parent=True,
            http=plan.coordinator_http,
        )
    config = BrokerConfig(plan.broker_settings(int(name.partition(":")[2])))
    return broker_process(config, die_with_parent=True, logs_below=name.replace(":", "-"))


def _coordinator_tls(plan: ClusterPlan) -> ssl.SSLContext | None:
    if plan.coordinator_identity is None:
        return None
    from barnabas.security.stores import PEM, StoreSettings
    from barnabas.security.tls import TlsSettings, server_context

    key, chain = plan.coordinator_identity
    return server_context(
        TlsSettings(
            keystore=StoreSettings(name="keystore", type=PEM, key=key, certificates=chain),
            truststore=StoreSettings(name="truststore", type=PEM),
        ),
        lambda path: b"",
    )


def log_to(path: str) -> None:
    """Send stderr of this process to a file, so that the terminal stays readable."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stderr.flush()
    os.dup2(descriptor, 2)
    os.close(descriptor)
