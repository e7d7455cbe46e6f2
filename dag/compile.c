/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/compile.h"

#include "dag/build.h"
#include "dag/tls.h"

#include <string.h>

enum {
        SCRATCH_FIRST = 1984, /* a host of one route needs about 1 KiB */
        HOST_FIRST = 448,     /* likewise 360, beside what a host has of its own; TLS and longer names have room */
};

static void add_loser(struct build *b, const struct claims *claims, const struct claim *loser, const char *field)
{
        struct build_entry *e = build_entry(b, loser->object);
        struct check c = build_check(b, e);
        const struct claim *root = claims->owner;
        const struct claim *winner = root ? root : &claims->ingresses[0];
        bool among_roots = root && loser->object->kind == KIND_INGRESSROUTE;
        const char *name = check_quote(&c, b->host->name);
        const char *kind = kind_info(winner->object->kind)->name;
        if (loser == claims->heir)
                check_add(&c, RULE_FQDNConflict, place_object, field, b->host->name,
                          "Forbidden: %s is served by IngressRoute %s/%s, which hands it over to this object: it takes "
                          "over when that one is deleted or lets go of the name",
                          name, winner->object->namespace, winner->object->name);
        else if (among_roots)
                check_add(&c, RULE_FQDNConflict, place_object, field, b->host->name,
                          "Forbidden: %s is owned by IngressRoute %s/%s: take another name, or ask its owner for a "
                          "delegation or for the annotation contour.heptio.com/fqdn-handover",
                          name, winner->object->namespace, winner->object->name);
        else
                check_add(&c, RULE_FQDNSharedWithIngress, place_object, field, b->host->name,
                          "Forbidden: %s belongs to namespace %s, where %s %s has it", name, claims->namespace, kind,
                          check_quote(&c, winner->object->name));
        /* An heir that was named is let in to wait. */
        if (loser == claims->heir && e->findings.count)
                e->findings.items[e->findings.count - 1].denies = false;
}

/* The field of an Ingress where it asks for the name. */
static const char *ingress_host_field(struct arena *a, const struct ingress *in, const char *name)
{
        for (size_t i = 0; i < in->rule_count; i++) {
                if (str_equal(in->rules[i].host, name))
                        return arena_printf(a, "spec.rules[%zu].host", i);
        }
        return "spec.defaultBackend";
}

static void add_losers(struct build *b, const struct claims *claims)
{
        for (size_t i = 0; i < claims->root_count; i++) {
                if (&claims->roots[i] != claims->owner)
                        add_loser(b, claims, &claims->roots[i], "spec.virtualhost.fqdn");
        }
        for (size_t i = 0; i < claims->ingress_count; i++) {
                const struct object *o = claims->ingresses[i].object;
                if (!str_equal(o->namespace, claims->namespace))
                        add_loser(b, claims, &claims->ingresses[i],
                                  ingress_host_field(b->check.scratch, o->ingress, b->host->name));
        }
}

static void add_claims(struct build *b, const struct claims *claims)
{
        for (size_t i = 0; i < claims->root_count; i++)
                build_entry(b, claims->roots[i].object)->claim_since = claim_since_of(claims, &claims->roots[i]);
}

static void build_tls(struct build *b, struct build_entry *root, enum tls_state state)
{
        const struct ir_tls *tls = root->object->ingressroute->tls;
        struct host_tls *out = arena_alloc(b->arena, sizeof(*out));
        b->host->tls = out;
        out->broken = state != TLS_GOOD;
        out->minimum = tls_effective_version(b->check.policy, tls->minimum_protocol_version);
        if (out->broken)
                return;
        out->passthrough = tls->passthrough;
        if (tls->passthrough)
                return;
        struct check c = build_check(b, root);
        const char *namespace, *name;
        tls_secret_name(&c, tls->secret_name, &namespace, &name);
        out->secret_namespace = arena_strdup(b->arena, namespace);
        out->secret_name = arena_strdup(b->arena, name);
        const struct secret *secret = tls_served_secret(b->check.view, namespace, name);
        tls_judge_certificate(&c, "spec.virtualhost.tls.secretName", name, b->host->name, secret->pair, b->now,
                              &b->host->recheck_at);
}

/* The whole host answers 503: on 80 too, where a redirect would lead nowhere. */
static void serve_nothing(struct build *b, struct build_entry *root)
{
        b->route_count = 0;
        build_add_unavailable(b, root, 0, "/", true, false);
}

/* TLS was asked for and cannot be had: what does not permit plain HTTP is not served at all. */
static void cut_off_secure_routes(struct build *b)
{
        for (size_t i = 0; i < b->route_count; i++) {
                struct route *r = &b->routes[i].route;
                if (!r->insecure) {
                        r->action = ROUTE_UNAVAILABLE;
                        r->clusters = NULL;
                        r->cluster_count = 0;
                }
        }
}

static void build_root(struct build *b, const struct claim *owner)
{
        struct build_entry *root = build_entry(b, owner->object);
        const struct ingressroute *ir = owner->object->ingressroute;
        struct check quiet = build_quiet(b, root);
        root->owner = true;
        enum tls_state state = tls_resolve(&quiet);
        if (state != TLS_NONE)
                build_tls(b, root, state);
        walk_root(b, root);
        if (ir->tcpproxy)
                tcpproxy_build(b, root, state == TLS_GOOD);
        if (state == TLS_CONFLICTING || (!ir->route_count && !ir->tcpproxy))
                serve_nothing(b, root);
}

static void build_host(struct build *b, const char *name)
{
        struct claims claims;
        claims_find(&b->check, name, &claims);
        if (!claims.namespace)
                return;
        if (claims.owner)
                build_root(b, claims.owner);
        ingress_build(b, &claims);
        if (b->host->tls && b->host->tls->broken)
                cut_off_secure_routes(b);
        add_losers(b, &claims);
        if (b->check.policy->claim_id)
                add_claims(b, &claims);
        for (size_t i = 0; i < b->entry_count && !b->host->owner; i++) {
                if (b->entries[i]->owner)
                        b->host->owner = b->entries[i]->ref;
        }
        build_finish(b);
}

struct host *host_compile(const struct view *v, const struct policy *policy, const char *name, int64_t now)
{
        AUTO(arena) *scratch = arena_new(SCRATCH_FIRST);
        struct host *host = host_new(HOST_FIRST);
        struct arena *a = host_arena(host);
        host->name = arena_strdup(a, name);
        struct build b = {
                .check = {.view = v, .policy = policy, .scratch = scratch},
                .host = host,
                .arena = a,
                .now = now,
        };
        build_host(&b, name);
        map_free(b.by_object);
        map_free(b.walked);
        return host;
}
