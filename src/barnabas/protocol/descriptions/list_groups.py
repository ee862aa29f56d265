"""ListGroups, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ListGroupsRequest 0-5 3+
  states_filter []string 4+
  types_filter []string 5+
"""

RESPONSE = """
ListGroupsResponse 0-5 3+
  throttle_time int32 1+
  error_code int16 0+
  groups []ListedGroup 0+
    group_id string 0+
    protocol_type string 0+
    group_state string 4+
    group_type string 5+
"""
