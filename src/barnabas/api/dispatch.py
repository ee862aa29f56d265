"""From a request to its handler: which APIs are served, and what answers the rest.

A handler is one file of this room: what versions it serves, one ``handle(services, request)``,
helpers below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from barnabas.api import (
    acls,
    add_offsets_to_txn,
    add_partitions_to_txn,
    allocate_producer_ids,
    alter_configs,
    alter_partition,
    alter_partition_reassignments,
    alter_replica_log_dirs,
    api_versions,
    consumer_group_describe,
    consumer_group_heartbeat,
    controlled_shutdown,
    create_partitions,
    create_topics,
    delete_groups,
    delete_records,
    delete_topics,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_topic_partitions,
    describe_transactions,
    elect_leaders,
    end_txn,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter_configs,
    init_producer_id,
    join_group,
    leader_and_isr,
    leave_group,
    list_groups,
    list_offsets,
    list_partition_reassignments,
    list_transactions,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    produce,
    stop_replica,
    sync_group,
    txn_offset_commit,
    update_metadata,
    write_txn_markers,
)
from barnabas.api.request import Answer, Request, api_name
from barnabas.api.services import Services
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import API_TABLE, ApiKey

Handler: TypeAlias = Callable[[Services, Request], Answer]

HANDLERS: Mapping[int, Handler] = MappingProxyType(
    {
        ApiKey.PRODUCE: produce.handle,
        ApiKey.FETCH: fetch.handle,
        ApiKey.LIST_OFFSETS: list_offsets.handle,
        ApiKey.METADATA: metadata.handle,
        ApiKey.LEADER_AND_ISR: leader_and_isr.handle,
        ApiKey.STOP_REPLICA: stop_replica.handle,
        ApiKey.UPDATE_METADATA: update_metadata.handle,
        ApiKey.CONTROLLED_SHUTDOWN: controlled_shutdown.handle,
        ApiKey.OFFSET_COMMIT: offset_commit.handle,
        ApiKey.OFFSET_FETCH: offset_fetch.handle,
        ApiKey.FIND_COORDINATOR: find_coordinator.handle,
        ApiKey.JOIN_GROUP: join_group.handle,
        ApiKey.HEARTBEAT: heartbeat.handle,
        ApiKey.LEAVE_GROUP: leave_group.handle,
        ApiKey.SYNC_GROUP: sync_group.handle,
        ApiKey.DESCRIBE_GROUPS: describe_groups.handle,
        ApiKey.LIST_GROUPS: list_groups.handle,
        ApiKey.API_VERSIONS: api_versions.handle,
        ApiKey.CREATE_TOPICS: create_topics.handle,
        ApiKey.DELETE_TOPICS: delete_topics.handle,
        ApiKey.DELETE_RECORDS: delete_records.handle,
        ApiKey.INIT_PRODUCER_ID: init_producer_id.handle,
        ApiKey.OFFSET_FOR_LEADER_EPOCH: offset_for_leader_epoch.handle,
        ApiKey.DESCRIBE_ACLS: acls.handle_describe,
        ApiKey.CREATE_ACLS: acls.handle_create,
        ApiKey.DELETE_ACLS: acls.handle_delete,
        ApiKey.ADD_PARTITIONS_TO_TXN: add_partitions_to_txn.handle,
        ApiKey.ADD_OFFSETS_TO_TXN: add_offsets_to_txn.handle,
        ApiKey.END_TXN: end_txn.handle,
        ApiKey.WRITE_TXN_MARKERS: write_txn_markers.handle,
        ApiKey.TXN_OFFSET_COMMIT: txn_offset_commit.handle,
        ApiKey.DESCRIBE_CONFIGS: describe_configs.handle,
        ApiKey.ALTER_CONFIGS: alter_configs.handle,
        ApiKey.ALTER_REPLICA_LOG_DIRS: alter_replica_log_dirs.handle,
        ApiKey.DESCRIBE_LOG_DIRS: describe_log_dirs.handle,
        ApiKey.CREATE_PARTITIONS: create_partitions.handle,
        ApiKey.DELETE_GROUPS: delete_groups.handle,
        ApiKey.ELECT_LEADERS: elect_leaders.handle,
        ApiKey.INCREMENTAL_ALTER_CONFIGS: incremental_alter_configs.handle,
        ApiKey.ALTER_PARTITION_REASSIGNMENTS: alter_partition_reassignments.handle,
        ApiKey.LIST_PARTITION_REASSIGNMENTS: list_partition_reassignments.handle,
        ApiKey.OFFSET_DELETE: offset_delete.handle,
        ApiKey.ALTER_PARTITION: alter_partition.handle,
        ApiKey.DESCRIBE_CLUSTER: describe_cluster.handle,
        ApiKey.DESCRIBE_PRODUCERS: describe_producers.handle,
        ApiKey.DESCRIBE_TRANSACTIONS: describe_transactions.handle,
        ApiKey.LIST_TRANSACTIONS: list_transactions.handle,
        ApiKey.ALLOCATE_PRODUCER_IDS: allocate_producer_ids.handle,
        ApiKey.CONSUMER_GROUP_HEARTBEAT: consumer_group_heartbeat.handle,
        ApiKey.CONSUMER_GROUP_DESCRIBE: consumer_group_describe.handle,
        ApiKey.DESCRIBE_TOPIC_PARTITIONS: describe_topic_partitions.handle,
    }
)


class Dispatcher:
    """Routes the requests of one broker."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def handle(self, request: Request) -> Answer:
        """The answer of the request's handler.

        Raises InvalidRequest for an API or version that is not served: such a request cannot be
        answered in a form its sender could read (reference section 9). ApiVersions alone answers
        every version, and Produce the old ones.
        """
        handler = HANDLERS.get(request.api_key)
        if handler is None:
            raise InvalidRequest(f"unsupported {api_name(request.api_key)}")
        if request.api_key not in (ApiKey.API_VERSIONS, ApiKey.PRODUCE):
            api = API_TABLE[ApiKey(request.api_key)]
            if not api.min_version <= request.api_version <= api.max_version:
                raise InvalidRequest(f"unsupported {api.name} version {request.api_version}")
        return handler(self.services, request)
