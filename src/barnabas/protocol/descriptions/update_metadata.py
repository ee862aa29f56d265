"""UpdateMetadata, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
UpdateMetadataRequest 0-8 6+
  controller_id int32 0+
  is_kraft_controller bool 8+ =false
  type_ int8 8+ #0:8+ =0
  controller_epoch int32 0+
  broker_epoch int64 5+ =-1
  ungrouped_partition_states []UpdateMetadataPartitionState 0-4
  topic_states []UpdateMetadataTopicState 5+
    topic_name string 5+
    topic_id uuid 7+
    partition_states []UpdateMetadataPartitionState 5+
  live_brokers []UpdateMetadataBroker 0+
    id int32 0+
    v0_host string 0
    v0_port int32 0
    endpoints []UpdateMetadataEndpoint 1+
      port int32 1+
      host string 1+
      listener string 3+
      security_protocol int16 1+
    rack string 2+ ?0+
UpdateMetadataPartitionState
  topic_name string 0-4
  partition_index int32 0+
  controller_epoch int32 0+
  leader int32 0+
  leader_epoch int32 0+
  isr []int32 0+
  zk_version int32 0+
  replicas []int32 0+
  offline_replicas []int32 4+
"""

RESPONSE = """
UpdateMetadataResponse 0-8 6+
  error_code int16 0+
"""
