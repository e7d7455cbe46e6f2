/* SPDX-License-Identifier: Apache-2.0 */
/* One Kubernetes object: the first byte picks kind and options, the rest is its JSON. Decoded, stored, found, removed.
 */
#include "base/json_read.h"
#include "kube/store.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPORT_UNKNOWN = 0x80, DEFAULT_NAMESPACE = 0x40 };

static void see_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                     struct pair_facts *facts)
{
        const char **names = arena_calloc(a, 1, sizeof(*names));
        names[0] = arena_strndup(a, crt, crt_size);
        *facts = (struct pair_facts){.ok = key_size && key[0], .names = names, .name_count = 1};
        if (!facts->ok)
                facts->problem = "no key";
}

static const char *see_ca(struct arena *a, const char *ca, size_t ca_size)
{
        return ca_size && ca[ca_size - 1] == 'x' ? NULL : arena_strndup(a, ca, ca_size);
}

static void check_problems(const struct object *o)
{
        assert(o->problem_count <= OBJECT_PROBLEMS_MAX);
        for (size_t i = 0; i < o->problem_count; i++) {
                /* What goes into an answer must be a string of JSON. */
                json_t *text = json_string(o->problems[i].field);
                assert(text && *o->problems[i].message && !strpbrk(o->problems[i].field, "\r\n"));
                json_decref(text);
        }
}

struct search {
        const struct store *store;
        const struct object *object;
        bool stored;
};

/* An object is listed once under each of its terms. */
static void check_term(enum term term, const char *name, void *arg)
{
        const struct search *s = arg;
        struct view v = {.store = s->store, .candidate = s->stored ? NULL : s->object};
        AUTO(arena) *a = arena_new(256);
        const struct object *const *list;
        assert(view_list(&v, a, term, name, &list) == 1 && list[0] == s->object);
}

static void count_object(const struct object *o, void *arg)
{
        assert(o);
        ++*(size_t *)arg;
}

static void store_and_find(struct object *o)
{
        AUTO(store) *s = store_new();
        struct search search = {.store = s, .object = o};
        if (o->problem_count == 0) /* a few: every term lists all of its members */
                object_terms(o, check_term, &search);
        search.stored = store_put(s, o, 0, NULL);
        assert(search.stored);
        object_terms(o, check_term, &search);
        struct view v = {.store = s};
        assert(view_get(&v, o->kind, o->namespace, o->name) == o);
        size_t n = 0;
        store_each(s, o->kind, count_object, &n);
        assert(n == 1);
        assert(store_remove(s, o->kind, o->namespace, o->name, 0, NULL));
        assert(store_count(s, KIND_INGRESSROUTE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct object_inspector inspector = {see_pair, see_ca};
        if (size == 0)
                return 0;
        enum kind kind = (enum kind)((data[0] & 0x3F) % KIND_COUNT);
        struct object_options options = {
                .inspector = &inspector,
                .report_unknown = data[0] & REPORT_UNKNOWN,
                .default_namespace = data[0] & DEFAULT_NAMESPACE ? "default" : NULL,
        };
        struct err e = {0};
        AUTO_JSON *json = json_read((const char *)data + 1, size - 1, &e);
        if (!json)
                return 0;
        struct object *o = object_decode(kind, json, &options, &e);
        if (!o) {
                assert(*e.text);
                return 0;
        }
        check_problems(o);
        store_and_find(o);
        return 0;
}
