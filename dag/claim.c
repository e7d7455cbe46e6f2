/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/claim.h"

#include "dag/compile.h"
#include "dag/grant.h"
#include "dag/syntax.h"

#include <stdlib.h>
#include <string.h>

const char *claim_ingress_host_problem(const char *host)
{
        if (str_equal(host, "*"))
                return NULL;
        return syntax_host_problem(str_has_prefix(host, "*.") ? host + 2 : host);
}

bool claim_ingress_host_granted(const struct check *c, const char *namespace, const char *host)
{
        if (host[0] != '*' || c->policy->allow_wildcard_hosts)
                return grant_host(c->view, c->policy, namespace, host);
        /* A wildcard is never free: without an annotation that names it, it is refused. */
        struct policy strict = *c->policy;
        strict.require_fqdn_grants = true;
        return grant_host(c->view, &strict, namespace, host);
}

bool claim_is_permitted(const struct check *c, const struct object *o, const char *name)
{
        if (!judge_is_ours(c->view, c->policy, o))
                return false;
        if (o->kind == KIND_INGRESS)
                return !claim_ingress_host_problem(name) && claim_ingress_host_granted(c, o->namespace, name);
        return !syntax_host_problem(name) && grant_root_namespace(c->policy, o->namespace) &&
               grant_host(c->view, c->policy, o->namespace, name);
}

struct asks {
        const char *name;
        bool found;
};

static void compare_term(enum term term, const char *name, void *arg)
{
        struct asks *asks = arg;
        if (term == TERM_FQDN && str_equal(name, asks->name))
                asks->found = true;
}

static bool asks_for(const struct object *o, const char *name)
{
        struct asks asks = {.name = name};
        object_terms(o, compare_term, &asks);
        return asks.found;
}

/* The object as stored, where o is a candidate: claims are taken from the store, never from the reviewed object. */
static const struct object *stored_version(const struct check *c, const struct object *o)
{
        if (o != c->view->candidate)
                return o;
        struct view store_alone = {.store = c->view->store};
        const struct object *stored = view_get(&store_alone, o->kind, o->namespace, o->name);
        /* One that was deleted and made again, before the store knows of it, has nothing of its predecessor. */
        bool another = stored && stored->uid[0] && o->uid[0] && !str_equal(stored->uid, o->uid);
        return another ? NULL : stored;
}

static const struct ir_claim *trusted_claim(const struct check *c, const struct object *stored, const char *name)
{
        const struct ir_status *status = stored->ingressroute->status;
        const struct ir_claim *claim = status ? status->claim : NULL;
        if (!claim || !c->policy->claim_id || !str_equal(claim->by, c->policy->claim_id) ||
            !str_equal(claim->fqdn, name))
                return NULL;
        return claim;
}

static struct claim claim_of(const struct check *c, const struct object *o, const char *name)
{
        struct claim claim = {.object = o, .since = o->created};
        const struct object *stored = stored_version(c, o);
        claim.newcomer = !stored || (stored != o && (!asks_for(stored, name) || !claim_is_permitted(c, stored, name)));
        if (claim.newcomer)
                return claim;
        claim.since = stored->created;
        const struct ir_claim *held = o->kind == KIND_INGRESSROUTE ? trusted_claim(c, stored, name) : NULL;
        if (held) {
                claim.persisted = true;
                claim.since = held->since;
        }
        return claim;
}

static int compare_numbers(int64_t a, int64_t b)
{
        return (a > b) - (a < b);
}

static int by_precedence(const void *x, const void *y)
{
        const struct claim *a = x;
        const struct claim *b = y;
        if (a->newcomer != b->newcomer)
                return a->newcomer - b->newcomer;
        if (a->persisted != b->persisted)
                return b->persisted - a->persisted;
        int order = compare_numbers(a->since, b->since);
        if (!order)
                order = compare_numbers(a->object->created, b->object->created);
        if (!order)
                order = strcmp(a->object->namespace, b->object->namespace);
        return order ? order : strcmp(a->object->name, b->object->name);
}

/* Between the first root and the first Ingress of different namespaces: which namespace has the host. */
static const char *winning_namespace(const struct claims *all)
{
        const struct claim *root = all->root_count ? &all->roots[0] : NULL;
        const struct claim *ingress = all->ingress_count ? &all->ingresses[0] : NULL;
        if (!root || !ingress)
                return root ? root->object->namespace : ingress ? ingress->object->namespace : NULL;
        if (root->newcomer != ingress->newcomer)
                return root->newcomer ? ingress->object->namespace : root->object->namespace;
        bool root_wins = root->persisted || root->since <= ingress->since;
        return root_wins ? root->object->namespace : ingress->object->namespace;
}

static const struct claim *first_in_namespace(const struct claim *claims, size_t n, const char *namespace)
{
        for (size_t i = 0; i < n; i++) {
                if (namespace && str_equal(claims[i].object->namespace, namespace))
                        return &claims[i];
        }
        return NULL;
}

/* The root that the owner's handover names. */
static const struct claim *find_heir(const struct claims *all)
{
        for (size_t i = 0; all->owner && i < all->root_count; i++) {
                if (&all->roots[i] != all->owner && grant_handover(all->owner->object, all->roots[i].object))
                        return &all->roots[i];
        }
        return NULL;
}

void claims_find(const struct check *c, const char *name, struct claims *out)
{
        *out = (struct claims){0};
        const struct object *const *found;
        size_t n = view_list_unread(c->view, c->scratch, TERM_FQDN, name, &found);
        for (size_t i = 0; i < n; i++) {
                if (!claim_is_permitted(c, found[i], name))
                        continue;
                struct claim *claim = found[i]->kind == KIND_INGRESS
                                              ? arena_push(c->scratch, &out->ingresses, &out->ingress_count)
                                              : arena_push(c->scratch, &out->roots, &out->root_count);
                *claim = claim_of(c, found[i], name);
        }
        if (out->root_count)
                qsort(out->roots, out->root_count, sizeof(*out->roots), by_precedence);
        if (out->ingress_count)
                qsort(out->ingresses, out->ingress_count, sizeof(*out->ingresses), by_precedence);
        out->namespace = winning_namespace(out);
        out->owner = first_in_namespace(out->roots, out->root_count, out->namespace);
        out->heir = find_heir(out);
}

/* An heir's claim is the owner's, one microsecond later: before everybody else's, never before the owner's. */
enum { HEIR_DELAY = 1 };

int64_t claim_since_of(const struct claims *all, const struct claim *claim)
{
        const struct claim *first = &all->roots[0];
        /* While an Ingress of another namespace has the host, no root gets a claim that would take it from there. */
        if (first != all->owner && claim != all->owner && !claim->persisted)
                return 0;
        if (claim == all->heir && first->persisted)
                return first->since + HEIR_DELAY;
        if (claim->persisted) {
                bool was_heir = claim != first && first->persisted && claim->since == first->since + HEIR_DELAY;
                return was_heir ? CLAIM_NOW : claim->since;
        }
        /* Persisted claims come first, so the first one tells whether anybody has one. */
        return first->persisted ? CLAIM_NOW : claim->since;
}
