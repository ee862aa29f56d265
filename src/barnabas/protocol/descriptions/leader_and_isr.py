"""LeaderAndIsr, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
LeaderAndIsrRequest 0-7 4+
  controller_id int32 0+
  is_kraft_controller bool 7+ =false
  controller_epoch int32 0+
  broker_epoch int64 2+ =-1
  type_ int8 5+
  ungrouped_partition_states []LeaderAndIsrPartitionState 0-1
  topic_states []LeaderAndIsrTopicState 2+
    topic_name string 2+
    topic_id uuid 5+
    partition_states []LeaderAndIsrPartitionState 2+
  live_leaders []LeaderAndIsrLiveLeader 0+
    broker_id int32 0+
    host_name string 0+
    port int32 0+
LeaderAndIsrPartitionState
  topic_name string 0-1
  partition_index int32 0+
  controller_epoch int32 0+
  leader int32 0+
  leader_epoch int32 0+
  isr []int32 0+
  partition_epoch int32 0+
  replicas []int32 0+
  adding_replicas []int32 3+
  removing_replicas []int32 3+
  is_new bool 1+ =false
  leader_recovery_state int8 6+ =0
"""

RESPONSE = """
LeaderAndIsrResponse 0-7 4+
  error_code int16 0+
  partition_errors []LeaderAndIsrPartitionError 0-4
  topics []LeaderAndIsrTopicError 5+
    topic_id uuid 5+
    partition_errors []LeaderAndIsrPartitionError 5+
LeaderAndIsrPartitionError
  topic_name string 0-4
  partition_index int32 0+
  error_code int16 0+
"""
