"""Writes ``docs/settings.md`` from the table of settings (``src/barnabas/config/table/``).

python -m tools.describe_settings          writes it
python -m tools.describe_settings --check  fails if it is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from barnabas.config.definition import Setting
from barnabas.config.settings import SETTINGS, TOPIC_SETTINGS
from barnabas.config.table.reasons import reason
from barnabas.quotas.entities import KEYS_OF_ADDRESSES, KEYS_OF_CLIENTS

PATH = Path(__file__).parents[1] / "docs" / "settings.md"

HEAD = """# Settings

Written by `tools/describe_settings.py` from `src/barnabas/config/table/`; a test compares them.
Each name that Apache Kafka 3.9.1 knows is here, and ours.

- **yes**: it is obeyed. **default only**: any other value stops the start, or is refused while a
  broker runs, since to ignore it would be unsafe or wrong. **no**: it is accepted, checked and
  described, and a value that is not the default is warned of by name. The last column says why.
- *dynamic*: it may change while a broker runs (`kafka-configs.sh`, AlterConfigs), for one broker
  or for all of them (*cluster*), or for one broker only (*broker*). *start*: it is read when a
  broker starts. *start, here*: Kafka can change it while a broker runs.
- An empty default is no value. Times are in the unit that the name ends in.

"""


def main() -> None:
    text = document()
    if "--check" in sys.argv[1:]:
        if PATH.read_text() != text:
            sys.exit("docs/settings.md is out of date: python -m tools.describe_settings")
        return
    PATH.write_text(text)


def document() -> str:
    """The whole file."""
    kafkas = {n: s for n, s in SETTINGS.items() if not s.ours}
    ours = {n: s for n, s in SETTINGS.items() if s.ours}
    groups = [
        ("Brokers: Kafka's names", kafkas, False),
        ("Brokers: ours", ours, False),
        ("Topics", TOPIC_SETTINGS, True),
    ]
    parts = [HEAD, _summary(kafkas)]
    for title, settings, of_topics in groups:
        parts.append(f"\n## {title}\n\n{_table(settings, of_topics)}")
    parts.append(f"\n## Clients' quotas\n\n{_quotas()}")
    return "".join(parts)


def _summary(kafkas: Mapping[str, Setting]) -> str:
    from_file = [s for s in kafkas.values() if not s.dynamic_only]
    obeyed = [s for s in from_file if s.effect and not s.refused]
    refused = [s for s in from_file if s.refused and not s.harmless]
    left = len(from_file) - len(obeyed) - len(refused)
    return (
        f"Of {len(from_file)} names that Kafka's brokers read from a file {len(obeyed)} are obeyed,"
        f" {len(refused)} accept their default only, and {left} have no effect.\n"
    )


def _table(settings: Mapping[str, Setting], of_topics: bool) -> str:
    lines = ["| Name | Obeyed | Changes | Default | What it is |", "|---|---|---|---|---|"]
    for name in sorted(settings):
        setting = settings[name]
        why = None if setting.effect and not setting.refused else reason(name)
        what = setting.doc if why is None else f"{setting.doc} *{_capital(why)}.*"
        cells = (
            f"`{name}`",
            _obeyed(setting),
            "with the topic" if of_topics else _changes(setting),
            _default(setting),
            what,
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _obeyed(setting: Setting) -> str:
    if setting.refused and not setting.harmless:
        return "default only"
    return "yes" if setting.effect else "no"


def _capital(text: str) -> str:
    first, *rest = text.split(" ")
    # A setting's name stays as it is.
    return text if "." in first else " ".join([first[:1].upper() + first[1:], *rest])


def _changes(setting: Setting) -> str:
    if setting.dynamic and (setting.restart or setting.refused or not setting.effect):
        return "start, here" if setting.restart else "-"
    if setting.dynamic_only:
        return "dynamic only: broker" if setting.per_broker else "dynamic only: cluster"
    if setting.dynamic:
        return "dynamic: broker" if setting.per_broker else "dynamic: cluster"
    return "start"


def _default(setting: Setting) -> str:
    text = setting.text(setting.default)
    return f"`{text}`" if text else ""


QUOTAS = {
    "producer_byte_rate": "Bytes per second that a client may produce to each broker.",
    "consumer_byte_rate": "Bytes per second that a client may fetch from each broker.",
    "request_percentage": "Percent of a processor's time that its requests may take.",
    "controller_mutation_rate": "Partitions per second that it may create or delete.",
    "connection_creation_rate": "Connections per second from an address.",
}


def _quotas() -> str:
    lines = ["| Name | Of | What it is |", "|---|---|---|"]
    keys: Iterable[tuple[str, str]] = [
        *((key, "users, clients") for key in KEYS_OF_CLIENTS),
        *((key, "addresses") for key in KEYS_OF_ADDRESSES),
    ]
    lines += [f"| `{key}` | {of} | {QUOTAS[key]} |" for key, of in keys]
    return "All are obeyed, and change while brokers run (`barnabas quota`).\n\n" + (
        "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
