/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/service.h"

#include "dag/grant.h"
#include "dag/syntax.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        WEIGHT_MAX = 1000000,
        HEALTH_SECONDS_MAX = 3600,
        HEALTH_THRESHOLD_MAX = 100,
        HEALTH_INTERVAL = 5, /* defaults: api.md */
        HEALTH_TIMEOUT = 2,
        HEALTH_UNHEALTHY = 3,
        HEALTH_HEALTHY = 2,
};
#define HEALTH_HOST "contour-envoy-healthcheck"

/* ---- what an object writes about a service ---- */

static bool strategy_find(const char *name, enum cluster_strategy *strategy)
{
        static const char *const names[] = {"RoundRobin", "WeightedLeastRequest", "Random", "RingHash", "Maglev",
                                            "Cookie"};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                if (str_equal(name, names[i])) {
                        *strategy = (enum cluster_strategy)i;
                        return true;
                }
        }
        return false;
}

static bool check_strategy(const struct check *c, struct place at, const char *leaf, const char *name,
                           enum cluster_strategy *strategy)
{
        *strategy = STRATEGY_ROUND_ROBIN;
        if (!name || strategy_find(name, strategy))
                return true;
        check_add(c, RULE_StrategyUnknown, at, leaf, name,
                  "Unsupported value: %s: use RoundRobin, WeightedLeastRequest, Random, RingHash, Maglev or Cookie",
                  check_quote(c, name));
        return false;
}

static bool check_number(const struct check *c, struct place at, const char *base, const char *leaf, int64_t value,
                         int64_t max, const char *unit)
{
        if (value >= 0 && value <= max)
                return true;
        if (c->list)
                check_add(c, RULE_HealthCheckInvalid, at, arena_printf(c->scratch, "%s.%s", base, leaf),
                          arena_printf(c->scratch, "%s=%" PRId64, leaf, value),
                          "Invalid value: %" PRId64 ": must be 1-%" PRId64 "%s, or 0 for the default", value, max,
                          unit);
        return false;
}

static bool is_printable(const char *s)
{
        for (; *s; s++) {
                unsigned char ch = (unsigned char)*s;
                if (ch <= 0x20 || ch == 0x7f || ch == 0xc0)
                        return false;
        }
        return true;
}

static bool check_health_path(const struct check *c, struct place at, const char *base, const char *path)
{
        if (path && path[0] == '/' && is_printable(path))
                return true;
        if (!c->list)
                return false;
        const char *leaf = arena_printf(c->scratch, "%s.path", base);
        if (path && *path)
                check_add(c, RULE_HealthCheckInvalid, at, leaf, path,
                          "Invalid value: %s: must be a path that starts with /, without spaces or control characters",
                          check_quote(c, path));
        else
                check_add(c, RULE_HealthCheckInvalid, at, leaf, "", "Required value: a health check asks for a path");
        return false;
}

/* base is "healthCheck" or "spec.healthCheck". */
static bool check_health(const struct check *c, struct place at, const char *base, const struct ir_health_check *h)
{
        bool fine = check_health_path(c, at, base, h->path);
        if (h->host && !is_printable(h->host)) {
                fine = false;
                if (c->list)
                        check_add(c, RULE_HealthCheckInvalid, at, arena_printf(c->scratch, "%s.host", base), h->host,
                                  "Invalid value: %s: must not contain spaces or control characters",
                                  check_quote(c, h->host));
        }
        fine &= check_number(c, at, base, "intervalSeconds", h->interval, HEALTH_SECONDS_MAX, " seconds");
        fine &= check_number(c, at, base, "timeoutSeconds", h->timeout, HEALTH_SECONDS_MAX, " seconds");
        fine &= check_number(c, at, base, "unhealthyThresholdCount", h->unhealthy, HEALTH_THRESHOLD_MAX, "");
        fine &= check_number(c, at, base, "healthyThresholdCount", h->healthy, HEALTH_THRESHOLD_MAX, "");
        return fine;
}

void service_judge_defaults(const struct check *c, const struct ingressroute *ir)
{
        enum cluster_strategy strategy;
        check_strategy(c, place_object, "spec.strategy", ir->strategy, &strategy);
        if (ir->health_check)
                check_health(c, place_object, "spec.healthCheck", ir->health_check);
}

static uint32_t or_default(int64_t value, uint32_t fallback)
{
        return value ? (uint32_t)value : fallback;
}

static const struct health_check *build_health(struct arena *a, const struct ir_health_check *h)
{
        struct health_check *out = arena_alloc(a, sizeof(*out));
        *out = (struct health_check){
                .path = arena_strdup(a, h->path),
                .host = arena_strdup(a, h->host && *h->host ? h->host : HEALTH_HOST),
                .interval = or_default(h->interval, HEALTH_INTERVAL),
                .timeout = or_default(h->timeout, HEALTH_TIMEOUT),
                .unhealthy = or_default(h->unhealthy, HEALTH_UNHEALTHY),
                .healthy = or_default(h->healthy, HEALTH_HEALTHY),
        };
        return out;
}

