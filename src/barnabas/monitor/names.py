"""Names of series: Kafka's JMX names by the rule of the JMX exporter, in lower case.

``kafka.server:type=ReplicaManager,name=LeaderCount``: ``kafka_server_replicamanager_leadercount``.
The other keys of the JMX name are labels. Kafka's meters (``…PerSec``) are given as counts, from
which Prometheus computes rates. Another common configuration of the JMX exporter names such a count
``…_total``. Both names are given if ``barnabas.metrics.total.names`` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

Type: TypeAlias = Literal["gauge", "untyped", "histogram"]
Labels: TypeAlias = Mapping[str, str]

PER_SECOND: Final = "persec"


def jmx_name(domain: str, kind: str, name: str) -> str:
    """The name of the series for ``kafka.<domain>:type=<kind>,name=<name>``."""
    return f"kafka_{domain}_{kind}_{name}".replace(".", "_").replace("-", "_").lower()


def total_name(name: str) -> str | None:
    """The ``…_total`` name of a meter's count; None for anything else."""
    return f"{name.removesuffix(PER_SECOND)}_total" if name.endswith(PER_SECOND) else None


def label_text(labels: Labels) -> str:
    """``{a="1",b="2"}``, or nothing without labels."""
    if not labels:
        return ""
    inner = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def escaped(value: str) -> str:
    """The value of a label, escaped as the text format asks."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def header(name: str, doc: str, kind: Type) -> str:
    """The HELP and TYPE lines of a family."""
    return f"# HELP {name} {doc}\n# TYPE {name} {kind}\n"


def lines(name: str, samples: Iterable[tuple[str, float]]) -> str:
    """The lines of a family's samples, each (text of its labels, value)."""
    return "".join(f"{name}{labels} {value}\n" for labels, value in samples)
