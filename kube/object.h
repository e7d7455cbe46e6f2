/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - the Kubernetes objects that gatehouse reads, typed, with only what is used.
 *
 * Decoding is lenient: a field of the wrong type is left unset and noted as a problem of that object, which becomes a
 * finding; the rest is still judged. What protects (virtualhost, tls, minimumProtocolVersion, validation, annotations)
 * is then present but empty instead: it fails closed. An object never changes after decoding. All its strings live in
 * its arena. A NUL inside a JSON string is kept as the two bytes C0 80 (which UTF-8 forbids), so that C strings hold it
 * and every syntax check refuses it. Field names and meanings: spec/api.md; Kubernetes API reference for the rest.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

enum kind {
        KIND_INGRESSROUTE,
        KIND_TLSCERTIFICATEDELEGATION,
        KIND_INGRESS,
        KIND_INGRESSCLASS,
        KIND_SERVICE,
        KIND_SECRET,
        KIND_NAMESPACE,
        KIND_ENDPOINTSLICE,
        KIND_ENDPOINTS,
};
enum { KIND_COUNT = KIND_ENDPOINTS + 1 };

/* What the API calls a kind. */
struct kind_info {
        const char *name;     /* "IngressRoute" */
        const char *group;    /* "contour.heptio.com", "" for core */
        const char *resource; /* "ingressroutes" */
        bool namespaced;
};
const struct kind_info *kind_info(enum kind kind) __attribute__((returns_nonnull));
/* By group and kind name, as in a manifest or an AdmissionReview; false when it is none of ours. */
bool kind_find(const char *group, const char *name, enum kind *kind);

/* ---- IngressRoute ---- */

struct ir_health_check {
        const char *path, *host;    /* NULL: not given */
        int64_t interval, timeout;  /* seconds, 0: default */
        int64_t unhealthy, healthy; /* thresholds, 0: default */
};

struct ir_validation {
        const char *ca_secret, *subject_name; /* NULL: not given */
};

struct ir_service {
        const char *name; /* NULL: not given */
        int64_t port;     /* 0: not given */
        int64_t weight;
        bool has_weight;
        const char *strategy; /* NULL: not given */
        const struct ir_health_check *health_check;
        const struct ir_validation *validation;
};

struct ir_delegate {
        const char *name;      /* NULL: not given */
        const char *namespace; /* the object's own when not given */
};

struct ir_retry {
        int64_t count; /* 0: default */
        const char *per_try_timeout;
};

struct ir_route {
        const char *match; /* NULL: not given */
        const struct ir_service *services;
        size_t service_count;
        const struct ir_delegate *delegate;
        bool enable_websockets, permit_insecure;
        const char *prefix_rewrite;  /* NULL: not given */
        const char *request_timeout; /* NULL: not given */
        const struct ir_retry *retry;
};

struct ir_tcpproxy {
        const struct ir_service *services;
        size_t service_count;
        const struct ir_delegate *delegate;
};

struct ir_tls {
        const char *secret_name;              /* NULL: not given; may be "namespace/name" */
        const char *minimum_protocol_version; /* NULL: not given */
        bool passthrough;
};

struct ir_claim {
        const char *fqdn;
        int64_t since; /* microseconds since 1970 */
        const char *by;
};

/* What the API server holds as status, to write only what differs. */
struct ir_status {
        const char *current_status, *description; /* NULL: not given */
        int64_t observed_generation;
        const char *condition_status, *condition_reason, *condition_message; /* of the condition of type Valid */
        const char *condition_transition;                                    /* RFC 3339 */
        const char *const *virtual_hosts;
        size_t virtual_host_count;
        const struct ir_claim *claim; /* NULL: none */
};

struct ingressroute {
        bool is_root;          /* spec.virtualhost is present */
        const char *fqdn;      /* as written; NULL: not given */
        const char *fqdn_host; /* lower case, one trailing dot off; NULL when fqdn is */
        const struct ir_tls *tls;
        const struct ir_route *routes;
        size_t route_count;
        const struct ir_tcpproxy *tcpproxy;
        const char *strategy;
        const struct ir_health_check *health_check;
        const struct ir_status *status; /* NULL: never written */
};

/* ---- TLSCertificateDelegation ---- */

struct tcd_delegation {
        const char *secret_name; /* NULL: not given */
        const char *const *target_namespaces;
        size_t target_count;
};

struct tlscertificatedelegation {
        const struct tcd_delegation *delegations;
        size_t delegation_count;
};

/* ---- Ingress, IngressClass (networking.k8s.io/v1; v1beta1's backend form is read too) ---- */

struct ingress_backend {
        const char *service;   /* NULL: a resource backend, which is not served */
        int64_t port_number;   /* 0: by name */
        const char *port_name; /* NULL: by number */
};

enum path_type { PATH_PREFIX, PATH_EXACT, PATH_IMPLEMENTATION_SPECIFIC };

struct ingress_path {
        const char *path; /* "/" when not given */
        enum path_type type;
        struct ingress_backend backend;
};

struct ingress_rule {
        const char *host; /* normalised as fqdn_host; "*" for a rule without host */
        const struct ingress_path *paths;
        size_t path_count;
};

struct ingress_tls {
        const char *const *hosts; /* normalised */
        size_t host_count;
        const char *secret_name; /* NULL: not given */
};

/* How something is reached from outside (core v1, LoadBalancerIngress); one of the two, the other is NULL. */
struct lb_address {
        const char *ip, *hostname;
};
enum { LB_ADDRESSES_MAX = 64 }; /* more are not read */

