"""DescribeCluster, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeClusterRequest 0-1 0+
  include_cluster_authorized_operations bool 0+
  endpoint_type int8 1+ =1
"""

RESPONSE = """
DescribeClusterResponse 0-1 0+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+ =null
  endpoint_type int8 1+ =1
  cluster_id string 0+
  controller_id int32 0+ =-1
  brokers []DescribeClusterBroker 0+
    broker_id int32 0+
    host string 0+
    port int32 0+
    rack string 0+ ?0+ =null
  cluster_authorized_operations int32 0+ =-2147483648
"""
