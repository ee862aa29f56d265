"""Settings of the connection to ZooKeeper."""

ROWS = """
zookeeper.connect  STRING  -  HIGH
    Where ZooKeeper is: host:port[,host:port...][/chroot].
zookeeper.session.timeout.ms  INT  18000  HIGH
    A broker that was silent for this long counts as dead.
zookeeper.connection.timeout.ms  INT  -  HIGH
    How long a start waits for ZooKeeper; unset: the session timeout.
zookeeper.max.in.flight.requests  INT  10  1..  HIGH
    Requests that wait for ZooKeeper; here there is no bound.
zookeeper.set.acl  BOOLEAN  false  HIGH
    Let only brokers write to ZooKeeper.
zookeeper.clientCnxnSocket  STRING  -  MEDIUM
    Class of the ZooKeeper client's sockets; with TLS, ACLs need it to be named.
zookeeper.metadata.migration.enable  BOOLEAN  false  HIGH  refused
    Migrate this cluster to KRaft.
zookeeper.metadata.migration.min.batch.size  INT  200  1..  MEDIUM  internal  unused
    Records of the migration written at once.
zookeeper.ssl.client.enable  BOOLEAN  false  MEDIUM
    Connect to ZooKeeper over TLS.
zookeeper.ssl.cipher.suites  LIST  -  LOW
    Cipher suites towards ZooKeeper.
zookeeper.ssl.crl.enable  BOOLEAN  false  LOW
    Look up in revocation lists whether ZooKeeper's certificates were revoked.
zookeeper.ssl.enabled.protocols  LIST  -  LOW
    TLS versions towards ZooKeeper.
zookeeper.ssl.endpoint.identification.algorithm  STRING  HTTPS  LOW
    How ZooKeeper's host name is checked.
zookeeper.ssl.keystore.location  STRING  -  MEDIUM
    File of this broker's key towards ZooKeeper.
zookeeper.ssl.keystore.password  PASSWORD  -  MEDIUM
    Password of this file.
zookeeper.ssl.keystore.type  STRING  -  MEDIUM
    Format of this file.
zookeeper.ssl.ocsp.enable  BOOLEAN  false  LOW
    Ask by OCSP whether ZooKeeper's certificates were revoked; the lists count without an answer.
zookeeper.ssl.protocol  STRING  TLSv1.2  LOW
    TLS version towards ZooKeeper.
zookeeper.ssl.truststore.location  STRING  -  MEDIUM
    File of the certificates trusted towards ZooKeeper.
zookeeper.ssl.truststore.password  PASSWORD  -  MEDIUM
    Password of this file.
zookeeper.ssl.truststore.type  STRING  -  MEDIUM
    Format of this file.
java.security.auth.login.config  STRING  -  MEDIUM  ours
    JAAS file: its section Client is the login to ZooKeeper. Java has it as a system property.
zookeeper.sasl.client  BOOLEAN  true  MEDIUM  ours
    Whether a login to ZooKeeper is made. Java has it as a system property.
zookeeper.sasl.clientconfig  STRING  Client  MEDIUM  ours
    The section of the JAAS file. Java has it as a system property.
zookeeper.sasl.client.username  STRING  zookeeper  LOW  ours
    First part of ZooKeeper's Kerberos principals. Java has it as a system property.
zookeeper.sasl.client.canonicalize.hostname  BOOLEAN  true  LOW  ours
    Whether a server's principal has the host name of its address. Java has it as a system property.
zookeeper.server.principal  STRING  -  LOW  ours
    Kerberos principal of every ZooKeeper server. Java has it as a system property.
barnabas.zookeeper.sasl.jaas.config  PASSWORD  -  MEDIUM  ours
    JAAS login to ZooKeeper, instead of a file.
barnabas.zookeeper.fast.expiry.ms  INT  100  0..  MEDIUM  ours
    The embedded coordinator drops this broker so long after its connection broke; 0: never.
"""