struct ingress {
        const char *class_name; /* spec.ingressClassName; NULL: not given */
        const struct ingress_backend *default_backend;
        const struct ingress_rule *rules;
        size_t rule_count;
        const struct ingress_tls *tls;
        size_t tls_count;
        const struct lb_address *addresses; /* status.loadBalancer.ingress */
        size_t address_count;
};

struct ingressclass {
        const char *controller;
        bool is_default;
};

/* ---- core ---- */

struct service_port {
        const char *name; /* "" when not given */
        int64_t port;
        const char *protocol;     /* "TCP" when not given */
        const char *app_protocol; /* NULL: not given */
};

struct service {
        const char *external_name; /* not NULL: type ExternalName */
        const struct service_port *ports;
        size_t port_count;
        const struct lb_address *addresses; /* status.loadBalancer.ingress */
        size_t address_count;
};

/* What a certificate and key pair says of itself (certs/inspect fills it). */
struct pair_facts {
        bool ok;
        const char *problem; /* one line when not ok */
        const char *const *names;
        size_t name_count;
        int64_t not_before, not_after; /* microseconds since 1970 */
};

/* Bytes with a NUL behind them that does not count; NULL: not kept. */
struct secret_value {
        const char *bytes;
        size_t size;
};

struct secret {
        const char *type;              /* "kubernetes.io/tls", "Opaque" */
        const struct pair_facts *pair; /* of tls.crt and tls.key; NULL for other types */
        const char *ca_problem;        /* of ca.crt: NULL when it is a good bundle */
        bool has_ca;
        struct secret_value crt, key, ca; /* kept with keep_keys, where pair (ca) is good; object_free() wipes key */
};

/* ---- discovery.k8s.io EndpointSlice, and Endpoints ---- */

enum address_type { ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_FQDN };

struct endpoint {
        const char *const *addresses;
        size_t address_count;
        bool ready, serving, terminating; /* absent conditions as the API says: ready true, serving as ready */
        const char *zone;                 /* NULL: not given */
};

struct endpoint_port {
        const char *name; /* "" when not given */
        int64_t port;     /* 0: not given */
};

/* One of them for a slice; one a subset for Endpoints. */
struct endpoint_group {
        enum address_type type;
        const struct endpoint *endpoints;
        size_t endpoint_count;
        const struct endpoint_port *ports;
        size_t port_count;
};

struct endpoint_set {
        const char *service; /* the Service's name in the same namespace; NULL: belongs to none */
        const struct endpoint_group *groups;
        size_t group_count;
};

/* ---- every object ---- */

struct annotation {
        const char *key, *value;
};

enum problem_type {
        PROBLEM_INVALID, /* wrong type or out of the type's range: rule FieldInvalid */
        PROBLEM_UNKNOWN, /* a field that the API does not have: rule UnknownField */
};

struct problem {
        enum problem_type type;
        const char *field;   /* "spec.routes[1].match" */
        const char *message; /* "must be a string" */
};

struct object {
        struct arena *arena;
        enum kind kind;
        bool deleting;         /* has a deletionTimestamp */
        const char *namespace; /* "" for kinds without */
        const char *name;
        const char *uid, *resource_version; /* "" when not given (a new object, a manifest) */
        int64_t generation;
        int64_t created;                      /* microseconds since 1970; 0 when not given */
        const struct annotation *annotations; /* those that api.md names for the kind, sorted by key */
        size_t annotation_count;
        const struct problem *problems;
        size_t problem_count;
        union {
                const struct ingressroute *ingressroute;
                const struct tlscertificatedelegation *tlscertificatedelegation;
                const struct ingress *ingress;
                const struct ingressclass *ingressclass;
                const struct service *service;
                const struct secret *secret;
                const struct endpoint_set *endpoint_set; /* KIND_ENDPOINTSLICE and KIND_ENDPOINTS */
        };
};

/* Certificate checks, given by cmd so that kube needs no OpenSSL. Strings of the result go into a. */
struct object_inspector {
        void (*pair)(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                     struct pair_facts *facts);
        /* NULL when ca is a good bundle, else one line in a. */
        const char *(*ca)(struct arena *a, const char *ca, size_t ca_size);
};

/*
 * Decodes one object. NULL with an error only when there is no usable metadata.name (or namespace, where the kind has
 * one), at most 253 (63) bytes; everything else that is wrong is in problems, at most OBJECT_PROBLEMS_MAX of them. null
 * counts as absent. An element of the wrong type keeps its place in its list, empty. status is read silently.
 * report_unknown adds PROBLEM_UNKNOWN for fields of IngressRoute and TLSCertificateDelegation that the API does not
 * have (lint; servers that do not prune). inspector may be NULL: then Secrets are taken as good. The sole owner calls
 * object_free(). Thread-safe.
 */
struct object_options {
        const struct object_inspector *inspector;
        bool report_unknown;
        bool keep_keys;                /* Secrets keep what is served to Envoy; off: they forget all bytes */
        const char *default_namespace; /* for manifests without one; NULL: a missing namespace is an error */
};
enum { OBJECT_PROBLEMS_MAX = 100 }; /* as many findings as a status holds */
struct object *object_decode(enum kind kind, const json_t *json, const struct object_options *options, struct err *e);
void object_free(struct object *o);
AUTO_DEFINE(object)

/* The value of annotation key, or NULL. */
const char *object_annotation(const struct object *o, const char *key);
/* Contour's annotation: projectcontour.io/<name> wins over contour.heptio.com/<name>; NULL when neither is there. */
const char *object_contour_annotation(const struct object *o, const char *name);

/* Bytes that o takes from the heap. */
size_t object_size(const struct object *o);

/* The name normalised as rules.md, "Who owns a host": lower case, one trailing dot off. */
char *object_normalise_host(struct arena *a, const char *host) __attribute__((returns_nonnull));
