/* SPDX-License-Identifier: Apache-2.0 */
/* ingress - what networking.k8s.io Ingresses add to a host. */
#include "dag/build.h"

#include "dag/compile.h"
#include "dag/grant.h"
#include "dag/route.h"
#include "dag/service.h"
#include "dag/syntax.h"
#include "dag/tls.h"

#include <stdlib.h>
#include <string.h>

/* ---- annotations ---- */

static bool is_in_list(const char *list, const char *text)
{
        struct syntax_item item;
        while (syntax_next_item(&list, &item)) {
                if (item.n == strlen(text) && memcmp(item.p, text, item.n) == 0)
                        return true;
        }
        return false;
}

static int64_t annotation_timeout(const struct object *o)
{
        const char *text = object_contour_annotation(o, "response-timeout");
        if (!text)
                text = object_contour_annotation(o, "request-timeout");
        int64_t timeout;
        return text && route_parse_timeout(text, &timeout) ? timeout : TIMEOUT_DEFAULT;
}

/* The list without what stands around its items: Envoy refuses a line's end in it. NULL when there is no item. */
static const char *retry_conditions(struct arena *a, const char *list)
{
        const char *out = NULL;
        struct syntax_item item;
        while (syntax_next_item(&list, &item)) {
                if (item.n)
                        out = arena_printf(a, "%s%s%.*s", out ? out : "", out ? "," : "", (int)item.n, item.p);
        }
        return out;
}

/* What an Ingress says of all its routes. */
static struct route route_defaults(struct arena *a, const struct object *o)
{
        struct route route = {.timeout = annotation_timeout(o), .insecure = true};
        const char *retry_on = retry_conditions(a, grant_readable_annotation(o, "retry-on"));
        if (retry_on) {
                const char *count = object_contour_annotation(o, "num-retries");
                const char *per_try = object_contour_annotation(o, "per-try-timeout");
                long n = count ? strtol(count, NULL, 10) : 0;
                route.retry_on = retry_on;
                route.retry_count = n >= 1 && n <= 100 ? (uint32_t)n : 1;
                if (per_try && !route_parse_timeout(per_try, &route.per_try_timeout))
                        route.per_try_timeout = 0;
        }
        route.no_http = str_equal(object_annotation(o, "kubernetes.io/ingress.allow-http"), "false");
        if (str_equal(object_annotation(o, "ingress.kubernetes.io/force-ssl-redirect"), "true"))
                route.insecure = false;
        return route;
}

/* ---- rules ---- */

static void add_backend(struct build *b, struct build_entry *e, size_t index, const char *match, bool exact,
                        const struct ingress_backend *backend, const struct route *defaults)
{
        struct check quiet = build_quiet(b, e);
        struct upstreams upstreams;
        service_resolve_backend(&quiet, "", backend, b->arena, &upstreams);
        struct route route = *defaults;
        route.exact = exact;
        route.action = upstreams.broken ? ROUTE_UNAVAILABLE : ROUTE_FORWARD;
        route.clusters = upstreams.clusters;
        route.cluster_count = upstreams.count;
        const char *websockets = object_contour_annotation(e->object, "websocket-routes");
        route.websockets = websockets && is_in_list(websockets, match);
        build_add_route(b, e, index, match, &route, false);
}

static void add_rules(struct build *b, struct build_entry *e)
{
        const struct ingress *in = e->object->ingress;
        struct route defaults = route_defaults(b->arena, e->object);
        size_t index = 0;
        for (size_t i = 0; i < in->rule_count; i++) {
                const struct ingress_rule *rule = &in->rules[i];
                bool here = str_equal(rule->host, b->host->name);
                for (size_t k = 0; k < rule->path_count; k++, index++) {
                        const struct ingress_path *p = &rule->paths[k];
                        if (!here || syntax_path_problem(p->path))
                                continue;
                        bool exact = p->type == PATH_EXACT;
                        const char *match = exact ? p->path : syntax_path_normalise(b->check.scratch, p->path);
                        if (b->route_count < DELEGATION_ROUTES_MAX)
                                add_backend(b, e, index, match, exact, &p->backend, &defaults);
                }
        }
        if (in->default_backend && str_equal(b->host->name, "*"))
                add_backend(b, e, index, "/", false, in->default_backend, &defaults);
}

/* ---- TLS ---- */

static const char *tls_field(struct arena *a, size_t index)
{
        return arena_printf(a, "spec.tls[%zu].secretName", index);
}

