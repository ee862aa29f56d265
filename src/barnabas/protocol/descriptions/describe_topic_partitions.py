"""DescribeTopicPartitions, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeTopicPartitionsRequest 0 0+
  topics []TopicRequest 0+
    name string 0+
  response_partition_limit int32 0+ =2000
  cursor Cursor 0+ ?0+ =null
    topic_name string 0+
    partition_index int32 0+
"""

RESPONSE = """
DescribeTopicPartitionsResponse 0 0+
  throttle_time int32 0+
  topics []DescribeTopicPartitionsResponseTopic 0+
    error_code int16 0+
    name string 0+ ?0+
    topic_id uuid 0+
    is_internal bool 0+ =false
    partitions []DescribeTopicPartitionsResponsePartition 0+
      error_code int16 0+
      partition_index int32 0+
      leader_id int32 0+
      leader_epoch int32 0+ =-1
      replica_nodes []int32 0+
      isr_nodes []int32 0+
      eligible_leader_replicas []int32 0+ ?0+ =null
      last_known_elr []int32 0+ ?0+ =null
      offline_replicas []int32 0+
    topic_authorized_operations int32 0+ =-2147483648
  next_cursor Cursor 0+ ?0+ =null
    topic_name string 0+
    partition_index int32 0+
"""
