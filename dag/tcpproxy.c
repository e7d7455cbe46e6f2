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
                check_add(&c, RULE_DelegationTooLarge, place_tcpproxy(), "delegate", d->name,
                          "Too many: the chain from the root is longer than %d delegations", DELEGATION_DEPTH_MAX);
                return NULL;
        }
        return build_entry(b, target);
}

void tcpproxy_build(struct build *b, struct build_entry *root)
{
        struct host_tcpproxy *out = arena_alloc(b->arena, sizeof(*out));
        b->host->tcpproxy = out;
        struct build_entry *way[DELEGATION_DEPTH_MAX + 1];
        size_t n = 0;
        for (struct build_entry *e = root; e;) {
                way[n++] = e;
                e->reached = true;
                const struct ir_tcpproxy *t = e->object->ingressroute->tcpproxy;
                struct check quiet = build_quiet(b, e);
                bool fine;
                const struct ir_delegate *d = check_action(&quiet, t, &fine);
                if (d) {
                        e = next_entry(b, way, n, d);
                        continue;
                }
                if (fine) {
                        struct upstreams upstreams;
                        service_resolve(&quiet, place_tcpproxy(), t->services, t->service_count, b->arena, &upstreams);
                        out->clusters = upstreams.clusters;
                        out->cluster_count = upstreams.count;
                }
                return;
        }
}