/* ---- what the Service says ---- */

static bool list_has_port(const char *list, const struct service_port *port)
{
        struct syntax_item item;
        char number[8];
        snprintf(number, sizeof(number), "%" PRId64, port->port);
        while (syntax_next_item(&list, &item)) {
                if ((item.n == strlen(number) && memcmp(item.p, number, item.n) == 0) ||
                    (item.n && item.n == strlen(port->name) && memcmp(item.p, port->name, item.n) == 0))
                        return true;
        }
        return false;
}

static enum cluster_protocol protocol_of(const struct object *service, const struct service_port *port)
{
        static const struct {
                const char *annotation;
                enum cluster_protocol protocol;
        } known[] = {
                /* What is safer first, where several name the port. */
                {"upstream-protocol.h2", PROTOCOL_H2},
                {"upstream-protocol.tls", PROTOCOL_TLS},
                {"upstream-protocol.h2c", PROTOCOL_H2C},
        };
        for (size_t i = 0; service->annotation_count && i < COUNT_OF(known); i++) {
                const char *list = object_contour_annotation(service, known[i].annotation);
                if (list && list_has_port(list, port))
                        return known[i].protocol;
        }
        return PROTOCOL_HTTP1;
}

static int64_t limit_of(const struct object *service, const char *name, bool *any)
{
        const char *text = object_contour_annotation(service, name);
        size_t n = text ? strspn(text, "0123456789") : 0;
        if (!n || n > 10 || text[n])
                return CIRCUIT_BREAKER_UNSET;
        int64_t value = strtoll(text, NULL, 10);
        if (value > UINT32_MAX)
                return CIRCUIT_BREAKER_UNSET;
        *any = true;
        return value;
}

static const struct circuit_breaker *circuit_breaker_of(struct arena *a, const struct object *service)
{
        if (!service->annotation_count)
                return NULL;
        bool any = false;
        struct circuit_breaker limits = {
                .max_connections = limit_of(service, "max-connections", &any),
                .max_pending_requests = limit_of(service, "max-pending-requests", &any),
                .max_requests = limit_of(service, "max-requests", &any),
                .max_retries = limit_of(service, "max-retries", &any),
        };
        return any ? arena_memdup(a, &limits, sizeof(limits)) : NULL;
}

static const struct service_port *find_port(const struct service *s, const struct ingress_backend *wanted)
{
        for (size_t i = 0; i < s->port_count; i++) {
                const struct service_port *p = &s->ports[i];
                bool same = wanted->port_name ? str_equal(p->name, wanted->port_name) : p->port == wanted->port_number;
                if (same && str_equal(p->protocol, "TCP"))
                        return p;
        }
        return NULL;
}

/* What a resolver might take for an address in another notation ("127.1", "10.0x1"): no top-level domain has digits
 * in front. */
static bool ends_in_number(const char *name)
{
        const char *last = strrchr(name, '.');
        last = last ? last + 1 : name;
        return *last >= '0' && *last <= '9';
}

/* A name under the cluster's own domain, or one that a resolver might complete to such: never an outside service. */
static bool is_inside_name(const struct policy *policy, const char *name)
{
        const char *domain = policy->cluster_domain ? policy->cluster_domain : "cluster.local";
        AUTO_STR *lower = mem_strdup(name);
        for (char *p = lower; *p; p++)
                *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
        size_t n = strlen(lower);
        while (n && lower[n - 1] == '.')
                lower[--n] = '\0';
        if (!strchr(lower, '.') || ends_in_number(lower) || !syntax_is_subdomain(lower))
                return true;
        AUTO_STR *suffix = mem_printf(".%s", domain);
        return str_has_suffix(lower, ".svc") || str_has_suffix(lower, ".localhost") || str_equal(lower, domain) ||
               str_has_suffix(lower, suffix);
}

static bool check_external(const struct check *c, struct place at, const char *leaf, const struct object *service)
{
        const char *name = service->service->external_name;
        if (!name)
                return true;
        if (!c->policy->enable_external_name) {
                check_add(c, RULE_ExternalNameForbidden, at, leaf, service->name,
                          "Forbidden: Service %s is of type ExternalName, which is not enabled here "
                          "(--enable-external-name)",
                          check_quote(c, service->name));
                return false;
        }
        if (!is_inside_name(c->policy, name))
                return true;
        check_add(c, RULE_ExternalNameForbidden, at, leaf, service->name,
                  "Forbidden: Service %s points to %s: only full names outside the cluster are served",
                  check_quote(c, service->name), check_quote(c, name));
        return false;
}

