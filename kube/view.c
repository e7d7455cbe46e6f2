/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at store + candidate (store.h, "looking"). */
#include "kube/store_private.h"

#include <string.h>

static bool has_key(const struct object *o, enum kind kind, const char *namespace, const char *name)
{
        return o->kind == kind && strcmp(o->name, name) == 0 && strcmp(o->namespace, namespace) == 0;
}

const struct object *view_get(const struct view *v, enum kind kind, const char *namespace, const char *name)
{
        struct address a = address_of_key(kind, namespace, name);
        struct node *n = index_find(&v->store->index, &a);
        if (v->reads)
                reads_add(v->reads, v->store, &a, n);
        if (v->candidate && has_key(v->candidate, kind, namespace, name))
                return v->candidate_gone ? NULL : v->candidate;
        return n ? node_object(n)->object : NULL;
}

const struct object *view_last_good(const struct view *v, const char *namespace, const char *name)
{
        if (!map_count(v->store->last_good))
                return NULL;
        AUTO_STR *key = mem_printf("%s/%s", namespace, name);
        return map_get(v->store->last_good, key);
}

/* ---- whether the candidate belongs to a list ---- */

struct sought {
        enum term term;
        const char *name;
        bool found;
};

static void compare_term(enum term term, const char *name, void *arg)
{
        struct sought *s = arg;
        s->found = s->found || (term == s->term && strcmp(name, s->name) == 0);
}

/* Saves the walk over a large object for most questions. */
static bool may_have(const struct object *o, enum term term)
{
        switch (term) {
        case TERM_FQDN:
                return o->kind == KIND_INGRESSROUTE || o->kind == KIND_INGRESS;
        case TERM_DELEGATOR:
                return o->kind == KIND_INGRESSROUTE;
        case TERM_GRANTS:
                return o->kind == KIND_TLSCERTIFICATEDELEGATION;
        case TERM_DEFAULT_CLASS:
                return o->kind == KIND_INGRESSCLASS;
        case TERM_ENDPOINTS:
                return o->kind == KIND_ENDPOINTSLICE || o->kind == KIND_ENDPOINTS;
        }
        __builtin_unreachable();
}

static bool has_term(const struct object *o, enum term term, const char *name)
{
        if (!may_have(o, term))
                return false;
        struct sought s = {.term = term, .name = name};
        object_terms(o, compare_term, &s);
        return s.found;
}

/* ---- lists ---- */

/* The members with the candidate in the place of the object that has its key. */
static size_t merge(const struct view *v, struct object_node *const *members, size_t n, bool with_candidate,
                    const struct object **out)
{
        const struct object *candidate = v->candidate;
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
                const struct object *o = members[i]->object;
                int order = candidate ? object_compare(candidate, o) : 1;
                if (order <= 0 && with_candidate) {
                        out[count++] = candidate;
                        with_candidate = false;
                }
                if (order != 0)
                        out[count++] = o;
        }
        if (with_candidate)
                out[count++] = candidate;
        return count;
}

static size_t list(const struct view *v, struct arena *a, enum term term, const char *name, const struct node *n,
                   const struct object *const **out)
{
        const struct term_node *t = (const struct term_node *)n;
        size_t stored = t ? t->count : 0;
        bool with_candidate = v->candidate && !v->candidate_gone && has_term(v->candidate, term, name);
        if (stored + with_candidate == 0) {
                *out = NULL;
                return 0;
        }
        const struct object **objects = arena_calloc(a, stored + with_candidate, sizeof(*objects));
        size_t count = merge(v, t ? term_members(t) : NULL, stored, with_candidate, objects);
        *out = objects;
        return count;
}

size_t view_list(const struct view *v, struct arena *a, enum term term, const char *name,
                 const struct object *const **out)
{
        struct address address = address_of_term(term, name);
        struct node *n = index_find(&v->store->index, &address);
        if (v->reads)
                reads_add(v->reads, v->store, &address, n);
        return list(v, a, term, name, n, out);
}

size_t view_list_unread(const struct view *v, struct arena *a, enum term term, const char *name,
                        const struct object *const **out)
{
        struct address address = address_of_term(term, name);
        return list(v, a, term, name, index_find(&v->store->index, &address), out);
}
