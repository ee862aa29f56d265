"""Names of series: Kafka's JMX names by the rule of the JMX exporter, in lower case.

``kafka.server:type=ReplicaManager,name=LeaderCount``: ``kafka_server_replicamanager_leadercount``.
Its other keys are labels. What the original calls a meter (``…PerSec``) is here its count, and
Prometheus takes the rate. Another common configuration of the exporter calls it ``…_total``; both
names are given where ``barnabas.metrics.total.names`` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

Type: TypeAlias = Literal["gauge", "untyped", "histogram"]
Labels: TypeAlias = Mapping[str, str]

PER_SECOND: Final = "persec"


def jmx_name(domain: str, kind: str, name: str) -> str:
    """``kafka.<domain>:type=<kind>,name=<name>`` as a series."""
    return f"kafka_{domain}_{kind}_{name}".replace(".", "_").replace("-", "_").lower()


def total_name(name: str) -> str | None:
    """The other name of a meter's count; None for anything else."""
    return f"{name.removesuffix(PER_SECOND)}_total" if name.endswith(PER_SECOND) else None


def label_text(labels: Labels) -> str:
    """``{a="1",b="2"}``, or nothing without labels."""
    if not labels:
        return ""
    inner = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return "{" + inner + "}"


def escaped(value: str) -> str:
    """The value of a label, as the text format wants it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def header(name: str, doc: str, kind: Type) -> str:
    """The lines above a family."""
    return f"# HELP {name} {doc}\n# TYPE {name} {kind}\n"


def lines(name: str, samples: Iterable[tuple[str, float]]) -> str:
    """A family's samples: (text of its labels, value) each."""
    return "".join(f"{name}{labels} {value}\n" for labels, value in samples)
