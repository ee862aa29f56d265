"""Members of a group in racks (KIP-881): Java's range assignor, which runs in a consumer, gives
each the partitions whose replicas are in its rack. Brokers only pass on what members say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.cluster_kit import barnabas, wait_for
from tests.interop.original import SCRIPT

from barnabas.testing import Cluster

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(300), pytest.mark.usefixtures("original")]

TOPIC, GROUP = "spread", "in-racks"
ASSIGNMENT = {0: [1], 1: [1], 2: [2], 3: [2]}
MEMBERS = {"first": "b", "second": "a"}
"""Client ids, which say who comes first, and racks. Without racks the first gets 0 and 1."""
WANTED = {"first": [f"{TOPIC}-2", f"{TOPIC}-3"], "second": [f"{TOPIC}-0", f"{TOPIC}-1"]}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(brokers=2, racks=("a", "b"), wait_s=30) as running:
        yield running


def test_members_get_the_partitions_in_their_rack(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_topic(TOPIC, assignments=ASSIGNMENT)
    with ExitStack() as stack:
        for client_id, rack in MEMBERS.items():
            properties = tmp_path / f"{client_id}.properties"
            properties.write_text(f"client.id={client_id}\nclient.rack={rack}\n")
            log = stack.enter_context((tmp_path / f"{client_id}.log").open("wb"))
            member = subprocess.Popen(
                [
                    *(str(SCRIPT), "run", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
                    *("--bootstrap-server", cluster.bootstrap, "--topic", TOPIC),
                    *("--group", GROUP, "--consumer.config", str(properties)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(member.wait)
            stack.callback(member.kill)
        shown = ""

        def is_shared() -> bool:
            nonlocal shown
            told = barnabas("group", "describe", GROUP, "-o", "json", bootstrap=cluster.bootstrap)
            shown = told.stdout + told.stderr
            if told.returncode:
                return False
            members = json.loads(told.stdout)["members"]
            return {m["client"]: sorted(m["partitions"] or ()) for m in members} == WANTED

        try:
            wait_for(is_shared, 90, "each has the partitions in its rack")
        except AssertionError as error:
            raise AssertionError(f"{error}: {shown}") from error
