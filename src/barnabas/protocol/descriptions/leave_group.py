"""LeaveGroup, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
LeaveGroupRequest 0-5 4+
  group_id string 0+
  member_id string 0-2
  members []MemberIdentity 3+
    member_id string 3+
    group_instance_id string 3+ ?3+ =null
    reason string 5+ ?5+ =null
"""

RESPONSE = """
LeaveGroupResponse 0-5 4+
  throttle_time int32 1+
  error_code int16 0+
  members []MemberResponse 3+
    member_id string 3+
    group_instance_id string 3+ ?3+
    error_code int16 3+
"""
