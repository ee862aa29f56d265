"""AlterPartitionReassignments, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
AlterPartitionReassignmentsRequest 0 0+
  timeout int32 0+ =60000
  topics []ReassignableTopic 0+
    name string 0+
    partitions []ReassignablePartition 0+
      partition_index int32 0+
      replicas []int32 0+ ?0+ =null
"""

RESPONSE = """
AlterPartitionReassignmentsResponse 0 0+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+
  responses []ReassignableTopicResponse 0+
    name string 0+
    partitions []ReassignablePartitionResponse 0+
      partition_index int32 0+
      error_code int16 0+
      error_message string 0+ ?0+
"""
