"""The commands of ``barnabas chaos`` that ask the control endpoint of a cluster for tests."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_line
from barnabas.client.cluster import Bootstrap
from barnabas.cluster.control import ask
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.names import number_in

ANSWER_TIMEOUT_S = 660.0
"""A wait takes ten minutes at most."""
ID = click.IntRange(min=0)


class ControlClient:
    """Asks a control endpoint. Its errors become ConfigError with the same text."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._address = (str(parts.hostname), int(parts.port or 0))
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **parameters: object) -> Any:
        return self._ask("GET", path, parameters)

    def post(self, path: str, **parameters: object) -> Any:
        return self._ask("POST", path, parameters)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path, {})

    def _ask(self, method: str, path: str, parameters: Mapping[str, object]) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            connection = http.client.HTTPConnection(*self._address, timeout=ANSWER_TIMEOUT_S)
            query = f"?{urlencode(given)}" if given else ""
            connection.request(method, f"/v1{path}{query}", headers=self._headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConfigError(f"the control endpoint does not answer: {error}") from None
        finally:
            connection.close()
        if response.status >= 400:
            raise ConfigError(str(answer["error"]))
        return answer

    def follow(self, after: int) -> Iterator[dict[str, Any]]:
        """Events as they happen, until the cluster ends."""
        connection = http.client.HTTPConnection(*self._address)
        headers = {**self._headers, "Accept": "text/event-stream"}
        connection.request("GET", f"/v1/events?after={after}", headers=headers)
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


def first_port(bootstrap: Bootstrap) -> int:
    first = bootstrap.servers.split(",")[0]
    port = number_in(first.rpartition(":")[2])
    if port is None:
        raise click.UsageError(f"--bootstrap-server: '{first}' is not host:port")
    return port


def control_of(status: Mapping[str, Any]) -> ControlClient | None:
    """Made from the supervisor's answer; None if the cluster has no control endpoint."""
    found = status.get("http")
    return ControlClient(found["url"], found["token"]) if found else None


def target_path(target: str) -> str:
    return quote(target, safe="/:")


def _control(bootstrap: Bootstrap) -> ControlClient:
    found = control_of(ask(first_port(bootstrap), {"verb": "status"}))
    if found is None:
        raise ConfigError(
            "this needs a cluster for tests: barnabas up --profile test, or --control"
        )
    return found


def _partition(text: str) -> str:
    """The path for TOPIC/PARTITION."""
    topic, _, number = text.rpartition("/")
    if not topic or number_in(number) is None:
        raise click.UsageError(f"'{text}' is not TOPIC/PARTITION")
    return f"{quote(topic, safe='')}/{number}"


def _say(form: str, verb: str, answer: Any) -> None:
    if form == "json":
        print_json(answer)
        return
    told = [
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else visible(value)}"
        for name, value in answer.items()
        if name != "hits"
    ]
    click.echo(" ".join([verb, *told]))


_timeout = click.option("--timeout-s", type=click.FloatRange(0, 600), help="Default: 10.")
_partition_argument = click.argument("partition", metavar="TOPIC/PARTITION")
_target_argument = click.argument("target", metavar="TARGET")


