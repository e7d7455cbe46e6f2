/* SPDX-License-Identifier: Apache-2.0 */
/* judge - what can be said of one object without compiling a host. */
#include "dag/compile.h"

#include "dag/build.h"
#include "dag/grant.h"
#include "dag/route.h"
#include "dag/service.h"
#include "dag/syntax.h"
#include "dag/tls.h"

#include <string.h>

#define INGRESS_CONTROLLER "gatehouse.io/ingress-controller"
#define DEFAULT_CLASS "contour"

/* One route needs less, and malloc is quickest below 1 KiB. */
enum { SCRATCH_FIRST = 960 };

/* ---- class ---- */

/* The annotation that decides: the first one that is there. */
static const char *class_annotation(const struct object *o)
{
        const char *class = object_contour_annotation(o, "ingress.class");
        return class ? class : object_annotation(o, "kubernetes.io/ingress.class");
}

static bool ingress_class_is_ours(const struct view *v, const struct policy *policy, const struct object *o)
{
        if (o->ingress->class_name) {
                const struct object *class = view_get(v, KIND_INGRESSCLASS, "", o->ingress->class_name);
                return class && str_equal(class->ingressclass->controller, INGRESS_CONTROLLER);
        }
        AUTO(arena) *a = arena_new(128);
        const struct object *const *defaults;
        size_t n = view_list(v, a, TERM_DEFAULT_CLASS, "", &defaults);
        for (size_t i = 0; i < n; i++) {
                if (str_equal(defaults[i]->ingressclass->controller, INGRESS_CONTROLLER))
                        return true;
        }
        return policy->serve_unclassed_ingress;
}

bool judge_is_ours(const struct view *v, const struct policy *policy, const struct object *o)
{
        if (o->kind != KIND_INGRESSROUTE && o->kind != KIND_INGRESS)
                return true;
        const char *class = class_annotation(o);
        if (class)
                return str_equal(class, policy->ingress_class ? policy->ingress_class : DEFAULT_CLASS);
        if (o->kind == KIND_INGRESS)
                return ingress_class_is_ours(v, policy, o);
        return !policy->ingress_class || !policy->strict_ingress_class;
}

/* ---- IngressRoute ---- */

static void judge_fqdn(const struct check *c)
{
        static const char field[] = "spec.virtualhost.fqdn";
        const struct ingressroute *ir = c->about->ingressroute;
        const char *host = ir->fqdn_host;
        bool blank = !ir->fqdn || !ir->fqdn[strspn(ir->fqdn, " \t\r\n")];
        const char *problem = blank ? NULL : syntax_host_problem(host);
        if (blank)
                check_add(c, RULE_FQDNRequired, place_object, field, "", "Required value: the host name to serve");
        else if (problem)
                check_add(c, RULE_FQDNInvalid, place_object, field, host, "Invalid value: %s: %s",
                          check_quote(c, ir->fqdn), problem);
        else if (!grant_host(c->view, c->policy, c->about->namespace, host))
                check_add(c, RULE_FQDNNotGranted, place_object, field, host,
                          "Forbidden: namespace %s is not granted %s (its annotation contour.heptio.com/allowed-fqdns)",
                          check_quote(c, c->about->namespace), check_quote(c, host));
}

static void judge_root(const struct check *c)
{
        const struct ingressroute *ir = c->about->ingressroute;
        if (!grant_root_namespace(c->policy, c->about->namespace))
                check_add(c, RULE_RootNamespaceForbidden, place_object, "spec.virtualhost", c->about->namespace,
                          "Forbidden: roots may not stand in namespace %s (--ingressroute-root-namespaces)",
                          check_quote(c, c->about->namespace));
        judge_fqdn(c);
        tls_resolve(c);
        if (!ir->route_count && !ir->tcpproxy)
                check_add(c, RULE_RootEmpty, place_object, "spec", "spec", "Required value: routes or tcpproxy");
}

