"""Settings of security and policies. Those that Barnabas does not support are refused."""

ROWS = """
security.inter.broker.protocol  STRING  PLAINTEXT  in:PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL
    MEDIUM
    Security protocol between brokers, which use the listener of this name.
security.providers  STRING  -  LOW  refused
    Classes that provide security algorithms.
authorizer.class.name  STRING  ""  nonnull  LOW
    Class that decides who may do what.
principal.builder.class  CLASS
    org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder  MEDIUM
    per-broker  refused
    Class that derives a client's principal.
alter.config.policy.class.name  CLASS  -  class  LOW
    Class that may refuse changes of settings.
create.topic.policy.class.name  CLASS  -  class  LOW
    Class that may refuse new topics.
client.quota.callback.class  CLASS  -  class  LOW
    Class that decides on client quotas.
delegation.token.master.key  PASSWORD  -  MEDIUM
    Older name of delegation.token.secret.key.
delegation.token.secret.key  PASSWORD  -  MEDIUM
    Key with which delegation tokens are signed.
delegation.token.max.lifetime.ms  LONG  604800000  1..  MEDIUM
    How long a token may be renewed.
delegation.token.expiry.time.ms  LONG  86400000  1..  MEDIUM
    How long a token lasts.
delegation.token.expiry.check.interval.ms  LONG  3600000  1..  LOW
    How often expired tokens are removed.
password.encoder.secret  PASSWORD  -  MEDIUM
    Secret with which dynamic passwords are encrypted in ZooKeeper.
password.encoder.old.secret  PASSWORD  -  MEDIUM
    The secret before a change.
password.encoder.keyfactory.algorithm  STRING  -  LOW
    Algorithm that derives the key.
password.encoder.cipher.algorithm  STRING  AES/CBC/PKCS5Padding  LOW
    Cipher of this encryption.
password.encoder.key.length  INT  128  8..  LOW
    Length of its key in bits.
password.encoder.iterations  INT  4096  1024..  LOW
    Rounds of its key derivation.
sasl.enabled.mechanisms  LIST  GSSAPI  MEDIUM  per-broker  restart
    SASL mechanisms offered to clients.
sasl.mechanism.inter.broker.protocol  STRING  GSSAPI  MEDIUM  per-broker  restart
    SASL mechanism between brokers.
sasl.mechanism.controller.protocol  STRING  GSSAPI  HIGH  refused
    SASL mechanism towards controllers (KRaft).
sasl.jaas.config  PASSWORD  -  MEDIUM  per-broker  restart
    JAAS login of a listener.
sasl.client.callback.handler.class  CLASS  -  MEDIUM  restart
    Class that supplies a client's credentials.
sasl.server.callback.handler.class  CLASS  -  MEDIUM  restart
    Class that checks a client's credentials.
sasl.server.max.receive.size  INT  524288  MEDIUM  restart
    Largest token of a SASL client before it is authenticated.
sasl.login.class  CLASS  -  MEDIUM  refused
    Class that logs in.
sasl.login.callback.handler.class  CLASS  -  MEDIUM  restart
    Class that supplies the login's credentials.
sasl.login.connect.timeout.ms  INT  -  LOW  restart
    How long connecting to the token provider may take.
sasl.login.read.timeout.ms  INT  -  LOW  restart
    How long the token provider may take to answer.
sasl.login.refresh.window.factor  DOUBLE  0.8  MEDIUM  per-broker  restart
    Share of a credential's life after which it is refreshed.
sasl.login.refresh.window.jitter  DOUBLE  0.05  MEDIUM  per-broker  restart
    Random share added to this share.
sasl.login.refresh.min.period.seconds  SHORT  60  MEDIUM  per-broker  restart
    Least time before a credential is refreshed.
sasl.login.refresh.buffer.seconds  SHORT  300  MEDIUM  per-broker  restart
    Time kept between a refresh and the credential's end.
sasl.login.retry.backoff.ms  LONG  100  LOW  restart
    First pause between login attempts.
sasl.login.retry.backoff.max.ms  LONG  10000  LOW  restart
    Longest pause between login attempts.
sasl.kerberos.service.name  STRING  -  MEDIUM  per-broker  restart
    Kerberos name of this broker.
sasl.kerberos.kinit.cmd  STRING  /usr/bin/kinit  MEDIUM  per-broker  restart  unused
    Path of kinit.
sasl.kerberos.ticket.renew.window.factor  DOUBLE  0.8  MEDIUM  per-broker  restart  unused
    Share of a ticket's life after which it is renewed.
sasl.kerberos.ticket.renew.jitter  DOUBLE  0.05  MEDIUM  per-broker  restart  unused
    Random share added to that.
sasl.kerberos.min.time.before.relogin  LONG  60000  MEDIUM  per-broker  restart  unused
    Least time between two logins.
sasl.kerberos.principal.to.local.rules  LIST  DEFAULT  MEDIUM  per-broker  restart
    How Kerberos principals become short names.
sasl.oauthbearer.token.endpoint.url  STRING  -  MEDIUM  restart
    URL of the token provider.
sasl.oauthbearer.jwks.endpoint.url  STRING  -  MEDIUM  restart
    URL of the token provider's keys.
sasl.oauthbearer.jwks.endpoint.refresh.ms  LONG  3600000  LOW  restart
    How often these keys are read.
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms  LONG  100  LOW  restart
    First pause between attempts to read them.
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms  LONG  10000  LOW  restart
    Longest pause between these attempts.
sasl.oauthbearer.clock.skew.seconds  INT  30  LOW  restart
    Difference of clocks that is allowed.
sasl.oauthbearer.expected.audience  LIST  -  LOW  restart
    A token must name one of these audiences.
sasl.oauthbearer.expected.issuer  STRING  -  LOW  restart
    Issuer that a token must name.
sasl.oauthbearer.scope.claim.name  STRING  scope  LOW  restart
    Claim that holds the scope.
sasl.oauthbearer.sub.claim.name  STRING  sub  LOW  restart
    Claim that holds the subject.
ssl.client.auth  STRING  none  in:required,requested,none  MEDIUM  per-broker  restart
    Whether clients must show a certificate.
ssl.protocol  STRING  TLSv1.3  MEDIUM  per-broker  restart
    TLS, TLSv1.3, or TLSv1.2: this broker then connects to others with TLS 1.2 at most.
ssl.provider  STRING  -  MEDIUM  per-broker  refused-but=SunJSSE
    Provider of TLS.
ssl.cipher.suites  LIST  ""  MEDIUM  per-broker  restart
    Cipher suites that are allowed.
ssl.enabled.protocols  LIST  TLSv1.2,TLSv1.3  MEDIUM  per-broker  restart
    TLS versions that are allowed.
ssl.keystore.type  STRING  JKS  MEDIUM  per-broker  restart
    Format of the key store.
ssl.keystore.location  STRING  -  MEDIUM  per-broker  restart
    File of this broker's key.
ssl.keystore.password  PASSWORD  -  MEDIUM  per-broker  restart
    Password of this file.
ssl.key.password  PASSWORD  -  MEDIUM  per-broker  restart
    Password of the key itself.
ssl.keystore.key  PASSWORD  -  MEDIUM  per-broker  restart
    This broker's key in PEM.
ssl.keystore.certificate.chain  PASSWORD  -  MEDIUM  per-broker  restart
    This broker's certificates in PEM.
ssl.truststore.type  STRING  JKS  MEDIUM  per-broker  restart
    Format of the trust store.
ssl.truststore.location  STRING  -  MEDIUM  per-broker  restart
    File of the trusted certificates.
ssl.truststore.password  PASSWORD  -  MEDIUM  per-broker  restart
    Password of this file.
ssl.truststore.certificates  PASSWORD  -  MEDIUM  per-broker  restart
    Trusted certificates in PEM.
ssl.keymanager.algorithm  STRING  SunX509  MEDIUM  per-broker  refused-but=NewSunX509,PKIX
    Algorithm of the key manager.
ssl.trustmanager.algorithm  STRING  PKIX  MEDIUM  per-broker  refused-but=SunX509
    Algorithm of the trust manager.
ssl.endpoint.identification.algorithm  STRING  https  LOW  per-broker  restart
    How a server's host name is checked.
ssl.secure.random.implementation  STRING  -  LOW  per-broker  unused
    Source of randomness of TLS.
ssl.engine.factory.class  CLASS  -  LOW  per-broker  restart
    Class that makes TLS engines.
ssl.principal.mapping.rules  STRING  DEFAULT  LOW  restart
    How certificates' names become short names.
ssl.allow.dn.changes  BOOLEAN  false  LOW  restart
    Let a new key store name another distinguished name.
ssl.allow.san.changes  BOOLEAN  false  LOW  restart
    Let a new key store name other alternative names.
"""
