"""``barnabas host``: a broker for each core of this machine."""

from __future__ import annotations

import os
import socket
import sys

import click

from barnabas.cluster.host import Host, usable_cores
from barnabas.cluster.host_plan import broker_settings, systemd_unit
from barnabas.cluster.processes import broker_process, load_settings, with_reachable_address
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import no_effect
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.names import number_in

AUTO = "auto"

_config = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False),
    help="server.properties, with Kafka's names.",
)
_brokers = click.option(
    "--brokers",
    default=AUTO,
    show_default=True,
    metavar="N|auto",
    help="How many; auto: one for each core that this process may use.",
)
_override = click.option(
    "--override", "-X", multiple=True, metavar="KEY=VALUE", help="Setting that overrides the file."
)


@click.group(invoke_without_command=True)
@_config
@_brokers
@_override
@click.pass_context
def command(
    context: click.Context, config_file: str | None, brokers: str, override: tuple[str, ...]
) -> None:
    """Run several brokers on this machine until SIGTERM or Ctrl-C, one for each core.

    broker.id, the ports of listeners, advertised.listeners and barnabas.http.listener are those of
    the first broker; the others have the next ones. Each has a directory broker-ID of its own in
    every log directory. broker.rack is this host's name unless it is set: so no two replicas of a
    partition are on one host while others have brokers.

    A broker that dies is started again after 1 s, then 2 s, 4 s … 60 s. A stop begins with the last
    broker and waits for each one's controlled shutdown.

    \b
    barnabas host --config server.properties --brokers auto
    barnabas host install-service --config /etc/barnabas/server.properties --print
    """
    if context.invoked_subcommand is not None:
        return
    configs = _configs(config_file, brokers, override)
    for name in next(iter(configs.values())).without_effect():
        click.echo(f"barnabas: warning: {no_effect(name)}", err=True)

    def run_broker(broker: int, config: BrokerConfig) -> int:
        return broker_process(config, die_with_parent=True, logs_below=f"broker-{broker}")

    def say(text: str) -> None:
        click.echo(f"barnabas: {text}", err=True)

    sys.exit(Host(configs, run_broker, say).run())


@command.command("install-service")
@_config
@_brokers
@click.option("--user", default="barnabas", show_default=True, help="Whom the brokers run as.")
@click.option("--print", "prints", is_flag=True, help="Print the unit; nothing is installed.")
def install_service(config_file: str | None, brokers: str, user: str, prints: bool) -> None:
    """Print a systemd unit for this host's brokers.

    \b
    barnabas host install-service --config /etc/barnabas/server.properties --print \\
        > /etc/systemd/system/barnabas.service
    """
    if not prints:
        raise click.UsageError("give --print, and write what it prints where systemd looks for it")
    if config_file is None:
        raise click.UsageError("give --config")
    configs = _configs(config_file, brokers, ())
    written = dict.fromkeys(os.path.dirname(d) for c in configs.values() for d in c.log_dirs)
    for config in configs.values():
        events = config.text("barnabas.events.file")
        if events:
            written[os.path.dirname(os.path.abspath(events))] = None
    program = os.path.abspath(sys.argv[0])
    path = os.path.abspath(config_file)
    click.echo(systemd_unit(program, path, brokers, user, list(written)), nl=False)


def _configs(
    config_file: str | None, brokers: str, override: tuple[str, ...]
) -> dict[int, BrokerConfig]:
    count = usable_cores() if brokers == AUTO else number_in(brokers)
    if count is None:
        raise ConfigError(f"--brokers: {visible(brokers)} is neither a number nor {AUTO}")
    given = load_settings(config_file, os.environ, override)
    found: dict[int, BrokerConfig] = {}
    for settings in broker_settings(given, count, socket.gethostname()):
        config = with_reachable_address(settings)
        found[int(settings["broker.id"])] = config
    return found
