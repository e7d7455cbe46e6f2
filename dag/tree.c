/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/tree.h"

#include "dag/delegation.h"

#include <string.h>

struct builder {
        struct arena *arena;
        const struct view *view;
        const struct host *host;
        tree_state_fn *state_of;
        void *arg;
        struct tree tree;
};

/* The way from the root down. */
struct above {
        const struct tree_node *node;
        const struct above *above;
        unsigned depth;
};

/* o is NULL when there is no such object. */
static struct tree_node *add_node(struct builder *b, const struct object_ref *ref, const struct object *o)
{
        if (b->tree.count == TREE_NODES_MAX) {
                b->tree.cut = true;
                return NULL;
        }
        b->tree.count++;
        struct tree_node *n = arena_calloc(b->arena, 1, sizeof(*n));
        n->ref = (struct object_ref){ref->kind, arena_strdup(b->arena, ref->namespace),
                                     arena_strdup(b->arena, ref->name)};
        const struct host_object *said = host_find_object(b->host, ref);
        n->owner = said && said->owner;
        n->reached = said && said->reached;
        n->missing = !o;
        if (o) {
                struct object_state state = {0};
                b->state_of(o, b->arena, &state, b->arg);
                n->findings = state.findings;
                n->finding_count = state.finding_count;
        }
        return n;
}

static bool is_above(const struct above *above, const struct object_ref *ref)
{
        for (; above; above = above->above) {
                if (object_ref_equal(&above->node->ref, ref))
                        return true;
        }
        return false;
}

static void add_delegates(struct builder *b, struct tree_node *n, const struct object *o, const struct above *above);

static struct tree_node *add_child(struct builder *b, const struct object *o, const struct ir_delegate *d,
                                   const struct above *above)
{
        const char *namespace = d->namespace ? d->namespace : o->namespace;
        const struct object_ref ref = {KIND_INGRESSROUTE, namespace, d->name ? d->name : ""};
        const struct object *child = view_get(b->view, ref.kind, ref.namespace, ref.name);
        struct tree_node *n = add_node(b, &ref, child);
        if (!n)
                return NULL;
        n->again = is_above(above, &ref);
        if (child && !n->again && above->depth < DELEGATION_DEPTH_MAX)
                add_delegates(b, n, child, above);
        return n;
}

/* Fills in what o serves itself, and what it hands on in the order of its spec. */
static void add_delegates(struct builder *b, struct tree_node *n, const struct object *o, const struct above *above)
{
        const struct ingressroute *ir = o->ingressroute;
        const struct above here = {n, above, above ? above->depth + 1 : 0};
        const struct tree_node **last = &n->children;
        for (size_t i = 0; i < ir->route_count; i++) {
                const struct ir_route *r = &ir->routes[i];
                struct tree_node *child = r->delegate ? add_child(b, o, r->delegate, &here) : NULL;
                n->route_count += !r->delegate;
                if (!child)
                        continue;
                child->prefix = arena_strdup(b->arena, r->match ? r->match : "");
                *last = child;
                last = &child->next;
        }
        struct tree_node *tcp =
                ir->tcpproxy && ir->tcpproxy->delegate ? add_child(b, o, ir->tcpproxy->delegate, &here) : NULL;
        if (tcp) {
                tcp->prefix = "";
                tcp->tcp = true;
                *last = tcp;
        }
}

/* Whether the object asks for the name itself. */
static bool is_claimant(const struct host *h, const struct object *o)
{
        return o->kind == KIND_INGRESS || (o->kind == KIND_INGRESSROUTE && o->ingressroute->is_root &&
                                           str_equal(o->ingressroute->fqdn_host, h->name));
}

static void add_claimants(struct builder *b, bool owners, const struct tree_node ***last)
{
        for (size_t i = 0; i < b->host->object_count; i++) {
                const struct host_object *said = &b->host->objects[i];
                const struct object_ref *ref = &said->ref;
                const struct object *o = view_get(b->view, ref->kind, ref->namespace, ref->name);
                if (said->owner != owners || !o || !is_claimant(b->host, o))
                        continue;
                struct tree_node *n = add_node(b, ref, o);
                if (!n)
                        return;
                if (o->kind == KIND_INGRESSROUTE)
                        add_delegates(b, n, o, NULL);
                else
                        n->route_count = o->ingress->rule_count;
                **last = n;
                *last = &n->next;
        }
}

struct tree tree_of(struct arena *a, const struct view *v, const struct host *h, tree_state_fn *state_of, void *arg)
{
        struct builder b = {.arena = a, .view = v, .host = h, .state_of = state_of, .arg = arg};
        const struct tree_node **last = &b.tree.first;
        add_claimants(&b, true, &last);
        add_claimants(&b, false, &last);
        return b.tree;
}

/* ---- as text ---- */

static const char *standing(const struct tree_node *n)
{
        if (n->missing)
                return " (does not exist)";
        if (n->again)
                return " (a cycle)";
        if (n->owner)
                return " (owner)";
        return n->reached ? "" : " (not served)";
}

static void node_text(struct buf *out, const struct tree_node *n, unsigned depth, struct arena *a)
{
        buf_printf(out, "%*s", 2 * (int)depth, "");
        if (n->prefix)
                buf_printf(out, "%s -> ", n->tcp ? "tcpproxy" : n->prefix);
        buf_printf(out, "%s %s/%s%s\n", kind_info(n->ref.kind)->name, n->ref.namespace, n->ref.name, standing(n));
        for (size_t i = 0; i < n->finding_count; i++)
                buf_printf(out, "%*s! %s\n", 2 * (int)depth + 2, "", finding_text(a, &n->findings[i]));
        for (const struct tree_node *child = n->children; child; child = child->next)
                node_text(out, child, depth + 1, a);
}

void tree_text(struct buf *out, const struct host *h, const struct tree *t)
{
        AUTO(arena) *a = arena_new(4096);
        buf_printf(out, "%s%s\n", h->name, h->owner ? "" : " (nobody may have the name)");
        for (const struct tree_node *n = t->first; n; n = n->next)
                node_text(out, n, 1, a);
        if (t->cut)
                buf_printf(out, "  ... and more than %d objects\n", TREE_NODES_MAX);
}
