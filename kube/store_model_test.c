/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store against a model that is too simple to be wrong: 100,000 random steps. The universe is small, so that
 * everything collides all the time: 48 keys, 37 terms. What is read is a set of addresses; so are an object's terms.
 */
#include "kube/object_testing.h"
#include "kube/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
        STEPS = 100000,
        NAMESPACES = 2,
        NAMES = 4,
        HOSTS = 4,
        READERS = 8,
        SOURCES = 2,
        ADDRESSES_MAX = 128,
        TERMS_MAX = 4,
};

static const enum kind kinds[] = {KIND_INGRESSROUTE, KIND_TLSCERTIFICATEDELEGATION,
                                  KIND_INGRESS,      KIND_INGRESSCLASS,
                                  KIND_SERVICE,      KIND_ENDPOINTSLICE};

struct place {
        bool is_term;
        enum kind kind;
        enum term term;
        char namespace[4], name[8]; /* a term's whole name is in name */
};

/* A set of addresses. */
struct set {
        bool has[ADDRESSES_MAX];
};

struct record {
        bool present, seen;
        unsigned version, source;
        struct set terms;
};

static struct {
        struct place places[ADDRESSES_MAX];
        unsigned count, keys; /* the first are keys */
        struct record records[ADDRESSES_MAX];
        struct store *store;
        struct store_reader readers[READERS];
        struct set read[READERS], dirty; /* dirty: of readers */
        unsigned version, changes;
} m;

static uint64_t random_state;

static unsigned pick(unsigned n)
{
        random_state ^= random_state << 13; /* xorshift64 */
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)(random_state >> 32) % n;
}

/* ---- the universe ---- */

static void add_term(enum term term, const char *name)
{
        struct place *p = &m.places[m.count++];
        *p = (struct place){.is_term = true, .term = term};
        snprintf(p->name, sizeof(p->name), "%s", name);
}

static void add_pairs(enum term term)
{
        for (unsigned i = 0; i < NAMESPACES * NAMES; i++) {
                char name[8];
                snprintf(name, sizeof(name), "n%u/%u", i / NAMES % NAMESPACES, i % NAMES);
                add_term(term, name);
        }
}

/* Keys in the order of lists: by kind, namespace, name. */
static void make_universe(void)
{
        for (unsigned i = 0; i < COUNT_OF(kinds) * NAMESPACES * NAMES; i++) {
                struct place *p = &m.places[m.count++];
                p->kind = kinds[i / (NAMESPACES * NAMES)];
                if (kind_info(p->kind)->namespaced)
                        snprintf(p->namespace, sizeof(p->namespace), "n%u", i / NAMES % NAMESPACES);
                snprintf(p->name, sizeof(p->name), "%u", i % NAMES);
                /* Without namespaces there would be every name twice. */
                if (!kind_info(p->kind)->namespaced && i / NAMES % NAMESPACES)
                        m.count--;
        }
        m.keys = m.count;
        for (unsigned i = 0; i < HOSTS; i++)
                add_term(TERM_FQDN, i ? (const char[]){'h', (char)('0' + (int)i), '\0'} : "*");
        add_pairs(TERM_DELEGATOR);
        add_pairs(TERM_GRANTS);
        add_pairs(TERM_ENDPOINTS);
        add_term(TERM_DEFAULT_CLASS, "");
        assert_true(m.count <= ADDRESSES_MAX);
}

static unsigned find_term(enum term term, const char *name)
{
        for (unsigned i = m.keys; i < m.count; i++)
                if (m.places[i].term == term && strcmp(m.places[i].name, name) == 0)
                        return i;
        fail_msg("no term %s", name);
        return 0;
}

/* ---- random objects: their JSON and, said separately, their terms ---- */

static void mark_pair(struct set *terms, enum term term, const char *namespace, unsigned name)
{
        char text[16];
        snprintf(text, sizeof(text), "%s/%u", namespace, name);
        terms->has[find_term(term, text)] = true;
}

