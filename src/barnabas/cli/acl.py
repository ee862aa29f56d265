"""``barnabas acl``: add, list, delete, check."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from msgspec.structs import asdict

from barnabas.authorizer.acl import (
    CLUSTER_NAME,
    OPERATIONS_OF,
    AccessControlEntry,
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.decision import AclIndex, Decision, Policy, Question, Reason
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.acls import create_acls, delete_acls, describe_acls
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.logs import visible
from barnabas.protocol.messages.create_acls import CreateAclsRequest
from barnabas.protocol.messages.delete_acls import DeleteAclsRequest
from barnabas.protocol.messages.describe_acls import DescribeAclsRequest
from barnabas.security.principal import USER, KafkaPrincipal

CLIENT_ID = "barnabas-acl"
EXIT_DENIED = 1
_OPERATIONS = {o.label: o for o in AclOperation if o > AclOperation.ANY}
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
    "token": ResourceType.DELEGATION_TOKEN,
    "user": ResourceType.USER,
}
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """Add, list, delete and check ACLs, which say who may do what.

    Brokers obey them with authorizer.class.name=kafka.security.authorizer.AclAuthorizer.
    """


def _principal(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """``alice`` is short for ``User:alice``."""
    return text if text is None or ":" in text else f"{USER}:{text}"


principal = click.argument("principal", callback=_principal)


def resources(function: F) -> F:
    """Options that name resources; each may be repeated."""
    for name, kind in reversed(_RESOURCES.items()):
        flag = f"--{name.replace('_', '-')}"
        text = f"A {kind.label} by name; * means all."
        function = click.option(flag, name, multiple=True, metavar="NAME", help=text)(function)
    return click.option("--cluster", is_flag=True, help="The cluster itself.")(function)


operations = click.option(
    "--operation",
    "-O",
    multiple=True,
    type=click.Choice(list(_OPERATIONS), case_sensitive=False),
    help="May be repeated.",
)
prefixed = click.option("--prefixed", is_flag=True, help="Names are prefixes.")


def _patterns(chosen: dict[str, Any], pattern_type: PatternType) -> list[ResourcePattern]:
    found = [
        ResourcePattern(kind, name, pattern_type)
        for option, kind in _RESOURCES.items()
        for name in chosen[option]
    ]
    if chosen["cluster"]:
        found.append(ResourcePattern(ResourceType.CLUSTER, CLUSTER_NAME))
    return found


@command.command()
@principal
@operations
@resources
@prefixed
@click.option("--host", multiple=True, default=("*",), show_default=True, help="An address.")
@click.option("--deny", is_flag=True, help="Deny instead of allowing.")
@click.option("--producer", is_flag=True, help="All that a producer for --topic needs.")
@click.option("--consumer", is_flag=True, help="All that a consumer of --topic in --group needs.")
@bootstrap_server
def add(
    principal: str,
    operation: tuple[str, ...],
    prefixed: bool,
    host: tuple[str, ...],
    deny: bool,
    producer: bool,
    consumer: bool,
    bootstrap_server: Bootstrap,
    **chosen: Any,
) -> None:
    """Allow PRINCIPAL something, or deny it.

    \b
    barnabas acl add alice --producer --topic orders
    barnabas acl add bob --consumer --topic orders- --group bob- --prefixed
    barnabas acl add User:* -O Read --topic public
    barnabas acl add mallory -O All --topic '*' --host 10.0.0.1 --deny
    """
    patterns = _patterns(chosen, PatternType.PREFIXED if prefixed else PatternType.LITERAL)
    wanted = _wanted(patterns, operation, producer=producer, consumer=consumer)
    permission = AclPermissionType.DENY if deny else AclPermissionType.ALLOW
    bindings = [
        AclBinding(pattern, AccessControlEntry(principal, address, operation_, permission))
        for pattern, operation_ in wanted
        for address in host
    ]
    _check_principal(principal)

    async def run() -> None:
        async with ClusterClient(bootstrap_server, CLIENT_ID) as client:
            await create_acls(client, [_creation(binding) for binding in bindings])

    asyncio.run(run())
    for binding in bindings:
        click.echo(f"added {visible(_sentence(binding))}")


def _wanted(
    patterns: Sequence[ResourcePattern],
    operation: Sequence[str],
    *,
    producer: bool,
    consumer: bool,
) -> list[tuple[ResourcePattern, AclOperation]]:
    """The (resource, operation) pairs to add. --producer and --consumer mean the same as for
    kafka-acls.sh."""
    if not patterns:
        raise click.UsageError("nothing to add: name a resource, as --topic or --cluster")
    if not (operation or producer or consumer):
        raise click.UsageError("nothing to add: give --operation, --producer or --consumer")
    topic, group, transaction = (
        ResourceType.TOPIC,
        ResourceType.GROUP,
        ResourceType.TRANSACTIONAL_ID,
    )
    needs: list[tuple[ResourceType, AclOperation]] = []
    if producer:
        needs += [(topic, o) for o in (AclOperation.WRITE, AclOperation.DESCRIBE)]
        needs += [(topic, AclOperation.CREATE)]
        needs += [(transaction, o) for o in (AclOperation.WRITE, AclOperation.DESCRIBE)]
    if consumer:
        needs += [(topic, o) for o in (AclOperation.READ, AclOperation.DESCRIBE)]
        needs += [(group, AclOperation.READ)]
    found = [(p, o) for p in patterns for kind, o in needs if p.resource_type is kind]
    for pattern in patterns:
        allowed = (*OPERATIONS_OF[pattern.resource_type], AclOperation.ALL)
        for chosen in map(_OPERATIONS.__getitem__, operation):
            if chosen not in allowed:
                raise click.UsageError(
                    f"{chosen.label} is not an operation on a {pattern.resource_type.label};"
                    f" there are {', '.join(o.label for o in allowed)}"
                )
            found.append((pattern, chosen))
    return list(dict.fromkeys(found))


def _check_principal(text: str) -> None:
    try:
        KafkaPrincipal.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _filters(
    principal: str | None, chosen: dict[str, Any], operation: Sequence[str], prefixed: bool
) -> list[AclBindingFilter]:
    pattern_type = PatternType.PREFIXED if prefixed else PatternType.ANY
    patterns = _patterns(chosen, pattern_type)
    operations = [_OPERATIONS[o] for o in operation] or [AclOperation.ANY]
    where: list[tuple[ResourceType, str | None, PatternType]]
    where = [(p.resource_type, p.name, p.pattern_type) for p in patterns]
    where = where or [(ResourceType.ANY, None, pattern_type)]
    return [
        AclBindingFilter(kind, name, how, principal, None, o)
        for kind, name, how in where
        for o in operations
    ]


@command.command("list")
@click.option("--principal", callback=_principal, help="Only those of this principal.")
@operations
@resources
@prefixed
@bootstrap_server
@output
def list_command(
    principal: str | None,
    operation: tuple[str, ...],
    prefixed: bool,
    bootstrap_server: Bootstrap,
    output: str,
    **chosen: Any,
) -> None:
    """List ACLs: all, or those for a principal, for resources or for operations."""
    filters = _filters(principal, chosen, operation, prefixed)
    bindings = asyncio.run(_described(bootstrap_server, filters))
    rows = [_row(binding) for binding in bindings]
    if output == "json":
        print_json(rows)
    else:
        print_table(
            ["principal", "permission", "operation", "resource", "name", "pattern", "host"],
            [list(row.values()) for row in rows],
        )


@command.command()
@principal
@operations
@resources
@prefixed
@click.option("--all", "everything", is_flag=True, help="All ACLs of PRINCIPAL.")
@bootstrap_server
def delete(
    principal: str,
    operation: tuple[str, ...],
    prefixed: bool,
    everything: bool,
    bootstrap_server: Bootstrap,
    **chosen: Any,
) -> None:
    """Delete ACLs of PRINCIPAL: those of the resources and operations given, or all.

    \b
    barnabas acl delete alice --topic orders
    barnabas acl delete mallory --all
    """
    filters = _filters(principal, chosen, operation, prefixed)
    if not everything and filters == _filters(principal, _nothing(), (), False):
        raise click.UsageError("name resources or operations, or give --all")

    async def run() -> list[CreateAclsRequest.AclCreation]:
        async with ClusterClient(bootstrap_server, CLIENT_ID) as client:
            return await delete_acls(client, [_filter(wanted) for wanted in filters])

    deleted = [_binding(message) for message in asyncio.run(run())]
    for binding in deleted:
        click.echo(f"deleted {visible(_sentence(binding))}")
    if not deleted:
        click.echo("nothing to delete: no such ACL")


def _nothing() -> dict[str, Any]:
    return {"cluster": False, **dict.fromkeys(_RESOURCES, ())}


@command.command()
@principal
@operations
@resources
@click.option("--host", default="*", help="The address that PRINCIPAL connects from. Default: any.")
@bootstrap_server
def check(
    principal: str,
    operation: tuple[str, ...],
    host: str,
    bootstrap_server: Bootstrap,
    **chosen: Any,
) -> None:
    """Say whether PRINCIPAL may do something, and which ACL decides it.

    Only the cluster's ACLs are looked at. Super users, who may do everything, and
    allow.everyone.if.no.acl.found are in the brokers' settings, which are not.

    \b
    barnabas acl check alice -O Write --topic orders
    """
    patterns = _patterns(chosen, PatternType.LITERAL)
    if not (patterns and operation):
        raise click.UsageError("give --operation and a resource, as --topic")
    _check_principal(principal)
    who = KafkaPrincipal.parse(principal)
    bindings = asyncio.run(_described(bootstrap_server, [AclBindingFilter()]))
    index = AclIndex()
    for binding in bindings:
        index.put(binding.pattern, (*index.get(binding.pattern), binding.entry))
    is_allowed = True
    for pattern in patterns:
        for wanted in map(_OPERATIONS.__getitem__, operation):
            question = Question(who, host, wanted, pattern.resource_type, pattern.name)
            decision = index.decide(Policy(), question)
            is_allowed = is_allowed and decision.allowed
            click.echo(visible(_verdict(question, decision)))
    click.get_current_context().exit(0 if is_allowed else EXIT_DENIED)


def _verdict(question: Question, decision: Decision) -> str:
    verdict = "allowed" if decision.allowed else "denied"
    what = f"{question.operation.label} {question.resource_type.label} {question.name}"
    if decision.binding is not None:
        return f"{verdict}: {what}: {_sentence(decision.binding)}"
    if decision.reason is Reason.NO_ACL_AT_ALL:
        why = "it has no ACL (allow.everyone.if.no.acl.found would allow it)"
        return f"{verdict}: {what}: {why}"
    return f"{verdict}: {what}: it has ACLs, but none allows it to {question.principal}"


def _sentence(binding: AclBinding) -> str:
    pattern, entry = binding
    names = f"{pattern.resource_type.label} {pattern.name}"
    if pattern.pattern_type is PatternType.PREFIXED:
        names += "..."
    verb = "may" if entry.permission is AclPermissionType.ALLOW else "may not"
    where = "" if entry.host == "*" else f" from {entry.host}"
    return f"{entry.principal} {verb} {entry.operation.label} {names}{where}"


def _row(binding: AclBinding) -> dict[str, str]:
    pattern, entry = binding
    return {
        "principal": entry.principal,
        "permission": entry.permission.label,
        "operation": entry.operation.label,
        "resource": pattern.resource_type.label,
        "name": pattern.name,
        "pattern": pattern.pattern_type.label,
        "host": entry.host,
    }


async def _described(bootstrap: Bootstrap, filters: Iterable[AclBindingFilter]) -> list[AclBinding]:
    found: dict[AclBinding, None] = {}
    async with ClusterClient(bootstrap, CLIENT_ID) as client:
        for wanted in filters:
            for message in await describe_acls(
                client, DescribeAclsRequest(**asdict(_filter(wanted)))
            ):
                found[_binding(message)] = None
    return sorted(found)


def _creation(binding: AclBinding) -> CreateAclsRequest.AclCreation:
    pattern, entry = binding
    return CreateAclsRequest.AclCreation(
        resource_type=int(pattern.resource_type),
        resource_name=pattern.name,
        resource_pattern_type=int(pattern.pattern_type),
        principal=entry.principal,
        host=entry.host,
        operation=int(entry.operation),
        permission_type=int(entry.permission),
    )


def _filter(wanted: AclBindingFilter) -> DeleteAclsRequest.Filter:
    return DeleteAclsRequest.Filter(
        resource_type_filter=int(wanted.resource_type),
        resource_name_filter=wanted.name,
        pattern_type_filter=int(wanted.pattern_type),
        principal_filter=wanted.principal,
        host_filter=wanted.host,
        operation=int(wanted.operation),
        permission_type=int(wanted.permission),
    )


def _binding(message: CreateAclsRequest.AclCreation) -> AclBinding:
    """The ACL in a broker's answer. Unknown numbers become UNKNOWN."""

    def known(kind: Any, number: int) -> Any:
        return kind(number) if number in kind.__members__.values() else kind(0)

    return AclBinding(
        ResourcePattern(
            known(ResourceType, message.resource_type),
            message.resource_name,
            known(PatternType, message.resource_pattern_type),
        ),
        AccessControlEntry(
            message.principal,
            message.host,
            known(AclOperation, message.operation),
            known(AclPermissionType, message.permission_type),
        ),
    )
