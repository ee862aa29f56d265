"""``barnabas context``: clusters by name."""

from __future__ import annotations

import os

import click

from barnabas.cli.completion import context_names
from barnabas.cli.contexts import load_contexts, properties_of, record_path
from barnabas.cli.options import output
from barnabas.cli.output import print_json, print_table
from barnabas.config.contexts import Context, shown
from barnabas.errors import ConfigError
from barnabas.logs import visible


@click.group()
def command() -> None:
    """List, choose and show contexts: clusters by name, and how to log in to each.

    \b
    Contexts are read from ~/.config/barnabas/config.toml ($BARNABAS_CONFIG), and from
    a project's .barnabas.toml, searched up to the root of its git repository:
        [contexts.prod]
        bootstrap-server = "kafka1:9093,kafka2:9093"
        command-config = "prod.properties"
        security.protocol = "SASL_SSL"
    """


@command.command("list")
@output
def list_contexts(output: str) -> None:
    """Show all contexts, and which one is used by default."""
    contexts = load_contexts()
    found = contexts.all()
    if output == "json":
        print_json([_summary(context, contexts.chosen) for context in found])
        return
    rows = [
        (
            "*" if context.name == contexts.chosen else "",
            context.name,
            context.servers,
            context.file,
        )
        for context in found
    ]
    print_table(("used", "context", "bootstrap-server", "file"), rows)


@command.command()
@click.argument("name", shell_complete=context_names)
def use(name: str) -> None:
    """Choose the context that is used by default."""
    contexts = load_contexts()
    context = contexts.find(name)
    if contexts.user is None or name not in contexts.user.contexts:
        raise ConfigError(
            f"context {visible(name)} is only in {context.file}: choose it there, by"
            f" context = {visible(name)!a}"
        )
    path = record_path(contexts.user_path)
    try:
        path.write_text(f"{name}\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    click.echo(f"context {visible(name)}")
    project = contexts.project
    if project is not None and project.chosen not in (None, name):
        click.echo(
            f"barnabas: warning: {project.path} chooses {visible(project.chosen)} in this project",
            err=True,
        )


@command.command()
@click.argument("name", required=False, shell_complete=context_names)
@output
@click.pass_context
def show(context: click.Context, name: str | None, output: str) -> None:
    """Show a context, by default the chosen one; passwords are hidden."""
    contexts = load_contexts()
    wanted = name or context.obj or contexts.chosen
    if wanted is None:
        raise ConfigError(f"no context is chosen: barnabas context use NAME ({contexts.user_path})")
    found = contexts.find(wanted)
    properties = shown(properties_of(found))
    if output == "json":
        print_json({**_summary(found, contexts.chosen), "properties": properties})
        return
    rows = [("context", found.name), ("file", found.file), ("bootstrap-server", found.servers)]
    if found.config is not None:
        rows.append(("command-config", os.path.normpath(found.config)))
    print_table(("setting", "value"), [*rows, *sorted(properties.items())])


def _summary(context: Context, chosen: str | None) -> dict[str, object]:
    return {
        "context": context.name,
        "used": context.name == chosen,
        "bootstrap-server": context.servers,
        "command-config": context.config,
        "file": context.file,
    }
