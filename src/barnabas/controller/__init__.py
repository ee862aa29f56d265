"""Who leads what: the controller, and the decisions it makes.

Decisions (pure): ``context election partition_states replica_states alter_partition deletion
preferred shutdown topics batch answers events reachability``. Flows: ``controller`` (the queue),
``elector failover broker_changes topic_changes topic_deletion partitions replicas rpc
notifications``, over ``store`` (fenced ZooKeeper) and ``channels`` (one queue for each broker).
Start reading at ``election``, then ``broker_changes``.
"""
