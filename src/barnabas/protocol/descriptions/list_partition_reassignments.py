"""ListPartitionReassignments, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ListPartitionReassignmentsRequest 0 0+
  timeout int32 0+ =60000
  topics []ListPartitionReassignmentsTopics 0+ ?0+ =null
    name string 0+
    partition_indexes []int32 0+
"""

RESPONSE = """
ListPartitionReassignmentsResponse 0 0+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+
  topics []OngoingTopicReassignment 0+
    name string 0+
    partitions []OngoingPartitionReassignment 0+
      partition_index int32 0+
      replicas []int32 0+
      adding_replicas []int32 0+
      removing_replicas []int32 0+
"""
