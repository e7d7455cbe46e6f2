/* SPDX-License-Identifier: Apache-2.0 */
/* tcpproxy - a root's TLS connections, proxied as they are. */
#include "dag/build.h"

#include "dag/service.h"

static const struct ir_delegate *check_action(const struct check *c, const struct ir_tcpproxy *t, bool *fine)
{
        *fine = true;
        if (t->delegate && t->service_count) {
                check_add(c, RULE_TCPProxyActionConflict, place_object, "spec.tcpproxy", "spec.tcpproxy",
                          "Invalid value: has both services and delegate: use one of them");
                *fine = false;
        } else if (!t->delegate && !t->service_count) {
                check_add(c, RULE_TCPProxyActionMissing, place_object, "spec.tcpproxy", "spec.tcpproxy",
                          "Required value: services or delegate");
                *fine = false;
        }
        return *fine ? t->delegate : NULL;
}

static const struct object *check_target(const struct check *c, const struct ir_delegate *d)
{
        const struct object *target = delegation_target(c, place_tcpproxy(), d);
        if (!target || target->ingressroute->tcpproxy)
                return target;
        if (c->list)
                check_add(c, RULE_TCPProxyTargetMissing, place_tcpproxy(), "delegate",
                          arena_printf(c->scratch, "%s/%s", d->namespace, d->name),
                          "Invalid value: IngressRoute %s/%s has no spec.tcpproxy", d->namespace, d->name);
        return NULL;
}

void tcpproxy_judge(const struct check *c)
{
        const struct ingressroute *ir = c->about->ingressroute;
        if (!ir->tcpproxy)
                return;
        if (ir->is_root && !ir->tls)
                check_add(c, RULE_TCPProxyNeedsTLS, place_object, "spec.tcpproxy", "spec.tcpproxy",
                          "Invalid value: needs spec.virtualhost.tls: connections are told apart by their server name");
        bool fine;
        const struct ir_delegate *d = check_action(c, ir->tcpproxy, &fine);
        if (d)
                check_target(c, d);
        struct upstreams upstreams;
        service_resolve(c, place_tcpproxy(), ir->tcpproxy->services, ir->tcpproxy->service_count, NULL, &upstreams);
}

/* "a/x -> b/y -> a/x": the objects walked, last one first in way. */
static const char *chain_text(struct arena *a, struct build_entry *const *way, size_t n, const struct object *target)
{
        size_t first = 0;
        while (way[first]->object != target)
                first++;
        const char *text = arena_printf(a, "%s/%s", way[n - 1]->ref->namespace, way[n - 1]->ref->name);
        for (size_t i = first; i < n; i++)
                text = arena_printf(a, "%s -> %s/%s", text, way[i]->ref->namespace, way[i]->ref->name);
        return text;
}

static bool is_on_the_way(struct build_entry *const *way, size_t n, const struct object *target)
{
        for (size_t i = 0; i < n; i++) {
                if (way[i]->object == target)
                        return true;
        }
        return false;
}

/* Blames the candidate where it is on the way, else the root, as walk does. */
static void add_too_long(struct build *b, struct build_entry *const *way, size_t n)
{
        size_t i = n - 1;
        while (i > 0 && way[i]->object != b->check.view->candidate)
                i--;
        struct check c = build_check(b, way[i]);
        check_add(&c, RULE_DelegationTooLarge, place_tcpproxy(), "delegate",
                  way[i]->object->ingressroute->tcpproxy->delegate->name,
                  "Too many: a chain of more than %d delegations", DELEGATION_DEPTH_MAX);
}

/* The next object of the chain, or NULL when it ends here, well or not. */
static struct build_entry *next_entry(struct build *b, struct build_entry *const *way, size_t n,
                                      const struct ir_delegate *d)
{
        struct check c = build_check(b, way[n - 1]);
        struct check quiet = build_quiet(b, way[n - 1]);
        const struct object *target = check_target(&quiet, d);
        if (!target)
                return NULL;
        if (is_on_the_way(way, n, target)) {
                delegation_add_cycle(&c, place_tcpproxy(), d, chain_text(b->check.scratch, way, n, target));
                return NULL;
        }
        if (n > DELEGATION_DEPTH_MAX) {
                add_too_long(b, way, n);
                return NULL;
        }
        return build_entry(b, target);
}

/* Marks the chain as reached; its last object, or NULL when the chain is broken. */
static struct build_entry *walk_chain(struct build *b, struct build_entry *root)
{
        struct build_entry *way[DELEGATION_DEPTH_MAX + 1];
        size_t n = 0;
        struct build_entry *e = root;
        while (e) {
                way[n++] = e;
                e->reached = true;
                struct check quiet = build_quiet(b, e);
                bool fine;
                const struct ir_delegate *d = check_action(&quiet, e->object->ingressroute->tcpproxy, &fine);
                if (!d)
                        return fine ? e : NULL;
                e = next_entry(b, way, n, d);
        }
        return NULL;
}

void tcpproxy_build(struct build *b, struct build_entry *root, bool serve)
{
        struct build_entry *last = walk_chain(b, root);
        if (!serve)
                return;
        struct host_tcpproxy *out = arena_alloc(b->arena, sizeof(*out));
        b->host->tcpproxy = out;
        if (!last)
                return;
        struct check quiet = build_quiet(b, last);
        const struct ir_tcpproxy *t = last->object->ingressroute->tcpproxy;
        struct upstreams upstreams;
        service_resolve(&quiet, place_tcpproxy(), t->services, t->service_count, b->arena, &upstreams);
        out->clusters = upstreams.clusters;
        out->cluster_count = upstreams.count;
}