/* ---- upstream TLS ---- */

static bool check_ca(const struct check *c, struct place at, const char *name)
{
        const char *leaf = "validation.caSecret";
        const struct object *o = view_get(c->view, KIND_SECRET, c->about->namespace, name);
        if (!o) {
                check_add(c, RULE_UpstreamCANotFound, at, leaf, name, "Not found: Secret %s in namespace %s",
                          check_quote(c, name), check_quote(c, c->about->namespace));
                return false;
        }
        const char *problem = !o->secret->has_ca ? "it has no key ca.crt" : o->secret->ca_problem;
        if (!problem)
                return true;
        check_add(c, RULE_UpstreamCAInvalid, at, leaf, name, "Invalid value: %s: %s", check_quote(c, name), problem);
        return false;
}

static bool check_validation(const struct check *c, struct place at, const struct ir_validation *v, bool is_tls)
{
        bool fine = true;
        const char *missing = !v->ca_secret || !*v->ca_secret         ? "validation.caSecret"
                              : !v->subject_name || !*v->subject_name ? "validation.subjectName"
                                                                      : NULL;
        if (missing) {
                check_add(c, RULE_UpstreamSubjectMissing, at, missing, missing,
                          "Required value: validation needs both caSecret and subjectName");
                return false;
        }
        if (!is_printable(v->subject_name)) {
                check_add(c, RULE_UpstreamSubjectMissing, at, "validation.subjectName", v->subject_name,
                          "Invalid value: %s: must be a DNS name of the upstream's certificate",
                          check_quote(c, v->subject_name));
                fine = false;
        }
        if (!is_tls) {
                check_add(c, RULE_UpstreamNotTLS, at, "validation", v->ca_secret,
                          "Invalid value: the Service's port is not marked tls or h2 "
                          "(annotation contour.heptio.com/upstream-protocol.tls)");
                fine = false;
        }
        return check_ca(c, at, v->ca_secret) && fine;
}

/* ---- one service ---- */

/* What is looked for, and what was found so far. */
struct lookup {
        const struct object *service; /* NULL: not there */
        const struct service_port *port;
};

static struct lookup look_up(const struct check *c, struct place at, const char *name_leaf, const char *port_leaf,
                             const struct ingress_backend *wanted)
{
        struct lookup found = {.service = view_get(c->view, KIND_SERVICE, c->about->namespace, wanted->service)};
        if (!found.service) {
                check_add(c, RULE_ServiceNotFound, at, name_leaf, wanted->service,
                          "Not found: Service %s in namespace %s", check_quote(c, wanted->service),
                          check_quote(c, c->about->namespace));
                return found;
        }
        found.port = find_port(found.service->service, wanted);
        if (found.port || !c->list)
                return found;
        const char *port = wanted->port_name ? check_quote(c, wanted->port_name)
                                             : arena_printf(c->scratch, "%" PRId64, wanted->port_number);
        check_add(c, RULE_ServicePortNotFound, at, port_leaf, arena_printf(c->scratch, "%s:%s", wanted->service, port),
                  "Not found: Service %s has no TCP port %s", check_quote(c, wanted->service), port);
        return found;
}

/* What the Service itself decides about a cluster. */
static void describe(struct cluster *out, struct arena *a, const struct object *owner, const char *service,
                     const struct lookup *found)
{
        out->namespace = arena_strdup(a, owner->namespace);
        out->service = arena_strdup(a, service);
        out->missing = !found->port;
        out->port_name = "";
        if (out->missing)
                return;
        out->port_name = found->port->name[0] ? arena_strdup(a, found->port->name) : "";
        out->external_name = arena_strdup(a, found->service->service->external_name);
        out->protocol = protocol_of(found->service, found->port);
        out->circuit_breaker = circuit_breaker_of(a, found->service);
}

static bool check_weight(const struct check *c, struct place at, int64_t weight)
{
        if (weight >= 0 && weight <= WEIGHT_MAX)
                return true;
        if (c->list)
                check_add(c, RULE_WeightInvalid, at, "weight", arena_printf(c->scratch, "%" PRId64, weight),
                          "Invalid value: %" PRId64 ": must be 0-%d", weight, WEIGHT_MAX);
        return false;
}

static bool check_name(const struct check *c, struct place at, const char *name)
{
        if (name && syntax_is_service_name(name))
                return true;
        if (name && *name)
                check_add(c, RULE_ServiceNameInvalid, at, "name", name,
                          "Invalid value: %s: must be a Service's name (RFC 1035 label)", check_quote(c, name));
        else
                check_add(c, RULE_ServiceNameInvalid, at, "name", "", "Required value: the name of a Service");
        return false;
}

