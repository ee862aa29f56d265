"""Settings of the connection to ZooKeeper."""

ROWS = """
zookeeper.connect  STRING  -  HIGH
    Where ZooKeeper is: host:port[,host:port...][/chroot].
zookeeper.session.timeout.ms  INT  18000  HIGH
    A broker unheard of for this long is dead.
zookeeper.connection.timeout.ms  INT  -  HIGH
    How long a start waits for ZooKeeper; unset: the session timeout.
zookeeper.max.in.flight.requests  INT  10  1..  HIGH  unused
    Requests that wait for ZooKeeper; here there is no bound.
zookeeper.set.acl  BOOLEAN  false  HIGH  refused
    Let only brokers write to ZooKeeper.
zookeeper.clientCnxnSocket  STRING  -  MEDIUM  unused
    Class of the ZooKeeper client's sockets.
zookeeper.metadata.migration.enable  BOOLEAN  false  HIGH  refused
    Migrate this cluster to KRaft.
zookeeper.metadata.migration.min.batch.size  INT  200  1..  MEDIUM  internal  unused
    Records of the migration written at once.
zookeeper.ssl.client.enable  BOOLEAN  false  MEDIUM  refused
    Connect to ZooKeeper over TLS.
zookeeper.ssl.cipher.suites  LIST  -  LOW  refused
    Cipher suites towards ZooKeeper.
zookeeper.ssl.crl.enable  BOOLEAN  false  LOW  refused
    Look at revocation lists towards ZooKeeper.
zookeeper.ssl.enabled.protocols  LIST  -  LOW  refused
    TLS versions towards ZooKeeper.
zookeeper.ssl.endpoint.identification.algorithm  STRING  HTTPS  LOW  refused
    How ZooKeeper's host name is checked.
zookeeper.ssl.keystore.location  STRING  -  MEDIUM  refused
    File of this broker's key towards ZooKeeper.
zookeeper.ssl.keystore.password  PASSWORD  -  MEDIUM  refused
    Password of this file.
zookeeper.ssl.keystore.type  STRING  -  MEDIUM  refused
    Format of this file.
zookeeper.ssl.ocsp.enable  BOOLEAN  false  LOW  refused
    Ask whether ZooKeeper's certificate was revoked.
zookeeper.ssl.protocol  STRING  TLSv1.2  LOW  refused
    TLS version towards ZooKeeper.
zookeeper.ssl.truststore.location  STRING  -  MEDIUM  refused
    File of the certificates trusted towards ZooKeeper.
zookeeper.ssl.truststore.password  PASSWORD  -  MEDIUM  refused
    Password of this file.
zookeeper.ssl.truststore.type  STRING  -  MEDIUM  refused
    Format of this file.
barnabas.zookeeper.fast.expiry.ms  INT  100  0..  MEDIUM  ours
    The embedded coordinator drops this broker so long after its connection broke; 0: never.
"""
