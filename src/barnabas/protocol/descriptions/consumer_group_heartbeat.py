"""ConsumerGroupHeartbeat, as Apache Kafka 4.0.0 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ConsumerGroupHeartbeatRequest 0-1 0+
  group_id string 0+
  member_id string 0+
  member_epoch int32 0+
  instance_id string 0+ ?0+ =null
  rack_id string 0+ ?0+ =null
  rebalance_timeout int32 0+ =-1
  subscribed_topic_names []string 0+ ?0+ =null
  subscribed_topic_regex string 1+ ?1+ =null
  server_assignor string 0+ ?0+ =null
  topic_partitions []TopicPartitions 0+ ?0+ =null
    topic_id uuid 0+
    partitions []int32 0+
"""

RESPONSE = """
ConsumerGroupHeartbeatResponse 0-1 0+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+ =null
  member_id string 0+ ?0+ =null
  member_epoch int32 0+
  heartbeat_interval int32 0+
  assignment Assignment 0+ ?0+ =null
    topic_partitions []TopicPartitions 0+
TopicPartitions
  topic_id uuid 0+
  partitions []int32 0+
"""