static bool check_port(const struct check *c, struct place at, int64_t port)
{
        if (port >= 1 && port <= 65535)
                return true;
        if (c->list)
                check_add(c, RULE_ServicePortInvalid, at, "port", arena_printf(c->scratch, "%" PRId64, port),
                          "Invalid value: %" PRId64 ": must be 1-65535", port);
        return false;
}

/* True when the service may carry traffic (if perhaps it is missing yet). out is written when result is given. */
static bool resolve_one(const struct check *c, struct place at, const struct ir_service *s, struct arena *result,
                        struct cluster *out)
{
        const struct ingressroute *ir = c->about->ingressroute;
        const struct ir_health_check *health = s->health_check ? s->health_check : ir->health_check;
        enum cluster_strategy strategy;
        /* The object's defaults are judged once, by service_judge_defaults(). */
        struct check quiet = *c;
        quiet.list = NULL;
        bool fine = s->strategy ? check_strategy(c, at, "strategy", s->strategy, &strategy)
                                : check_strategy(&quiet, at, "", ir->strategy, &strategy);
        if (health)
                fine &= check_health(s->health_check ? c : &quiet, at, "healthCheck", health);
        fine &= check_weight(c, at, s->has_weight ? s->weight : 0);
        bool name_fine = check_name(c, at, s->name);
        bool port_fine = check_port(c, at, s->port);
        if (!name_fine || !port_fine) {
                if (s->validation) /* its syntax is judged whatever else is wrong */
                        check_validation(c, at, s->validation, true);
                return false;
        }
        struct ingress_backend wanted = {.service = s->name, .port_number = s->port};
        struct lookup found = look_up(c, at, "name", "port", &wanted);
        fine &= !found.service || check_external(c, at, "name", found.service);
        enum cluster_protocol protocol = found.port ? protocol_of(found.service, found.port) : PROTOCOL_TLS;
        if (s->validation)
                fine &= check_validation(c, at, s->validation, protocol == PROTOCOL_TLS || protocol == PROTOCOL_H2);
        if (!result || !fine)
                return fine;
        describe(out, result, c->about, s->name, &found);
        out->port = (uint16_t)s->port;
        out->weight = s->has_weight ? (uint32_t)s->weight : 0;
        out->strategy = strategy;
        out->health_check = health ? build_health(result, health) : NULL;
        if (s->validation) {
                struct upstream_validation *v = arena_alloc(result, sizeof(*v));
                v->ca_namespace = out->namespace;
                v->ca_secret = arena_strdup(result, s->validation->ca_secret);
                v->subject_name = arena_strdup(result, s->validation->subject_name);
                out->validation = v;
        }
        return true;
}

static int by_service(const void *x, const void *y)
{
        const struct cluster *a = x;
        const struct cluster *b = y;
        int order = strcmp(a->service, b->service);
        if (!order)
                order = (a->port > b->port) - (a->port < b->port);
        if (!order)
                order = (int)a->strategy - (int)b->strategy;
        return order ? order : (a->weight > b->weight) - (a->weight < b->weight);
}

void service_resolve(const struct check *c, struct place at, const struct ir_service *services, size_t n,
                     struct arena *result, struct upstreams *out)
{
        *out = (struct upstreams){0};
        if (n > SERVICES_PER_ROUTE_MAX) {
                check_add(c, RULE_WeightInvalid, at, "services", "services",
                          "Too many: %zu: must have at most %d services", n, SERVICES_PER_ROUTE_MAX);
                out->broken = true;
                n = SERVICES_PER_ROUTE_MAX;
        }
        if (result && !out->broken)
                out->clusters = arena_calloc(result, n, sizeof(*out->clusters));
        for (size_t i = 0; i < n; i++) {
                struct cluster *slot = out->clusters ? &out->clusters[i] : NULL;
                if (!resolve_one(c, place_service(at, i), &services[i], slot ? result : NULL, slot))
                        out->broken = true;
        }
        out->count = out->broken ? 0 : n;
        if (out->broken || !out->clusters)
                out->clusters = NULL;
        else if (n > 1)
                qsort(out->clusters, n, sizeof(*out->clusters), by_service);
}

void service_resolve_backend(const struct check *c, const char *leaf, const struct ingress_backend *backend,
                             struct arena *result, struct upstreams *out)
{
        *out = (struct upstreams){.broken = true};
        if (!backend->service) {
                check_add(c, RULE_ServiceNotFound, place_object, leaf, leaf,
                          "Invalid value: only a Service can be a backend here");
                return;
        }
        struct lookup found = look_up(c, place_object, leaf, leaf, backend);
        if (found.service && !check_external(c, place_object, leaf, found.service))
                return;
        out->broken = false;
        out->count = 1;
        if (!result)
                return;
        out->clusters = arena_calloc(result, 1, sizeof(*out->clusters));
        describe(out->clusters, result, c->about, backend->service, &found);
        out->clusters->port = (uint16_t)(found.port ? found.port->port : backend->port_number);
}
