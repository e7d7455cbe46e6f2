/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - what the platform team has set: the flags that decide, as one read-only value.
 *
 * The zero value is the default policy. Strings and lists are borrowed for as long as the policy is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum tls_version { TLS_1_1, TLS_1_2, TLS_1_3 };

struct policy {
        const char *const *root_namespaces; /* --ingressroute-root-namespaces; none: everywhere */
        size_t root_namespace_count;
        const char *ingress_class;      /* --ingress-class-name; NULL: not given */
        bool strict_ingress_class;      /* --strict-ingress-class */
        bool serve_unclassed_ingress;   /* --serve-unclassed-ingress */
        bool require_fqdn_grants;       /* --require-fqdn-grants */
        bool require_delegation_grants; /* --require-delegation-grants */
        bool strict_references;         /* --strict-references */
        bool enable_external_name;      /* --enable-external-name */
        bool allow_wildcard_hosts;      /* --allow-wildcard-hosts */
        bool disable_permit_insecure;   /* config file: disablePermitInsecure */
        const char *cluster_domain;     /* --cluster-domain; NULL: cluster.local */
        enum tls_version tls_floor;     /* config file; TLS_1_1 (0) is taken as the built-in floor TLS_1_2 */
        const char *claim_id;           /* `by` of claims that count; NULL: none is trusted */
};
