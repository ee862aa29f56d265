"""CreateAcls, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
CreateAclsRequest 0-3 2+
  creations []AclCreation 0+
    resource_type int8 0+
    resource_name string 0+
    resource_pattern_type int8 1+ =3
    principal string 0+
    host string 0+
    operation int8 0+
    permission_type int8 0+
"""

RESPONSE = """
CreateAclsResponse 0-3 2+
  throttle_time int32 0+
  results []AclCreationResult 0+
    error_code int16 0+
    error_message string 0+ ?0+
"""
