/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/judge_policy.h"

struct policy judge_policy(const struct policy_options *o)
{
        return (struct policy){
                .root_namespaces = o->root_namespaces.items,
                .root_namespace_count = o->root_namespaces.count,
                .ingress_class = o->ingress_class,
                .strict_ingress_class = o->strict_ingress_class,
                .serve_unclassed_ingress = o->serve_unclassed_ingress,
                .require_fqdn_grants = o->require_fqdn_grants,
                .require_delegation_grants = o->require_delegation_grants,
                .strict_references = o->strict_references,
                .enable_external_name = o->enable_external_name,
                .allow_wildcard_hosts = o->allow_wildcard_hosts,
                .disable_permit_insecure = o->disable_permit_insecure,
                .cluster_domain = o->cluster_domain,
                .tls_floor = o->minimum_tls == MINIMUM_TLS_1_3 ? TLS_1_3 : TLS_1_2,
        };
}
