"""StopReplica, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
StopReplicaRequest 0-4 2+
  controller_id int32 0+
  is_kraft_controller bool 4+ =false
  controller_epoch int32 0+
  broker_epoch int64 1+ =-1
  delete_partitions bool 0-2
  ungrouped_partitions []StopReplicaPartitionV0 0
    topic_name string 0
    partition_index int32 0
  topics []StopReplicaTopicV1 1-2
    name string 1-2
    partition_indexes []int32 1-2
  topic_states []StopReplicaTopicState 3+
    topic_name string 3+
    partition_states []StopReplicaPartitionState 3+
      partition_index int32 3+
      leader_epoch int32 3+ =-1
      delete_partition bool 3+
"""

RESPONSE = """
StopReplicaResponse 0-4 2+
  error_code int16 0+
  partition_errors []StopReplicaPartitionError 0+
    topic_name string 0+
    partition_index int32 0+
    error_code int16 0+
"""