@click.command("isolate")
@_target_argument
@click.option("--from", "from_", metavar="TARGET,...", help="Or 'clients'. Default: everybody.")
@click.option(
    "--direction",
    type=click.Choice(["both", "out", "in"]),
    help="'out': lose only what TARGET sends. 'in': lose only what is sent to it.",
)
@click.option("--delay-ms", type=click.FloatRange(0), help="Delay everything; lose nothing.")
@bootstrap_server
@output
def _isolate(
    target: str,
    from_: str | None,
    direction: str | None,
    delay_ms: float | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Make the connections of TARGET silent or slow."""
    given = {"from": from_, "direction": direction, "delay_ms": delay_ms}
    answer = _control(bootstrap_server).post(f"/isolate/{target_path(target)}", **given)
    _say(output, "isolate", answer)


@click.command("heal")
@click.argument("target", metavar="[TARGET]", required=False)
@bootstrap_server
@output
def _heal(target: str | None, bootstrap_server: Bootstrap, output: str) -> None:
    """Undo isolate, for TARGET or for all."""
    path = "/heal" if target is None else f"/heal/{target_path(target)}"
    _say(output, "heal", _control(bootstrap_server).post(path))


def _simple(name: str, text: str) -> click.Command:
    @click.command(name, help=text)
    @_target_argument
    @bootstrap_server
    @output
    def run(target: str, bootstrap_server: Bootstrap, output: str) -> None:
        path = f"/{name.replace('-', '_')}/{target_path(target)}"
        _say(output, name, _control(bootstrap_server).post(path))

    return run


@click.command("shrink-isr")
@_partition_argument
@click.option("--to", default=1, show_default=True, type=click.IntRange(1), help="Size.")
@_timeout
@bootstrap_server
@output
def _shrink_isr(
    partition: str, to: int, timeout_s: float | None, bootstrap_server: Bootstrap, output: str
) -> None:
    """Stop followers from copying, until the leader drops them from the ISR."""
    answer = _control(bootstrap_server).post(
        f"/shrink_isr/{_partition(partition)}", to=to, timeout_s=timeout_s
    )
    _say(output, "shrink-isr", answer)


@click.command("restore-isr")
@_partition_argument
@_timeout
@bootstrap_server
@output
def _restore_isr(
    partition: str, timeout_s: float | None, bootstrap_server: Bootstrap, output: str
) -> None:
    """Let the followers copy again, and wait until all are in sync."""
    path = f"/restore_isr/{_partition(partition)}"
    _say(output, "restore-isr", _control(bootstrap_server).post(path, timeout_s=timeout_s))


@click.command("wait-for-leader")
@_partition_argument
@click.option("--not-on", type=ID, metavar="BROKER")
@_timeout
@bootstrap_server
@output
def _wait_for_leader(
    partition: str,
    not_on: int | None,
    timeout_s: float | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Wait until every broker knows the same leader."""
    answer = _control(bootstrap_server).get(
        f"/wait_for_leader/{_partition(partition)}", not_on=not_on, timeout_s=timeout_s
    )
    _say(output, "wait-for-leader", answer)


@click.command("wait-for-isr")
@_partition_argument
@click.option("--isr", metavar="BROKER,...", help="Exactly these.")
@click.option("--size", type=ID, help="This many. Default: all replicas.")
@_timeout
@bootstrap_server
@output
def _wait_for_isr(
    partition: str,
    isr: str | None,
    size: int | None,
    timeout_s: float | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Wait until every broker knows this ISR."""
    answer = _control(bootstrap_server).get(
        f"/wait_for_isr/{_partition(partition)}", isr=isr, size=size, timeout_s=timeout_s
    )
    _say(output, "wait-for-isr", answer)


@click.command("wait-for-controller")
@click.option("--not-on", type=ID, metavar="BROKER")
@_timeout
@bootstrap_server
@output
def _wait_for_controller(
    not_on: int | None, timeout_s: float | None, bootstrap_server: Bootstrap, output: str
) -> None:
    """Wait until every broker knows the same controller."""
    control = _control(bootstrap_server)
    answer = control.get("/wait_for_controller", not_on=not_on, timeout_s=timeout_s)
    _say(output, "wait-for-controller", answer)


@click.command("wait-for-brokers")
@click.option("--brokers", metavar="BROKER,...", help="Exactly these. Default: all that run.")
@_timeout
@bootstrap_server
@output
def _wait_for_brokers(
    brokers: str | None, timeout_s: float | None, bootstrap_server: Bootstrap, output: str
) -> None:
    """Wait until every broker knows that these are alive."""
    control = _control(bootstrap_server)
    answer = control.get("/wait_for_brokers", brokers=brokers, timeout_s=timeout_s)
    _say(output, "wait-for-brokers", answer)


_FAULT_OPTIONS: list[Callable[..., Any]] = [
    click.option("--topic", help="Only requests that name it."),
    click.option("--partition", type=ID, help="Only requests that name this partition."),
    click.option("--client-id", help="Only requests of this client."),
    click.option("--broker", type=ID, help="Only requests to this broker."),
    click.option("--error", metavar="NAME", help="Do nothing; answer with this error of Kafka."),
    click.option("--delay-ms", type=click.FloatRange(0), help="Do the request this much later."),
    click.option("--throttle-ms", type=ID, help="Do the request; answer with this throttle time."),
    click.option("--disconnect", is_flag=True, help="Do nothing; close the connection."),
    click.option("--drop-response", is_flag=True, help="Do the request, and never answer."),
    click.option("--times", type=ID, help="Affect this many requests."),
    click.option("--once-after", type=ID, help="Let this many requests pass, then affect one."),
    click.option(
        "--probability", type=click.FloatRange(0, 1), help="Affect this share of requests."
    ),
    click.option("--seed", type=ID, help="Of the random numbers for --probability."),
]


def _fault_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FAULT_OPTIONS):
        function = option(function)
    return function


@click.command("fault")
@click.argument("api", metavar="API")
@_fault_options
@bootstrap_server
@output
def _fault(api: str, bootstrap_server: Bootstrap, output: str, **given: Any) -> None:
    """Make requests of clients for API fail or wait. API is a name such as Produce."""
    said = {name: value for name, value in given.items() if value is not False}
    said = {name: "true" if value is True else value for name, value in said.items()}
    _say(output, "fault", _control(bootstrap_server).post("/faults", api=api, **said))


@click.command("faults")
@bootstrap_server
@output
def _faults(bootstrap_server: Bootstrap, output: str) -> None:
    """Show all faults, and how many requests each has affected."""
    found = _control(bootstrap_server).get("/faults")
    if output == "json":
        print_json(found)
        return
    for fault in found:
        _say(output, "fault", fault)


@click.command("clear-faults")
@click.argument("id_", metavar="[ID]", type=ID, required=False)
@bootstrap_server
@output
def _clear_faults(id_: int | None, bootstrap_server: Bootstrap, output: str) -> None:
    """Remove the fault ID, or all."""
    path = "/faults" if id_ is None else f"/faults/{id_}"
    _say(output, "clear-faults", _control(bootstrap_server).delete(path))


@click.command("wait-for-hits")
@click.argument("id_", metavar="ID", type=ID)
@click.option("--count", type=ID, default=1, show_default=True)
@_timeout
@bootstrap_server
@output
def _wait_for_hits(
    id_: int, count: int, timeout_s: float | None, bootstrap_server: Bootstrap, output: str
) -> None:
    """Wait until the fault ID has affected this many requests."""
    control = _control(bootstrap_server)
    answer = control.get(f"/wait_for_hits/{id_}", count=count, timeout_s=timeout_s)
    _say(output, "wait-for-hits", answer)


@click.command("events")
@click.option("--after", type=ID, default=0, help="Only events after this number.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new events.")
@bootstrap_server
@output
def _events(after: int, follow: bool, bootstrap_server: Bootstrap, output: str) -> None:
    """Show events: elections, ISRs, sessions, and the failures that were caused."""
    control = _control(bootstrap_server)
    for event in control.follow(after) if follow else control.get("/events", after=after):
        if output == "json":
            print_line(event)
        else:
            told = "".join(f" {k}={visible(v)}" for k, v in event["fields"].items())
            click.echo(f"{event['at']:8.3f}  {event['source']:<12} {event['name']}{told}")


def add_to(group: click.Group) -> None:
    for found in (
        _simple("expire-session", "End the ZooKeeper session of a broker."),
        _isolate,
        _heal,
        _simple("fill-disk", "Make writes fail with 'No space left on device'."),
        _simple("free-disk", "Undo fill-disk."),
        _shrink_isr,
        _restore_isr,
        _fault,
        _faults,
        _clear_faults,
        _wait_for_leader,
        _wait_for_isr,
        _wait_for_controller,
        _wait_for_brokers,
        _wait_for_hits,
        _events,
    ):
        group.add_command(found)
