/* SPDX-License-Identifier: Apache-2.0 */
/* object_terms - what an object is found by, beside its key. */
#include "kube/store.h"

#include <string.h>

typedef void term_fn(enum term term, const char *name, void *arg);

enum { PAIR_MAX = 63 + 1 + 253 + 1 }; /* "namespace/name" and a NUL; what is longer names nothing */

static void tell_pair(enum term term, const char *namespace, const char *name, term_fn *each, void *arg)
{
        char text[PAIR_MAX];
        size_t m = strnlen(namespace, PAIR_MAX);
        size_t n = name ? strnlen(name, PAIR_MAX) : 0;
        if (n == 0 || m + 1 + n >= PAIR_MAX)
                return;
        memcpy(text, namespace, m);
        text[m] = '/';
        memcpy(text + m + 1, name, n + 1);
        each(term, text, arg);
}

static void tell_delegate(const struct ir_delegate *d, term_fn *each, void *arg)
{
        if (d)
                tell_pair(TERM_DELEGATOR, d->namespace, d->name, each, arg);
}

static void tell_ingressroute(const struct ingressroute *ir, term_fn *each, void *arg)
{
        if (ir->is_root && ir->fqdn_host && *ir->fqdn_host)
                each(TERM_FQDN, ir->fqdn_host, arg);
        for (size_t i = 0; i < ir->route_count; i++)
                tell_delegate(ir->routes[i].delegate, each, arg);
        if (ir->tcpproxy)
                tell_delegate(ir->tcpproxy->delegate, each, arg);
}

static void tell_ingress(const struct ingress *in, term_fn *each, void *arg)
{
        for (size_t i = 0; i < in->rule_count; i++) {
                if (*in->rules[i].host)
                        each(TERM_FQDN, in->rules[i].host, arg);
        }
        if (in->default_backend)
                each(TERM_FQDN, "*", arg);
}

void object_terms(const struct object *o, term_fn *each, void *arg)
{
        switch (o->kind) {
        case KIND_INGRESSROUTE:
                tell_ingressroute(o->ingressroute, each, arg);
                break;
        case KIND_INGRESS:
                tell_ingress(o->ingress, each, arg);
                break;
        case KIND_TLSCERTIFICATEDELEGATION:
                for (size_t i = 0; i < o->tlscertificatedelegation->delegation_count; i++)
                        tell_pair(TERM_GRANTS, o->namespace, o->tlscertificatedelegation->delegations[i].secret_name,
                                  each, arg);
                break;
        case KIND_INGRESSCLASS:
                if (o->ingressclass->is_default)
                        each(TERM_DEFAULT_CLASS, "", arg);
                break;
        case KIND_ENDPOINTSLICE:
        case KIND_ENDPOINTS:
                tell_pair(TERM_ENDPOINTS, o->namespace, o->endpoint_set->service, each, arg);
                break;
        case KIND_SERVICE:
        case KIND_SECRET:
        case KIND_NAMESPACE:
                break;
        }
}
