"""FindCoordinator, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
FindCoordinatorRequest 0-6 3+
  key string 0-3
  key_type int8 1+ =0
  coordinator_keys []string 4+
"""

RESPONSE = """
FindCoordinatorResponse 0-6 3+
  throttle_time int32 1+
  error_code int16 0-3
  error_message string 1-3 ?1-3
  node_id int32 0-3
  host string 0-3
  port int32 0-3
  coordinators []Coordinator 4+
    key string 4+
    node_id int32 4+
    host string 4+
    port int32 4+
    error_code int16 4+
    error_message string 4+ ?4+
"""
