"""Plug-ins: Python classes where Kafka takes Java classes.

A setting names the class as ``package.module.ClassName``. Its base class here has the name of
Kafka's interface. All methods run on the broker's event loop: while one runs, the broker serves
nobody. So a method must answer at once, from what it has in memory; it cannot be a coroutine.

``docs/plugins.md`` has an example of each. ``loading.py`` is for the broker.
"""

from __future__ import annotations

from barnabas.authorizer.acl import (
    AccessControlEntry,
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.errors import ErrorCode, KafkaError
from barnabas.plugins.authorizers import (
    Action,
    AuthorizableRequestContext,
    AuthorizationResult,
    Authorizer,
    AuthorizerServerInfo,
)
from barnabas.plugins.base import Plugin
from barnabas.plugins.cluster import Cluster, Node, PartitionInfo
from barnabas.plugins.handlers import (
    OAuthBearerLoginCallbackHandler,
    OAuthBearerToken,
    OAuthBearerValidatorCallbackHandler,
    PlainServerCallbackHandler,
    SaslClientCallbackHandler,
    ScramServerCallbackHandler,
)
from barnabas.plugins.policies import (
    AlterConfigPolicy,
    ConfigResource,
    CreateTopicPolicy,
    PolicyViolation,
)
from barnabas.plugins.quotas import (
    ClientQuotaCallback,
    ClientQuotaEntity,
    ClientQuotaType,
    ConfigEntity,
    ConfigEntityType,
)
from barnabas.plugins.replicas import ClientMetadata, PartitionView, ReplicaSelector, ReplicaView
from barnabas.plugins.tls import SslEngineFactory
from barnabas.security.principal import KafkaPrincipal
from barnabas.security.sasl.scram import ScramCredential
from barnabas.types import ConfigResourceType, TopicPartition

__all__ = [
    "AccessControlEntry",
    "AclBinding",
    "AclBindingFilter",
    "AclOperation",
    "AclPermissionType",
    "Action",
    "AlterConfigPolicy",
    "AuthorizableRequestContext",
    "AuthorizationResult",
    "Authorizer",
    "AuthorizerServerInfo",
    "ClientMetadata",
    "ClientQuotaCallback",
    "ClientQuotaEntity",
    "ClientQuotaType",
    "Cluster",
    "ConfigEntity",
    "ConfigEntityType",
    "ConfigResource",
    "ConfigResourceType",
    "CreateTopicPolicy",
    "ErrorCode",
    "KafkaError",
    "KafkaPrincipal",
    "Node",
    "OAuthBearerLoginCallbackHandler",
    "OAuthBearerToken",
    "OAuthBearerValidatorCallbackHandler",
    "PartitionInfo",
    "PartitionView",
    "PatternType",
    "PlainServerCallbackHandler",
    "Plugin",
    "PolicyViolation",
    "ReplicaSelector",
    "ReplicaView",
    "ResourcePattern",
    "ResourceType",
    "SaslClientCallbackHandler",
    "ScramCredential",
    "ScramServerCallbackHandler",
    "SslEngineFactory",
    "TopicPartition",
]