static json_t *random_routes(const char *namespace, struct set *terms)
{
        json_t *routes = json_array();
        for (unsigned n = pick(TERMS_MAX); n; n--) {
                unsigned name = pick(NAMES);
                char other[4];
                snprintf(other, sizeof(other), "n%u", pick(NAMESPACES));
                bool own = pick(2);
                json_t *delegate = json_pack("{s:o}", "name", json_sprintf("%u", name));
                if (!own)
                        json_object_set_new(delegate, "namespace", json_string(other));
                json_array_append_new(routes, json_pack("{s:o}", "delegate", delegate));
                mark_pair(terms, TERM_DELEGATOR, own ? namespace : other, name);
        }
        return routes;
}

static json_t *random_rules(struct set *terms)
{
        json_t *rules = json_array();
        for (unsigned n = pick(TERMS_MAX); n; n--) {
                unsigned host = pick(HOSTS);
                json_array_append_new(rules,
                                      host ? json_pack("{s:o}", "host", json_sprintf("H%u.", host)) : json_object());
                char name[16];
                snprintf(name, sizeof(name), "h%u", host);
                terms->has[find_term(TERM_FQDN, host ? name : "*")] = true;
        }
        return rules;
}

static json_t *random_delegations(const char *namespace, struct set *terms)
{
        json_t *delegations = json_array();
        for (unsigned n = pick(TERMS_MAX); n; n--) {
                unsigned name = pick(NAMES);
                json_array_append_new(delegations, json_pack("{s:o}", "secretName", json_sprintf("%u", name)));
                mark_pair(terms, TERM_GRANTS, namespace, name);
        }
        return delegations;
}

static void fill_random(json_t *json, json_t *metadata, const struct place *key, struct set *terms)
{
        unsigned host = pick(HOSTS);
        unsigned name = pick(NAMES + 1);
        if (key->kind == KIND_INGRESSROUTE) {
                json_t *spec = json_pack("{s:o}", "routes", random_routes(key->namespace, terms));
                if (host) {
                        char text[16];
                        snprintf(text, sizeof(text), "h%u", host);
                        json_object_set_new(spec, "virtualhost", json_pack("{s:s}", "fqdn", text));
                        terms->has[find_term(TERM_FQDN, text)] = true;
                }
                json_object_set_new(json, "spec", spec);
        } else if (key->kind == KIND_INGRESS) {
                json_object_set_new(json, "spec", json_pack("{s:o}", "rules", random_rules(terms)));
        } else if (key->kind == KIND_TLSCERTIFICATEDELEGATION) {
                json_object_set_new(json, "spec",
                                    json_pack("{s:o}", "delegations", random_delegations(key->namespace, terms)));
        } else if (key->kind == KIND_INGRESSCLASS && host) {
                json_object_set_new(metadata, "annotations",
                                    json_pack("{s:s}", "ingressclass.kubernetes.io/is-default-class", "true"));
                terms->has[find_term(TERM_DEFAULT_CLASS, "")] = true;
        } else if (key->kind == KIND_ENDPOINTSLICE && name < NAMES) {
                json_object_set_new(metadata, "labels",
                                    json_pack("{s:o}", "kubernetes.io/service-name", json_sprintf("%u", name)));
                mark_pair(terms, TERM_ENDPOINTS, key->namespace, name);
        }
}

static struct object *random_object(unsigned key, unsigned version, struct set *terms)
{
        const struct place *p = &m.places[key];
        json_t *metadata = json_pack("{s:s,s:s,s:s,s:o}", "namespace", p->namespace, "name", p->name, "uid", "u",
                                     "resourceVersion", json_sprintf("%u", version));
        json_t *json = json_pack("{s:o}", "metadata", metadata);
        *terms = (struct set){0};
        fill_random(json, metadata, p, terms);
        struct object *o = test_decode_with(p->kind, json, NULL);
        json_decref(json);
        return o;
}

/* ---- who must be told, and who is ---- */

