"""Heartbeat, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
HeartbeatRequest 0-4 4+
  group_id string 0+
  generation_id int32 0+
  member_id string 0+
  group_instance_id string 3+ ?3+ =null
"""

RESPONSE = """
HeartbeatResponse 0-4 4+
  throttle_time int32 1+
  error_code int16 0+
"""
