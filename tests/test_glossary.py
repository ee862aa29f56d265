"""The glossary is true: what it names exists, and each module says which class of Kafka's it is."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "barnabas"
GLOSSARY = ROOT / "docs" / "glossary.md"

EXPECTED = """
    UnifiedLog LocalLog LogSegment LogManager LogCleaner ReplicaManager Partition Replica
    ReplicaFetcherThread DelayedProduce DelayedFetch FetchSession KafkaController ControllerContext
    PartitionStateMachine ReplicaStateMachine Election ControllerEventManager AlterPartitionManager
    ControllerChannelManager TopicDeletionManager KafkaZkClient ZkData GroupCoordinator
    GroupMetadata GroupMetadataManager TransactionCoordinator TransactionStateManager MetadataCache
    DynamicBrokerConfig KafkaApis AdminUtils ControllerBrokerRequestBatch LeaderEpochFileCache
    ProducerStateManager LogValidator SocketServer RequestChannel
"""


@dataclass(frozen=True)
class Place:
    kafka: tuple[str, ...]
    module: str
    names: tuple[str, ...]


def places() -> list[Place]:
    """The rows: what Kafka calls it, a module, and what to look for there."""
    found = []
    for line in GLOSSARY.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        kafka = tuple(re.findall(r"`([^`]+)`", cells[0])) if len(cells) == 3 else ()
        for part in cells[2 if kafka else 0].split(";"):
            module, *names = re.findall(r"`([^`]+)`", part)
            found.append(Place(kafka, module, tuple(names)))
    return found


def tree(module: str) -> ast.Module:
    return ast.parse((SOURCE / module).read_text())


@pytest.mark.parametrize("place", places(), ids=lambda place: place.module)
def test_what_the_glossary_names_exists(place: Place) -> None:
    assert (SOURCE / place.module).exists()
    if place.module.endswith(".py"):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        there = {node.name for node in tree(place.module).body if isinstance(node, kinds)}
        assert set(place.names) <= there


@pytest.mark.parametrize("place", [p for p in places() if p.kafka], ids=lambda p: p.module)
def test_a_module_says_on_its_first_line_what_it_is_in_kafka(place: Place) -> None:
    first = (ast.get_docstring(tree(place.module)) or "").splitlines()[0]
    assert any(name in first for name in place.kafka), first


def test_the_classes_that_everybody_looks_for_are_there() -> None:
    assert set(EXPECTED.split()) - {name for place in places() for name in place.kafka} == set()