static void expect_dirty(struct set *expected, unsigned key, const struct set *old, const struct set *new)
{
        for (unsigned r = 0; r < READERS; r++)
                for (unsigned i = 0; i < m.count; i++)
                        if (m.read[r].has[i] && (i == key || (old && old->has[i]) || (new &&new->has[i])))
                                expected->has[r] = true;
}

static void note_dirty(struct store_reader *reader, void *arg)
{
        (void)arg;
        m.dirty.has[reader - m.readers] = true;
}

static void note_change(const struct object *old, const struct object *new, void *arg)
{
        (void)arg;
        assert_true(old || new);
        m.changes++;
}

static const struct store_hooks hooks = {.on_dirty = note_dirty, .on_change = note_change};

static void check_told(const struct set *expected, unsigned changes)
{
        assert_int_equal(m.changes, changes);
        for (unsigned r = 0; r < READERS; r++)
                assert_int_equal(m.dirty.has[r], expected->has[r]);
        m.changes = 0;
        m.dirty = (struct set){0};
}

/* ---- steps ---- */

static void step_put(void)
{
        unsigned key = pick(m.keys);
        struct record *r = &m.records[key];
        bool again = r->present && pick(4) == 0;
        struct set terms;
        struct object *o = random_object(key, again ? r->version : ++m.version, &terms);
        unsigned source = pick(SOURCES);
        struct set expected = {0};
        if (!again)
                expect_dirty(&expected, key, r->present ? &r->terms : NULL, &terms);
        assert_int_equal(store_put(m.store, o, source, &hooks), !again);
        if (!again) {
                r->terms = terms;
                r->version = m.version;
        }
        r->present = r->seen = true;
        r->source = source;
        check_told(&expected, !again);
}

static void step_remove(void)
{
        unsigned key = pick(m.keys);
        struct record *r = &m.records[key];
        unsigned source = pick(SOURCES);
        bool there = r->present && r->source == source;
        struct set expected = {0};
        if (there)
                expect_dirty(&expected, key, &r->terms, NULL);
        const struct place *p = &m.places[key];
        assert_int_equal(store_remove(m.store, p->kind, p->namespace, p->name, source, &hooks), there);
        if (there)
                *r = (struct record){0};
        check_told(&expected, there);
}

static bool is_swept(unsigned key, enum kind kind, unsigned source)
{
        return m.records[key].present && m.places[key].kind == kind && m.records[key].source == source;
}

static void step_sweep(void)
{
        enum kind kind = kinds[pick(COUNT_OF(kinds))];
        unsigned source = pick(SOURCES);
        if (pick(2)) {
                store_sweep_begin(m.store, kind, source);
                for (unsigned i = 0; i < m.keys; i++)
                        if (is_swept(i, kind, source))
                                m.records[i].seen = false;
                return;
        }
        struct set expected = {0};
        unsigned changes = 0;
        for (unsigned i = 0; i < m.keys; i++) {
                if (!is_swept(i, kind, source) || m.records[i].seen)
                        continue;
                expect_dirty(&expected, i, &m.records[i].terms, NULL);
                m.records[i] = (struct record){0};
                changes++;
        }
        store_sweep_end(m.store, kind, source, SIZE_MAX, &hooks);
        check_told(&expected, changes);
}

static void read_place(const struct view *v, struct arena *a, unsigned i)
{
        const struct place *p = &m.places[i];
        const struct object *const *objects;
        if (p->is_term)
                view_list(v, a, p->term, p->name, &objects);
        else
                view_get(v, p->kind, p->namespace, p->name);
}

/* Several are compiled before any of them is set, as a batch is. */
static void step_read(void)
{
        enum { BATCH = 3 };
        struct reads *reads[BATCH];
        struct set sets[BATCH] = {0};
        AUTO(arena) *a = arena_new(512);
        for (unsigned b = 0; b < BATCH; b++) {
                reads[b] = reads_new();
                struct view v = {.store = m.store, .reads = reads[b]};
                for (unsigned n = pick(80); n; n--) {
                        unsigned i = pick(m.count);
                        read_place(&v, a, i);
                        sets[b].has[i] = true;
                }
        }
        for (unsigned b = 0; b < BATCH; b++) {
                unsigned r = pick(READERS);
                store_reader_set(m.store, &m.readers[r], reads[b]);
                m.read[r] = sets[b];
                reads_free(reads[b]);
        }
        unsigned gone = pick(READERS);
        store_reader_set(m.store, &m.readers[gone], NULL);
        m.read[gone] = (struct set){0};
}