static const struct ingress_tls *find_tls(const struct ingress *in, const char *host, size_t *index)
{
        for (size_t i = 0; i < in->tls_count; i++) {
                for (size_t k = 0; k < in->tls[i].host_count; k++) {
                        if (in->tls[i].secret_name && str_equal(in->tls[i].hosts[k], host)) {
                                *index = i;
                                return &in->tls[i];
                        }
                }
        }
        return NULL;
}

/* The host's TLS from this Ingress, unless it has one already. */
static void add_tls(struct build *b, struct build_entry *e)
{
        size_t index;
        const struct ingress_tls *tls = find_tls(e->object->ingress, b->host->name, &index);
        if (!tls || b->host->tls)
                return;
        struct check quiet = build_quiet(b, e);
        struct check c = build_check(b, e);
        const char *field = tls_field(b->check.scratch, index);
        const struct secret *secret = tls_find_secret(&quiet, field, e->object->namespace, tls->secret_name);
        struct host_tls *out = arena_alloc(b->arena, sizeof(*out));
        b->host->tls = out;
        out->minimum = tls_effective_version(b->check.policy,
                                             object_contour_annotation(e->object, "tls-minimum-protocol-version"));
        out->broken = !secret;
        if (!secret)
                return;
        out->secret_namespace = e->ref->namespace;
        out->secret_name = arena_strdup(b->arena, tls->secret_name);
        tls_judge_certificate(&c, field, tls->secret_name, b->host->name, secret->pair, b->now, &b->host->recheck_at);
}

void ingress_build(struct build *b, const struct claims *claims)
{
        bool root_is_plain = claims->owner && !b->host->tls;
        size_t of_root = b->route_count;
        for (size_t i = 0; i < claims->ingress_count; i++) {
                if (!str_equal(claims->ingresses[i].object->namespace, claims->namespace))
                        continue;
                struct build_entry *e = build_entry(b, claims->ingresses[i].object);
                e->reached = e->owner = true;
                add_rules(b, e);
                add_tls(b, e);
        }
        /* A root that asked for no TLS keeps its plain HTTP when an Ingress of its namespace adds TLS to the name. */
        for (size_t i = 0; root_is_plain && b->host->tls && i < of_root; i++)
                b->routes[i].route.insecure = true;
}

/* ---- the object alone ---- */

static void judge_host(const struct check *c, const char *host, const char *field)
{
        const char *problem = claim_ingress_host_problem(host);
        if (problem)
                check_add(c, RULE_FQDNInvalid, place_object, field, host, "Invalid value: %s: %s", check_quote(c, host),
                          problem);
        else if (!claim_ingress_host_granted(c, c->about->namespace, host))
                check_add(c, RULE_FQDNNotGranted, place_object, field, host,
                          "Forbidden: namespace %s is not granted %s (its annotation contour.heptio.com/allowed-fqdns)",
                          check_quote(c, c->about->namespace), check_quote(c, host));
}

static void judge_path(const struct check *c, size_t rule, size_t index, const struct ingress_path *p)
{
        const char *field = arena_printf(c->scratch, "spec.rules[%zu].http.paths[%zu]", rule, index);
        const char *problem = syntax_path_problem(p->path);
        if (problem) {
                /* The API server lets such paths through, so what other controllers accept is warned of, not denied. */
                size_t before = c->list ? c->list->count : 0;
                check_add(c, RULE_PathInvalid, place_object, arena_printf(c->scratch, "%s.path", field), p->path,
                          "Invalid value: %s: %s; it is not served", check_quote(c, p->path), problem);
                if (c->list && c->list->count > before)
                        c->list->items[before].denies = false;
        }
        struct upstreams upstreams;
        service_resolve_backend(c, arena_printf(c->scratch, "%s.backend.service", field), &p->backend, NULL,
                                &upstreams);
}

void ingress_judge(const struct check *c)
{
        const struct ingress *in = c->about->ingress;
        for (size_t i = 0; i < in->rule_count; i++) {
                judge_host(c, in->rules[i].host, arena_printf(c->scratch, "spec.rules[%zu].host", i));
                for (size_t k = 0; k < in->rules[i].path_count; k++)
                        judge_path(c, i, k, &in->rules[i].paths[k]);
        }
        if (in->default_backend) {
                struct upstreams upstreams;
                judge_host(c, "*", "spec.defaultBackend");
                service_resolve_backend(c, "spec.defaultBackend.service", in->default_backend, NULL, &upstreams);
        }
        for (size_t i = 0; i < in->tls_count; i++) {
                if (in->tls[i].secret_name)
                        tls_find_secret(c, tls_field(c->scratch, i), c->about->namespace, in->tls[i].secret_name);
        }
}
