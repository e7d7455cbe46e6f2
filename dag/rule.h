/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule - the one table of rules: name, verdict at admission, effect on status, help.
 *
 * The name of a rule is the same word in denials, warnings, status reasons, logs, metric labels and documentation.
 * Adding a rule is one row in RULES, one check that calls check_add(), one scenario file. Facts: spec/rules.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum rule_admission {
        ADMISSION_FORBID, /* denied with code 403: ownership and grants */
        ADMISSION_DENY,   /* denied with code 422 */
        ADMISSION_STRICT, /* warned; denied with 422 under --strict-references */
        ADMISSION_WARN,
};

enum rule_status {
        STATUS_NOTICE, /* said in the message, the object stays valid */
        STATUS_INVALID,
        STATUS_ORPHANED,
};

/* RULE(name, admission, status, help), in the order in which findings of one field are told. */
#define RULES(RULE)                                                                                                    \
        /* root */                                                                                                     \
        RULE(RootNamespaceForbidden, FORBID, INVALID,                                                                  \
             "Roots may stand only in the namespaces of --ingressroute-root-namespaces. Move the object, or let a "    \
             "root there delegate to it.")                                                                             \
        RULE(FQDNRequired, DENY, INVALID, "A root needs spec.virtualhost.fqdn.")                                       \
        RULE(FQDNInvalid, DENY, INVALID,                                                                               \
             "The fqdn is one exact host name in lower case: no wildcard, no port, no IP address.")                    \
        RULE(FQDNNotGranted, FORBID, INVALID,                                                                          \
             "The namespace's annotation contour.heptio.com/allowed-fqdns must cover the host. The platform team "     \
             "sets it.")                                                                                               \
        RULE(FQDNConflict, FORBID, INVALID,                                                                            \
             "Another root owns the fqdn. Take another name, delegate from that root, or ask its owner for the "       \
             "annotation contour.heptio.com/fqdn-handover.")                                                           \
        RULE(FQDNSharedWithIngress, FORBID, INVALID,                                                                   \
             "A host belongs to one namespace: an Ingress or a root of another one has it.")                           \
        RULE(TLSSecretNotDelegated, FORBID, INVALID,                                                                   \
             "A Secret of another namespace needs a TLSCertificateDelegation there that names this namespace.")        \
        RULE(TLSSecretNotFound, STRICT, INVALID, "Create the Secret, or correct tls.secretName.")                      \
        RULE(TLSSecretInvalid, WARN, INVALID,                                                                          \
             "The Secret must be of type kubernetes.io/tls and hold a certificate and its key.")                       \
        RULE(TLSSecretNameMismatch, WARN, NOTICE, "The certificate's names do not cover the fqdn.")                    \
        RULE(TLSSecretExpiring, WARN, NOTICE, "Renew the certificate: it has expired or will within 14 days.")         \
        RULE(TLSModeConflict, DENY, INVALID, "tls takes either secretName, or passthrough together with tcpproxy.")    \
        RULE(TLSVersionInvalid, DENY, INVALID, "minimumProtocolVersion is \"1.1\", \"1.2\" or \"1.3\".")               \
        RULE(RootEmpty, DENY, INVALID, "A root needs routes or a tcpproxy.")                                           \
        RULE(EnvoyRejected, WARN, NOTICE,                                                                              \
             "An Envoy refuses what the host says now: it serves what it accepted last, else 503. The log of "         \
             "gatehouse has Envoy's reason, its first 4 KiB.")                                                         \
        RULE(Orphaned, WARN, ORPHANED,                                                                                 \
             "No valid chain of delegations from a root reaches the object: nothing of it is served.")                 \
        /* routes */                                                                                                   \
        RULE(PathInvalid, DENY, INVALID,                                                                               \
             "match is a path prefix: starts with /, no ?, #, //, . or .. segments, at most 2,048 bytes.")             \
        RULE(PathDuplicate, DENY, INVALID, "One object has the same match twice; the first one serves.")               \
        RULE(PathShadowed, WARN, INVALID, "Another object of the host serves this path already.")                      \
        RULE(PathOutsideDelegation, DENY, INVALID,                                                                     \
             "The match must lie below the prefix that was delegated to the object.")                                  \
        RULE(RouteActionConflict, DENY, INVALID, "A route has services or a delegate, not both.")                      \
        RULE(RouteActionMissing, DENY, INVALID, "A route needs services or a delegate.")                               \
        RULE(ServiceNotFound, STRICT, INVALID, "Create the Service in the object's namespace, or correct its name.")   \
        RULE(ServicePortNotFound, STRICT, INVALID, "The Service has no port of that number.")                          \
        RULE(ServiceNameInvalid, DENY, INVALID, "A Service's name is a DNS label (RFC 1035).")                         \
        RULE(ServicePortInvalid, DENY, INVALID, "A port is 1-65535.")                                                  \
        RULE(WeightInvalid, DENY, INVALID, "A weight is 0-1,000,000; a route has at most 128 services.")               \
        RULE(StrategyUnknown, DENY, INVALID,                                                                           \
             "strategy is RoundRobin, WeightedLeastRequest, Random, RingHash, Maglev or Cookie.")                      \
        RULE(HealthCheckInvalid, DENY, INVALID,                                                                        \
             "A health check needs a path; interval and timeout are 1-3,600 s, thresholds 1-100, 0 is the default.")   \
        RULE(TimeoutInvalid, DENY, INVALID, "A timeout is a duration of 1ms to 24h, or \"infinity\".")                 \
        RULE(RetryInvalid, DENY, INVALID, "A retry count is 0-100, perTryTimeout a duration of 1ms to 24h.")           \
        RULE(PrefixRewriteInvalid, DENY, INVALID, "prefixRewrite is a path, as match is.")                             \
        RULE(ExternalNameForbidden, WARN, INVALID,                                                                     \
             "Services of type ExternalName need --enable-external-name and a name outside the cluster.")              \
        RULE(UpstreamCANotFound, STRICT, INVALID, "Create the Secret with the key ca.crt, or correct caSecret.")       \
        RULE(UpstreamCAInvalid, WARN, INVALID, "The Secret's ca.crt must hold certificates in PEM.")                   \
        RULE(UpstreamSubjectMissing, DENY, INVALID, "validation needs caSecret and subjectName.")                      \
        RULE(UpstreamNotTLS, WARN, INVALID,                                                                            \
             "validation needs a Service port marked tls or h2 by contour.heptio.com/upstream-protocol.*.")            \
        RULE(DelegateNotFound, STRICT, NOTICE, "Create the IngressRoute, or correct delegate.")                        \
        RULE(DelegateIsRoot, DENY, INVALID, "A delegate must not have a virtualhost.")                                 \
        RULE(DelegationNotGranted, FORBID, INVALID,                                                                    \
             "The delegate's annotation contour.heptio.com/delegated-from must name this object.")                     \
        RULE(DelegationCycle, DENY, INVALID, "A delegation must not lead back to an object on its way.")               \
        RULE(DelegationTooLarge, DENY, INVALID,                                                                        \
             "At most 32 delegations in a chain, 2,048 routes in an object, 4,096 objects and 16,384 routes in a "     \
             "host.")                                                                                                  \
        /* tcpproxy */                                                                                                 \
        RULE(TCPProxyNeedsTLS, DENY, INVALID, "tcpproxy needs spec.virtualhost.tls.")                                  \
        RULE(TCPProxyActionConflict, DENY, INVALID, "tcpproxy has services or a delegate, not both.")                  \
        RULE(TCPProxyActionMissing, DENY, INVALID, "tcpproxy needs services or a delegate.")                           \
        RULE(TCPProxyTargetMissing, DENY, INVALID, "The delegate of a tcpproxy must have a tcpproxy.")                 \
        /* other objects, any object */                                                                                \
        RULE(DelegationSpecInvalid, DENY, INVALID,                                                                     \
             "A TLSCertificateDelegation names Secrets and namespaces, or \"*\" for all namespaces.")                  \
        RULE(FieldInvalid, DENY, INVALID, "The field has a type or a value that the API does not allow.")              \
        RULE(AnnotationInvalid, WARN, NOTICE, "The annotation cannot be read; it has no effect.")                      \
        RULE(UnknownField, WARN, NOTICE, "The API has no such field; it has no effect.")                               \
        RULE(ReviewTruncated, WARN, NOTICE, "One review judges at most 64 hosts; the status tells the rest.")

#define RULE_ENUM(name, admission, status, help) RULE_##name,
enum rule { RULES(RULE_ENUM) };
#undef RULE_ENUM
#define RULE_COUNT_ONE(name, admission, status, help) +1
enum { RULE_COUNT = 0 RULES(RULE_COUNT_ONE) };
#undef RULE_COUNT_ONE

struct rule_info {
        const char *name;
        enum rule_admission admission;
        enum rule_status status;
        const char *help; /* one or two sentences for whoever reads the finding */
};
const struct rule_info *rule_info(enum rule rule) __attribute__((returns_nonnull));
/* By name; false when there is none. */
bool rule_find(const char *name, enum rule *rule);