/* ---- checks ---- */

static unsigned version_of(const struct object *o)
{
        return (unsigned)strtoul(o->resource_version, NULL, 10);
}

/* What a view shows at one place: versions, in order. */
static unsigned model_versions(unsigned place, unsigned candidate, bool gone, const struct set *terms, unsigned *out)
{
        unsigned n = 0;
        for (unsigned i = 0; i < m.keys; i++) {
                bool is_candidate = i == candidate;
                bool present = is_candidate ? !gone : m.records[i].present;
                const struct set *its = is_candidate ? terms : &m.records[i].terms;
                if (present && (i == place || its->has[place]))
                        out[n++] = is_candidate ? 0 : m.records[i].version;
        }
        return n;
}

static void check_place(unsigned place, unsigned candidate, bool gone, const struct object *o, const struct set *terms)
{
        const struct place *p = &m.places[place];
        struct view v = {.store = m.store, .candidate = o, .candidate_gone = gone};
        AUTO(arena) *a = arena_new(512);
        unsigned expected[ADDRESSES_MAX] = {0};
        unsigned n = model_versions(place, candidate, gone, terms, expected);
        if (!p->is_term) {
                const struct object *found = view_get(&v, p->kind, p->namespace, p->name);
                assert_int_equal(found != NULL, n);
                if (found)
                        assert_int_equal(version_of(found), expected[0]);
                return;
        }
        const struct object *const *objects;
        assert_int_equal(view_list(&v, a, p->term, p->name, &objects), n);
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(version_of(objects[i]), expected[i]);
}

static void check_some(void)
{
        for (unsigned i = 0; i < 8; i++)
                check_place(pick(m.count), ADDRESSES_MAX, false, NULL, NULL);
        unsigned candidate = pick(m.keys);
        struct set terms;
        AUTO(object) *o = random_object(candidate, 0, &terms);
        for (unsigned i = 0; i < 8; i++)
                check_place(pick(m.count), candidate, pick(2), o, &terms);
        check_place(candidate, candidate, pick(2), o, &terms);
}

/* Nothing is kept that neither is there nor is read. */
static void check_nodes(void)
{
        unsigned expected = 0;
        for (unsigned i = 0; i < m.count; i++) {
                bool needed = i < m.keys && m.records[i].present;
                for (unsigned r = 0; r < READERS && !needed; r++)
                        needed = m.read[r].has[i];
                for (unsigned k = 0; k < m.keys && !needed; k++)
                        needed = m.records[k].present && m.records[k].terms.has[i];
                expected += needed;
        }
        assert_int_equal(m.store->index.node_count, expected);
}

static void store__random_steps__agrees_with_the_model(void **state)
{
        (void)state;
        const char *given = getenv("STORE_MODEL_SEED");
        random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * UINT64_C(0x9E3779B97F4A7C15);
        print_message("STORE_MODEL_SEED=%llu\n", (unsigned long long)random_state);
        m.store = store_new();
        make_universe();
        for (unsigned i = 0; i < STEPS; i++) {
                unsigned what = pick(20);
                if (what < 10)
                        step_put();
                else if (what < 14)
                        step_remove();
                else if (what < 17)
                        step_sweep();
                else
                        step_read();
                if (i % 8 == 0)
                        check_some();
                if (i % 16 == 0)
                        check_nodes();
        }
        for (unsigned r = 0; r < READERS; r++)
                store_reader_set(m.store, &m.readers[r], NULL);
        store_free(m.store);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(store__random_steps__agrees_with_the_model),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