static void judge_routes(const struct check *c)
{
        const struct ingressroute *ir = c->about->ingressroute;
        const struct planned_route *plan = route_plan(c);
        (void)plan;
        for (size_t i = 0; i < ir->route_count; i++) {
                route_resolve(c, i, NULL, NULL);
                if (ir->routes[i].delegate && !ir->routes[i].service_count)
                        delegation_target(c, place_route(i), ir->routes[i].delegate);
        }
}

static void judge_ingressroute(const struct check *c)
{
        const struct object *o = c->about;
        const struct ingressroute *ir = o->ingressroute;
        if (ir->is_root)
                judge_root(c);
        else if (c->view->reads) {
                /* Read for its own sake: who delegates here decides what an orphan is told. */
                const struct object *const *all;
                view_list(c->view, c->scratch, TERM_DELEGATOR, arena_printf(c->scratch, "%s/%s", o->namespace, o->name),
                          &all);
        }
        service_judge_defaults(c, ir);
        judge_routes(c);
        tcpproxy_judge(c);
        if (c->view->candidate == o)
                delegation_judge_candidate(c);
}

/* ---- TLSCertificateDelegation ---- */

static void judge_grant(const struct check *c, size_t index, const struct tcd_delegation *d)
{
        struct arena *a = c->scratch;
        const char *base = arena_printf(a, "spec.delegations[%zu]", index);
        if (!d->secret_name || !*d->secret_name)
                check_add(c, RULE_DelegationSpecInvalid, place_object, arena_printf(a, "%s.secretName", base),
                          "secretName", "Required value: the name of a Secret in this namespace");
        else if (!syntax_is_subdomain(d->secret_name))
                check_add(c, RULE_DelegationSpecInvalid, place_object, arena_printf(a, "%s.secretName", base),
                          d->secret_name, "Invalid value: %s: must be a Secret's name (DNS subdomain)",
                          check_quote(c, d->secret_name));
        if (!d->target_count)
                check_add(c, RULE_DelegationSpecInvalid, place_object, arena_printf(a, "%s.targetNamespaces", base),
                          "targetNamespaces", "Required value: namespaces, or \"*\" for all");
        for (size_t i = 0; i < d->target_count; i++) {
                const char *target = d->target_namespaces[i];
                if (!str_equal(target, "*") && !syntax_is_label(target, strlen(target)))
                        check_add(c, RULE_DelegationSpecInvalid, place_object,
                                  arena_printf(a, "%s.targetNamespaces[%zu]", base, i), target,
                                  "Invalid value: %s: must be a namespace's name (DNS label), or \"*\" for all",
                                  check_quote(c, target));
        }
}

static void judge_tlscertificatedelegation(const struct check *c)
{
        const struct tlscertificatedelegation *tcd = c->about->tlscertificatedelegation;
        if (!tcd->delegation_count)
                check_add(c, RULE_DelegationSpecInvalid, place_object, "spec.delegations", "spec.delegations",
                          "Required value: what is granted to whom");
        for (size_t i = 0; i < tcd->delegation_count; i++)
                judge_grant(c, i, &tcd->delegations[i]);
}

/* ---- any object ---- */

void judge_object(const struct view *v, const struct policy *policy, const struct object *o, struct findings *list)
{
        AUTO(arena) *scratch = arena_new(SCRATCH_FIRST);
        struct check c = {.view = v, .policy = policy, .about = o, .list = list, .scratch = scratch};
        check_add_problems(&c);
        grant_judge_annotations(&c);
        switch (o->kind) {
        case KIND_INGRESSROUTE:
                judge_ingressroute(&c);
                break;
        case KIND_TLSCERTIFICATEDELEGATION:
                judge_tlscertificatedelegation(&c);
                break;
        case KIND_INGRESS:
                judge_is_ours(v, policy, o); /* read: object_state() asks for it */
                ingress_judge(&c);
                break;
        case KIND_INGRESSCLASS:
        case KIND_SERVICE:
        case KIND_SECRET:
        case KIND_NAMESPACE:
        case KIND_ENDPOINTSLICE:
        case KIND_ENDPOINTS:
                break;
        }
}
