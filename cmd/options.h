/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - what the command line, the environment and the configuration file say, as typed values.
 *
 * One table (options_table.c) holds each option's name, type, default, help and commands; flags, GATEHOUSE_<NAME>,
 * keys of the file, --help and the reference in docs all come from it. A flag wins over the environment, which wins
 * over the file. A list that is given in one place replaces the list of the place below it.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "xds/options.h"

#include <stdbool.h>
#include <stdint.h>

enum command {
        COMMAND_SERVE,
        COMMAND_CERTGEN,
        COMMAND_BOOTSTRAP,
        COMMAND_LINT,
        COMMAND_EXPLAIN,
        COMMAND_TREE,
        COMMAND_CLI,
        COMMAND_SHUTDOWN_MANAGER,
        COMMAND_VERSION,
        COMMAND_HELP
};
enum { COMMAND_COUNT = COMMAND_HELP + 1 };

struct string_list {
        const char *const *items;
        size_t count;
};

enum admission_mode { ADMISSION_ENFORCE, ADMISSION_REPORT };
enum minimum_tls { MINIMUM_TLS_1_2, MINIMUM_TLS_1_3 };
enum output_format { OUTPUT_TEXT, OUTPUT_JSON };
enum { DISABLE_WEBHOOK = 1, DISABLE_STATUS = 2, DISABLE_XDS = 4 };

/* What serve and lint judge by. */
struct policy_options {
        struct string_list root_namespaces;
        const char *ingress_class; /* NULL when not given, as for every string here */
        bool strict_ingress_class, serve_unclassed_ingress;
        bool require_fqdn_grants, require_delegation_grants, strict_references;
        bool enable_external_name, allow_wildcard_hosts, disable_permit_insecure;
        const char *cluster_domain;
        int minimum_tls; /* enum minimum_tls */
};

struct kube_options {
        bool incluster;
        const char *kubeconfig; /* NULL: $KUBECONFIG, else ~/.kube/config */
        const char *namespace;
};

struct serve_options {
        const char *webhook_address;
        uint16_t webhook_port;
        const char *webhook_cert_file, *webhook_key_file, *webhook_client_ca_file;
        const char *xds_address;
        uint16_t xds_port;
        const char *xds_ca_file, *xds_cert_file, *xds_key_file;
        bool insecure; /* xDS as plain HTTP/2 */
        struct string_list xds_client_names;
        const char *http_address;
        uint16_t http_port;
        const char *debug_http_address;
        uint16_t debug_http_port;
        bool default_ingress_class, write_defaults;
        int admission_mode; /* enum admission_mode */
        bool disable_leader_election;
        unsigned disable; /* DISABLE_* */
        struct string_list ignore_objects;
        int64_t shutdown_delay; /* nanoseconds, as every duration here */
        const char *ingress_status_address;
        const char *envoy_service; /* "namespace/name" */
};

struct certgen_options {
        const char *pem; /* the folder */
        bool yaml, kube;
        struct string_list dns_names, ips;
        int64_t certificate_lifetime, ca_lifetime, ca_overlap, webhook_wait;
        bool rotate_ca, dry_run;
        const char *webhook_service, *xds_service, *webhook_configuration;
};

/* How an xDS client, an Envoy or our own, finds the server and is let in. */
struct xds_client_options {
        const char *address; /* an IP address or a DNS name */
        uint16_t port;
        const char *server_name;
        const char *ca_file, *cert_file, *key_file; /* all or, when insecure, none */
        bool insecure;
};

struct bootstrap_options {
        const char *resources_dir; /* NULL when not given: the folder of FILE */
        const char *node_id;       /* NULL when not given: the host's name */
        const char *node_cluster;
        uint32_t max_connections;
        uint64_t max_heap; /* bytes; 0: no limit */
};

struct lint_options {
        bool partial;
        const char *default_namespace;
};

struct explain_options {
        const char *server; /* "host:port" of a server's debug pages */
        const char *from;   /* "namespace/name" */
};

struct cli_options {
        int output; /* enum output_format */
        int64_t timeout;
        bool watch;
};

struct shutdown_options {
        const char *serve_address;
        uint16_t serve_port;
        int64_t drain_delay, drain_timeout, check_interval;
};

/* Everything belongs to the options and goes with them. */
struct options {
        struct arena *arena;
        enum command command;
        bool help;
        const char *config_path;
        int log_format; /* enum log_format */
        int log_level;  /* enum log_level */
        struct policy_options policy;
        struct kube_options kube;
        struct serve_options serve;
        struct certgen_options certgen;
        struct xds_client_options xds_client;
        struct bootstrap_options bootstrap;
        struct lint_options lint;
        struct explain_options explain;
        struct cli_options cli;
        struct shutdown_options shutdown;
        const char *admin_address;           /* path of Envoy's admin socket */
        struct xds_options envoy;            /* what Envoys are told; complete for serve */
        struct string_list accesslog_fields; /* as written; envoy has them too */
        const char *tracing_otlp;            /* as written */
        int output;                          /* enum output_format */
        bool markdown;
        struct string_list arguments; /* what is no flag */
};

/* The command of that name; false with an error that suggests the nearest. */
bool options_find_command(const char *name, enum command *out, struct err *e);

/*
 * Reads argv (what follows the command's name), environment (environment(name), NULL when unset) and file. NULL with
 * an error for people when something is wrong with them: exit code 2. With --help nothing else is looked at.
 */
struct options *options_parse(enum command command, int argc, char **argv, const char *(*environment)(const char *),
                              struct err *e);
void options_free(struct options *o);
AUTO_DEFINE(options)

/* Help for one command, for the whole program, and the reference of all as Markdown. */
void options_help(struct buf *out, enum command command);
void options_overview(struct buf *out);
void options_markdown(struct buf *out);
