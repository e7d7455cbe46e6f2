/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options_table.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct options, member)

enum {
        SERVE = 1 << COMMAND_SERVE,
        CERTGEN = 1 << COMMAND_CERTGEN,
        LINT = 1 << COMMAND_LINT,
        HELP = 1 << COMMAND_HELP,
        JUDGES = SERVE | LINT,
        TALKS = SERVE | CERTGEN,
};

const struct command_row command_table[COMMAND_COUNT] = {
        [COMMAND_SERVE] = {"serve", "", "the server: admission webhook and status controller"},
        [COMMAND_CERTGEN] = {"certgen", "", "issue and rotate the certificates of webhook and xDS"},
        [COMMAND_LINT] = {"lint", "FILE|DIR...",
                          "judge manifests (YAML or JSON) by the same rules, offline; exit code 1 when there is more "
                          "than notices"},
        [COMMAND_VERSION] = {"version", "", "print the version"},
        [COMMAND_HELP] = {"help", "[COMMAND|rules]", "print help on a command, or what each rule wants"},
};

const struct option option_table[] = {
        /* general */
        {"config-path", 'c', OPTION_STRING, "FILE", NULL, NULL, TALKS | LINT, FIELD(config_path),
         "YAML file with options by their names"},
        {"log-format", 0, OPTION_CHOICE, NULL, "json", "json|text", SERVE, FIELD(log_format), "form of log lines"},
        {"log-level", 0, OPTION_CHOICE, NULL, "info", "debug|info|warn|error", SERVE, FIELD(log_level),
         "the least important lines that are logged"},
        /* Kubernetes */
        {"incluster", 0, OPTION_SWITCH, NULL, NULL, NULL, TALKS, FIELD(kube.incluster),
         "run with the pod's service account"},
        {"kubeconfig", 0, OPTION_STRING, "FILE", NULL, NULL, TALKS, FIELD(kube.kubeconfig),
         "how to reach the API server; without it $KUBECONFIG, then ~/.kube/config"},
        {"namespace", 0, OPTION_STRING, "NAME", NULL, NULL, TALKS, FIELD(kube.namespace),
         "where Lease and Secrets live; default the pod's, else gatehouse-system"},
        /* listeners */
        {"webhook-address", 0, OPTION_ADDRESS, "IP", "0.0.0.0", NULL, SERVE, FIELD(serve.webhook_address),
         "where the webhook listens"},
        {"webhook-port", 0, OPTION_PORT, "PORT", "9443", NULL, SERVE, FIELD(serve.webhook_port), "port of the webhook"},
        {"webhook-cert-file", 0, OPTION_STRING, "FILE", NULL, NULL, SERVE, FIELD(serve.webhook_cert_file),
         "the webhook's certificate, reloaded when it changes"},
        {"webhook-key-file", 0, OPTION_STRING, "FILE", NULL, NULL, SERVE, FIELD(serve.webhook_key_file),
         "the key of that certificate"},
        {"webhook-client-ca-file", 0, OPTION_STRING, "FILE", NULL, NULL, SERVE, FIELD(serve.webhook_client_ca_file),
         "CAs that the API server's client certificate must come from; without it none is asked for"},
        {"http-address", 0, OPTION_ADDRESS, "IP", "0.0.0.0", NULL, SERVE, FIELD(serve.http_address),
         "where metrics and health listen"},
        {"http-port", 0, OPTION_PORT, "PORT", "8000", NULL, SERVE, FIELD(serve.http_port),
         "port of /metrics, /healthz and /readyz"},
        {"debug-http-address", 0, OPTION_ADDRESS, "IP", "127.0.0.1", NULL, SERVE, FIELD(serve.debug_http_address),
         "where the debug pages listen"},
        {"debug-http-port", 0, OPTION_PORT, "PORT", "6060", NULL, SERVE, FIELD(serve.debug_http_port),
         "port of /debug/"},
        /* policy */
        {"ingressroute-root-namespaces", 0, OPTION_LIST, "NAME,...", NULL, NULL, JUDGES, FIELD(policy.root_namespaces),
         "the only namespaces that may hold roots; without it all may"},
        {"ingress-class-name", 0, OPTION_STRING, "NAME", NULL, NULL, JUDGES, FIELD(policy.ingress_class),
         "the class of our objects; without it those of class contour and of none"},
        {"strict-ingress-class", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.strict_ingress_class),
         "with --ingress-class-name: objects without a class are not ours"},
        {"default-ingress-class", 0, OPTION_SWITCH, NULL, NULL, NULL, SERVE, FIELD(serve.default_ingress_class),
         "with --ingress-class-name: write the class into objects that have none"},
        {"serve-unclassed-ingress", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.serve_unclassed_ingress),
         "Ingresses without a class are ours too"},
        {"write-defaults", 0, OPTION_SWITCH, NULL, NULL, NULL, SERVE, FIELD(serve.write_defaults),
         "write the defaults of left-out fields into IngressRoutes"},
        {"require-fqdn-grants", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.require_fqdn_grants),
         "a namespace without the annotation allowed-fqdns may claim no name"},
        {"require-delegation-grants", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES,
         FIELD(policy.require_delegation_grants), "delegation across namespaces needs the annotation delegated-from"},
        {"strict-references", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.strict_references),
         "refuse objects that name a Secret, Service or IngressRoute that does not exist"},
        {"enable-external-name", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.enable_external_name),
         "serve Services of type ExternalName"},
        {"cluster-domain", 0, OPTION_STRING, "NAME", "cluster.local", NULL, JUDGES | CERTGEN,
         FIELD(policy.cluster_domain), "the cluster's own DNS domain"},
        {"allow-wildcard-hosts", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.allow_wildcard_hosts),
         "Ingresses may have rules without host, a default backend and hosts like *.example.com"},
        {"disable-permit-insecure", 0, OPTION_SWITCH, NULL, NULL, NULL, JUDGES, FIELD(policy.disable_permit_insecure),
         "permitInsecure of routes has no effect"},
        {"tls-minimum-protocol-version", 0, OPTION_CHOICE, NULL, "1.2", "1.2|1.3", JUDGES, FIELD(policy.minimum_tls),
         "the lowest TLS version that any host gets"},
        {"admission-mode", 0, OPTION_CHOICE, NULL, "enforce", "enforce|warn", SERVE, FIELD(serve.admission_mode),
         "warn: report what would be refused, and let it through"},
        /* parts */
        {"disable-leader-election", 0, OPTION_SWITCH, NULL, NULL, NULL, SERVE, FIELD(serve.disable_leader_election),
         "write status without holding the Lease: for a single replica"},
        {"disable", 0, OPTION_SET, NULL, NULL, "webhook|status|xds", SERVE, FIELD(serve.disable),
         "parts that are not started"},
        {"ignore-object", 0, OPTION_LIST, "KIND/NAMESPACE/NAME,...", NULL, NULL, SERVE, FIELD(serve.ignore_objects),
         "objects that are treated as absent: to step over one that makes the server fail"},
        {"shutdown-delay", 0, OPTION_DURATION, "DURATION", "5s", NULL, SERVE, FIELD(serve.shutdown_delay),
         "how long requests are answered after SIGTERM, not ready any more"},
        /* certgen: where to */
        {"pem", 0, OPTION_STRING, "DIR", NULL, NULL, CERTGEN, FIELD(certgen.pem), "keep the certificates in files"},
        {"yaml", 0, OPTION_SWITCH, NULL, NULL, NULL, CERTGEN, FIELD(certgen.yaml),
         "print Secrets with new certificates (keys included)"},
        {"kube", 0, OPTION_SWITCH, NULL, NULL, NULL, CERTGEN, FIELD(certgen.kube),
         "keep the certificates in Secrets, and caBundle in the webhook configurations"},
        {"dry-run", 0, OPTION_SWITCH, NULL, NULL, NULL, CERTGEN, FIELD(certgen.dry_run),
         "say what would be done, and do nothing"},
        /* certgen: what */
        {"dns-name", 0, OPTION_LIST, "NAME,...", NULL, NULL, CERTGEN, FIELD(certgen.dns_names),
         "more names for the servers' certificates"},
        {"ip", 0, OPTION_LIST, "IP,...", NULL, NULL, CERTGEN, FIELD(certgen.ips),
         "IP addresses for the servers' certificates"},
        {"certificate-lifetime", 0, OPTION_DURATION, "DURATION", "8760h", NULL, CERTGEN,
         FIELD(certgen.certificate_lifetime), "life of a certificate; renewed after two thirds of it"},
        {"ca-lifetime", 0, OPTION_DURATION, "DURATION", "87600h", NULL, CERTGEN, FIELD(certgen.ca_lifetime),
         "life of the CA"},
        {"ca-overlap", 0, OPTION_DURATION, "DURATION", "24h", NULL, CERTGEN, FIELD(certgen.ca_overlap),
         "how long readers have to take up a new bundle before the next step"},
        {"rotate-ca", 0, OPTION_SWITCH, NULL, NULL, NULL, CERTGEN, FIELD(certgen.rotate_ca),
         "begin to replace the CA now"},
        {"webhook-service", 0, OPTION_STRING, "NAME", "gatehouse-webhook", NULL, CERTGEN,
         FIELD(certgen.webhook_service), "Service by which the API server reaches the webhook"},
        {"xds-service", 0, OPTION_STRING, "NAME", "gatehouse-xds", NULL, CERTGEN, FIELD(certgen.xds_service),
         "Service by which Envoys reach the xDS server"},
        {"webhook-configuration", 0, OPTION_STRING, "NAME", "gatehouse", NULL, CERTGEN,
         FIELD(certgen.webhook_configuration), "name of both webhook configurations"},
        /* lint, help */
        {"default-namespace", 'n', OPTION_STRING, "NAME", "default", NULL, LINT, FIELD(lint.default_namespace),
         "namespace of manifests that name none"},
        {"partial", 0, OPTION_SWITCH, NULL, NULL, NULL, LINT, FIELD(lint.partial),
         "the files are a part of what the cluster holds: what they name and do not hold, or who delegates to them, is "
         "a notice"},
        {"output", 'o', OPTION_CHOICE, NULL, "text", "text|json", LINT, FIELD(output), "form of the findings"},
        {"markdown", 0, OPTION_SWITCH, NULL, NULL, NULL, HELP, FIELD(markdown), "print the reference of all commands"},
};

const size_t option_table_count = sizeof(option_table) / sizeof(option_table[0]);
