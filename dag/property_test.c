/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for any objects: random ones, seeds printed. DAG_SEED=n runs one seed again. */
#include "dag/fixture_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

enum { ROUNDS = 150, OBJECTS = 36, CHANGES = 12, TEXT_MAX = 4 * 1024 * 1024 };

/* ---- random objects from small pools, so that they meet ---- */

struct random {
        uint64_t state;
};

static unsigned below(struct random *r, unsigned n)
{
        /* xorshift64*, G. Marsaglia */
        r->state ^= r->state >> 12;
        r->state ^= r->state << 25;
        r->state ^= r->state >> 27;
        return (unsigned)((r->state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static bool one_in(struct random *r, unsigned n)
{
        return below(r, n) == 0;
}

#define PICK(r, pool) ((pool)[below(r, COUNT_OF(pool))])

static const char *const namespaces[] = {"a", "b", "c"};
static const char *const ir_names[] = {"r1", "r2", "c1", "c2", "c3", "c4"};
static const char *const hosts[] = {"one.example", "two.example", "three.example", "bad_.example"};
static const char *const paths[] = {"/", "/a", "/a/b", "/a/b/", "/a/b/c", "/ab", "/x", "/x/y", "bad", "/a//b"};
static const char *const services[] = {"web", "api", "gone", "web:81", "out", "web:0", "web*3", "api*0"};

static json_t *random_route(struct random *r)
{
        AUTO_STR *text = NULL;
        const char *path = PICK(r, paths);
        if (one_in(r, 2))
                text = mem_printf("%s -> %s/%s", path, PICK(r, namespaces), PICK(r, ir_names));
        else if (one_in(r, 8))
                text = mem_strdup(path);
        else
                text = mem_printf("%s %s%s%s", path, PICK(r, services), one_in(r, 3) ? " api" : "",
                                  one_in(r, 3) ? " insecure" : "");
        return json_string(text);
}

static const char *random_name(struct random *r, char text[64], const char *const *names, unsigned n)
{
        snprintf(text, 64, "%s/%s", PICK(r, namespaces), names[below(r, n)]);
        return text;
}

static json_t *random_ir(struct random *r)
{
        static const char *const tls[] = {"cert", "bad", "b/cert", "none"};
        char name[64];
        json_t *o = json_pack("{s:s, s:i, s:{}}", "ir", random_name(r, name, ir_names, COUNT_OF(ir_names)), "created",
                              (int)below(r, 5), "annotations");
        json_t *annotations = json_object_get(o, "annotations");
        if (strstr(name, "/r") || one_in(r, 12)) {
                json_object_set_new(o, "fqdn", json_string(PICK(r, hosts)));
                if (one_in(r, 3))
                        json_object_set_new(o, "tls", json_string(PICK(r, tls)));
                else if (one_in(r, 5))
                        json_object_set_new(o, "tls", json_pack("{s:b}", "passthrough", true));
                if (one_in(r, 5))
                        json_object_set_new(annotations, "fqdn-handover", json_string("b/r1"));
                if (one_in(r, 3))
                        json_object_set_new(o, "claim", json_pack("[s, i, s]", PICK(r, hosts), (int)below(r, 5), "me"));
        }
        if (one_in(r, 4))
                json_object_set_new(annotations, "delegated-from", json_string(one_in(r, 2) ? "a/*, b/r1" : "c/c1"));
        if (one_in(r, 12))
                json_object_set_new(annotations, "ingress.class", json_string("nginx"));
        if (one_in(r, 5))
                json_object_set_new(o, "tcpproxy", json_string(one_in(r, 2) ? "web" : "-> a/c1"));
        json_t *routes = json_array();
        for (unsigned n = below(r, 6); n; n--)
                json_array_append_new(routes, random_route(r));
        json_object_set_new(o, "routes", routes);
        return o;
}

static json_t *random_svc(struct random *r)
{
        static const char *const names[] = {"web", "api", "out"};
        char name[64];
        json_t *o = json_pack("{s:s}", "svc", random_name(r, name, names, COUNT_OF(names)));
        if (strstr(name, "/out"))
                json_object_set_new(o, "external", json_string("www.example.com"));
        if (one_in(r, 3))
                json_object_set_new(o, "annotations", json_pack("{s:s}", "max-requests", "7"));
        return o;
}

static json_t *random_ing(struct random *r)
{
        static const char *const names[] = {"i1", "i2"};
        static const char *const ing_hosts[] = {"one.example", "two.example", "", "*.example"};
        char name[64];
        json_t *o = json_pack("{s:s, s:i, s:{s:[s, s]}}", "ing", random_name(r, name, names, COUNT_OF(names)),
                              "created", (int)below(r, 5), "hosts", PICK(r, ing_hosts), "/ web",
                              one_in(r, 2) ? "/a api Exact" : "/x gone");
        if (one_in(r, 3))
                json_object_set_new(o, "tls", json_pack("{s:[s]}", one_in(r, 2) ? "cert" : "none", "one.example"));
        if (one_in(r, 3))
                json_object_set_new(o, "class_name", json_string("ours"));
        return o;
}

static json_t *random_object(struct random *r)
{
        char name[64];
        static const char *const certs[] = {"cert", "bad"};
        switch (below(r, 12)) {
        case 0:
        case 1:
                return random_svc(r);
        case 2:
                return random_ing(r);
        case 3:
                random_name(r, name, certs, COUNT_OF(certs));
                return strstr(name, "bad") ? json_pack("{s:s, s:s}", "secret", name, "problem", "unfit")
                                           : json_pack("{s:s, s:[s]}", "secret", name, "names", PICK(r, hosts));
        case 4:
                return json_pack("{s:s, s:s, s:[s]}", "tcd", one_in(r, 2) ? "b/g1" : "b/g2", "secret", "cert", "to",
                                 one_in(r, 2) ? "*" : "a");
        case 5:
                return json_pack("{s:s, s:{s:s}}", "ns", PICK(r, namespaces), "annotations", "allowed-fqdns",
                                 one_in(r, 2) ? "*.example" : "one.example, *");
        case 6:
                return json_pack("{s:s, s:s, s:b}", "class", one_in(r, 2) ? "ours" : "theirs", "controller",
                                 one_in(r, 2) ? "gatehouse.io/ingress-controller" : "x.io/y", "default", one_in(r, 2));
        default:
                return random_ir(r);
        }
}

static struct policy random_policy(struct random *r)
{
        return (struct policy){
                .claim_id = "me",
                .serve_unclassed_ingress = one_in(r, 2),
                .require_fqdn_grants = one_in(r, 6),
                .require_delegation_grants = one_in(r, 6),
                .enable_external_name = one_in(r, 2),
                .allow_wildcard_hosts = one_in(r, 2),
        };
}

static uint64_t first_seed(unsigned *rounds)
{
        const char *text = getenv("DAG_SEED");
        if (text)
                *rounds = 1;
        return text ? strtoull(text, NULL, 10) : 1;
}

/* ---- what is there, as text ---- */

static void state_text(struct buf *out, const struct object *o, const struct object_state *s)
{
        AUTO(arena) *a = arena_new(1024);
        buf_printf(out, "%s %s/%s ours %d status %d claim %s %lld\n", kind_info(o->kind)->name, o->namespace, o->name,
                   s->ours, s->status, s->claim_fqdn ? s->claim_fqdn : "-", (long long)s->claim_since);
        for (size_t i = 0; i < s->virtual_host_count; i++)
                buf_printf(out, "  in %s\n", s->virtual_hosts[i]);
        for (size_t i = 0; i < s->finding_count; i++)
                buf_printf(out, "  %d %s (%s)\n", s->findings[i].denies, finding_text(a, &s->findings[i]),
                           s->findings[i].subject);
}

struct all_text {
        struct fixture *f;
        struct map *texts; /* "kind ns/name" or a host's name -> text */
};

static void add_state_text(const struct object *o, void *arg)
{
        struct all_text *t = arg;
        AUTO(arena) *a = arena_new(4096);
        struct object_state s;
        fixture_state(t->f, a, o, &s);
        AUTO(buf) *out = buf_new(TEXT_MAX);
        state_text(out, o, &s);
        AUTO_STR *key = mem_printf("%d %s/%s", (int)o->kind, o->namespace, o->name);
        map_set(t->texts, key, buf_take_str(out));
}

/* Every host and every object's state, from scratch. */
static struct map *all_text(struct fixture *f)
{
        fixture_compile(f);
        struct all_text t = {.f = f, .texts = map_new()};
        store_each(f->store, KIND_INGRESSROUTE, add_state_text, &t);
        store_each(f->store, KIND_INGRESS, add_state_text, &t);
        for (size_t i = 0; i < f->host_count; i++) {
                AUTO(buf) *out = buf_new(TEXT_MAX);
                host_text(out, f->hosts[i]);
                map_set(t.texts, f->hosts[i]->name, buf_take_str(out));
        }
        return t.texts;
}

static void free_text(const char *key, void *value, void *arg)
{
        (void)key;
        (void)arg;
        mem_free(value);
}

static void free_texts(struct map *texts)
{
        map_each(texts, free_text, NULL);
        map_free(texts);
}

struct comparison {
        const struct map *other;
        uint64_t seed;
};

static void compare_text(const char *key, void *value, void *arg)
{
        const struct comparison *c = arg;
        const char *other = map_get(c->other, key);
        if (!str_equal(value, other))
                fail_msg("DAG_SEED=%llu: %s is\n%s\nand\n%s", (unsigned long long)c->seed, key, (char *)value,
                         other ? other : "nothing");
}

/* ---- order of arrival ---- */

static void shuffle(struct random *r, json_t **objects, size_t n)
{
        for (size_t i = n; i > 1; i--) {
                size_t k = below(r, (unsigned)i);
                json_t *swap = objects[i - 1];
                objects[i - 1] = objects[k];
                objects[k] = swap;
        }
}

static bool names_same(const json_t *a, const json_t *b)
{
        enum kind x, y;
        json_t *p = fixture_expand(a, &x), *q = fixture_expand(b, &y);
        bool same =
                x == y && str_equal(json_string_value(json_object_get(json_object_get(p, "metadata"), "namespace")),
                                    json_string_value(json_object_get(json_object_get(q, "metadata"), "namespace")));
        same = same && str_equal(json_string_value(json_object_get(json_object_get(p, "metadata"), "name")),
                                 json_string_value(json_object_get(json_object_get(q, "metadata"), "name")));
        json_decref(p);
        json_decref(q);
        return same;
}

static size_t distinct_objects(struct random *r, json_t *objects[OBJECTS])
{
        size_t n = 0;
        for (int i = 0; i < OBJECTS; i++) {
                objects[n] = random_object(r);
                size_t k = 0;
                while (k < n && !names_same(objects[k], objects[n]))
                        k++;
                if (k < n)
                        json_decref(objects[n]);
                else
                        n++;
        }
        return n;
}

static void compile__objects_in_any_order__same_bytes(void **state)
{
        (void)state;
        unsigned rounds = ROUNDS;
        uint64_t seed = first_seed(&rounds);
        print_message("seeds %llu to %llu\n", (unsigned long long)seed, (unsigned long long)(seed + rounds - 1));
        for (; rounds; rounds--, seed++) {
                struct random r = {seed * UINT64_C(0x9e3779b97f4a7c15)};
                json_t *objects[OBJECTS];
                size_t n = distinct_objects(&r, objects);
                struct policy policy = random_policy(&r);
                struct map *texts[2];
                for (int k = 0; k < 2; k++) {
                        struct fixture f;
                        fixture_init(&f);
                        f.policy = policy;
                        for (size_t i = 0; i < n; i++)
                                fixture_put(&f, objects[i], NULL);
                        texts[k] = all_text(&f);
                        fixture_done(&f);
                        shuffle(&r, objects, n);
                }
                struct comparison c = {texts[1], seed};
                assert_int_equal(map_count(texts[0]), map_count(texts[1]));
                map_each(texts[0], compare_text, &c);
                free_texts(texts[0]);
                free_texts(texts[1]);
                for (size_t i = 0; i < n; i++)
                        json_decref(objects[i]);
        }
}

/* ---- what is compiled again ---- */

/* A host or an object's own findings, with what they have read. */
struct node {
        struct store_reader reader; /* first */
        bool dirty;
        char *text;
};

struct incremental {
        struct fixture f;
        struct map *nodes; /* as all_text(): host names, and "own kind ns/name" */
        struct reads *reads;
        uint64_t seed;
        const char *changed; /* what the last change was, for messages */
};

static void on_dirty(struct store_reader *reader, void *arg)
{
        (void)arg;
        ((struct node *)(void *)reader)->dirty = true;
}

static struct node *need_node(struct incremental *x, const char *key)
{
        struct node *n = map_get(x->nodes, key);
        if (!n) {
                n = mem_zalloc(sizeof(*n));
                n->dirty = true;
                map_set(x->nodes, key, n);
        }
        return n;
}

static char *host_now(struct incremental *x, const char *name, struct reads *reads)
{
        struct view v = {.store = x->f.store, .reads = reads};
        struct host *h = host_compile(&v, &x->f.policy, name, x->f.now);
        AUTO(buf) *out = buf_new(TEXT_MAX);
        host_text(out, h);
        host_unref(h);
        return buf_take_str(out);
}

static char *own_now(struct incremental *x, const struct object *o, struct reads *reads)
{
        AUTO(arena) *a = arena_new(1024);
        struct view v = {.store = x->f.store, .reads = reads};
        struct findings own = {.arena = a};
        judge_object(&v, &x->f.policy, o, &own);
        struct object_state s = {.ours = judge_is_ours(&(struct view){.store = x->f.store}, &x->f.policy, o),
                                 .findings = own.items,
                                 .finding_count = own.count};
        AUTO(buf) *out = buf_new(TEXT_MAX);
        state_text(out, o, &s);
        return buf_take_str(out);
}

/* With a dirty node: computed again, reads recorded. Without: what it says must be what it would say. */
static void check_node(struct incremental *x, const char *key, struct node *n, char *now)
{
        if (n->dirty) {
                mem_free(n->text);
                n->text = now;
                n->dirty = false;
                store_reader_set(x->f.store, &n->reader, x->reads);
                return;
        }
        if (!str_equal(n->text, now))
                fail_msg("DAG_SEED=%llu: after %s %s is stale:\n%s\nnow\n%s", (unsigned long long)x->seed, x->changed,
                         key, n->text, now);
        mem_free(now);
}

static void check_object(const struct object *o, void *arg)
{
        struct incremental *x = arg;
        AUTO_STR *key = mem_printf("own %d %s/%s", (int)o->kind, o->namespace, o->name);
        struct node *n = need_node(x, key);
        reads_clear(x->reads);
        check_node(x, key, n, own_now(x, o, n->dirty ? x->reads : NULL));
}

static void check_everything(struct incremental *x)
{
        for (size_t i = 0; i < COUNT_OF(hosts) + 2; i++) {
                const char *name = i < COUNT_OF(hosts) ? hosts[i] : i == COUNT_OF(hosts) ? "*" : "*.example";
                struct node *n = need_node(x, name);
                reads_clear(x->reads);
                check_node(x, name, n, host_now(x, name, n->dirty ? x->reads : NULL));
        }
        store_each(x->f.store, KIND_INGRESSROUTE, check_object, x);
        store_each(x->f.store, KIND_INGRESS, check_object, x);
        store_each(x->f.store, KIND_SERVICE, check_object, x);
        store_each(x->f.store, KIND_TLSCERTIFICATEDELEGATION, check_object, x);
}

static void mark_named(enum term term, const char *name, void *arg)
{
        struct incremental *x = arg;
        if (term == TERM_FQDN)
                need_node(x, name)->dirty = true;
}

/* The hosts that an object names itself, and the object: known to whoever holds the change, not among the reads. */
static void on_change(const struct object *old, const struct object *new, void *arg)
{
        struct incremental *x = arg;
        const struct object *o = new ? new : old;
        AUTO_STR *key = mem_printf("own %d %s/%s", (int)o->kind, o->namespace, o->name);
        need_node(x, key)->dirty = true;
        if (old)
                object_terms(old, mark_named, x);
        if (new)
                object_terms(new, mark_named, x);
}

static void free_node(const char *key, void *value, void *arg)
{
        struct incremental *x = arg;
        struct node *n = value;
        (void)key;
        store_reader_set(x->f.store, &n->reader, NULL);
        mem_free(n->text);
        mem_free(n);
}

static void change_one(struct incremental *x, struct random *r, const struct store_hooks *hooks)
{
        json_t *o = random_object(r);
        char *text = json_dumps(o, 0);
        bool remove = one_in(r, 3);
        AUTO_STR *changed = mem_printf("%s %s", remove ? "removing" : "putting", text);
        x->changed = changed;
        if (remove) {
                enum kind kind;
                json_t *full = fixture_expand(o, &kind);
                const json_t *m = json_object_get(full, "metadata");
                const char *namespace = json_string_value(json_object_get(m, "namespace"));
                store_remove(x->f.store, kind, namespace ? namespace : "",
                             json_string_value(json_object_get(m, "name")), 0, hooks);
                json_decref(full);
        } else {
                fixture_put(&x->f, o, hooks);
        }
        check_everything(x);
        free(text);
        json_decref(o);
}

static void compile__one_object_changes__reads_told_of_all_that_it_changes(void **state)
{
        (void)state;
        unsigned rounds = ROUNDS;
        uint64_t seed = first_seed(&rounds);
        print_message("seeds %llu to %llu\n", (unsigned long long)seed, (unsigned long long)(seed + rounds - 1));
        for (; rounds; rounds--, seed++) {
                struct random r = {seed * UINT64_C(0x9e3779b97f4a7c15)};
                struct incremental x = {.nodes = map_new(), .reads = reads_new(), .seed = seed};
                struct store_hooks hooks = {.on_dirty = on_dirty, .on_change = on_change, .arg = &x};
                fixture_init(&x.f);
                x.f.policy = random_policy(&r);
                for (int i = 0; i < OBJECTS; i++) {
                        json_t *o = random_object(&r);
                        fixture_put(&x.f, o, &hooks);
                        json_decref(o);
                }
                x.changed = "filling";
                check_everything(&x);
                for (int i = 0; i < CHANGES; i++)
                        change_one(&x, &r, &hooks);
                map_each(x.nodes, free_node, &x);
                map_free(x.nodes);
                reads_free(x.reads);
                fixture_done(&x.f);
        }
}

/* ---- admission ---- */

/* What is judged of a stored object as candidate is no better than its status: nothing denies where status is valid. */
static void judge_stored_again(const struct object *o, void *arg)
{
        struct fixture *f = arg;
        AUTO(arena) *a = arena_new(4096);
        struct view v = {.store = f->store, .candidate = o};
        struct findings list = {.arena = a};
        judge_candidate(&v, &f->policy, f->now, &list);
        struct object_state s;
        fixture_state(f, a, o, &s);
        bool denies = false;
        for (size_t i = 0; i < list.count; i++) {
                assert_string_equal(list.items[i].about.name, o->name);
                /* A cycle is looked for whether a root reaches it or not. */
                denies |= list.items[i].denies && list.items[i].rule != RULE_DelegationCycle;
        }
        if (s.ours && s.status == STATUS_NOTICE && denies)
                fail_msg("%s/%s is valid and would be denied: %s", o->namespace, o->name,
                         finding_text(a, &list.items[0]));
}

static void judge_candidate__stored_object_as_it_is__valid_ones_are_let_in(void **state)
{
        (void)state;
        unsigned rounds = ROUNDS;
        uint64_t seed = first_seed(&rounds);
        print_message("seeds %llu to %llu\n", (unsigned long long)seed, (unsigned long long)(seed + rounds - 1));
        for (; rounds; rounds--, seed++) {
                struct random r = {seed * UINT64_C(0x9e3779b97f4a7c15)};
                struct fixture f;
                fixture_init(&f);
                f.policy = random_policy(&r);
                for (int i = 0; i < OBJECTS; i++) {
                        json_t *o = random_object(&r);
                        fixture_put(&f, o, NULL);
                        json_decref(o);
                }
                fixture_compile(&f);
                store_each(f.store, KIND_INGRESSROUTE, judge_stored_again, &f);
                store_each(f.store, KIND_INGRESS, judge_stored_again, &f);
                fixture_done(&f);
        }
}

/* ---- strangers ---- */

/* What a host serves: its text without what is said of objects. */
static char *serving_text(const struct host *h)
{
        AUTO(buf) *out = buf_new(TEXT_MAX);
        host_text(out, h);
        const char *objects = strstr(buf_data(out), "\n  object ");
        return objects ? mem_strndup(buf_data(out), (size_t)(objects - buf_data(out))) : buf_take_str(out);
}

struct before {
        struct fixture *f;
        struct map *texts; /* host -> what it served; "ns/name" -> the description of a valid object */
        uint64_t seed;
};

static void remember_valid(const struct object *o, void *arg)
{
        struct before *b = arg;
        AUTO(arena) *a = arena_new(4096);
        struct object_state s;
        fixture_state(b->f, a, o, &s);
        AUTO_STR *key = mem_printf("%d %s/%s", (int)o->kind, o->namespace, o->name);
        if (s.ours && s.status == STATUS_NOTICE)
                map_set(b->texts, key, mem_printf("%zu findings", s.finding_count));
}

static void compare_valid(const struct object *o, void *arg)
{
        struct before *b = arg;
        AUTO(arena) *a = arena_new(4096);
        AUTO_STR *key = mem_printf("%d %s/%s", (int)o->kind, o->namespace, o->name);
        const char *was = map_get(b->texts, key);
        if (!was)
                return;
        struct object_state s;
        fixture_state(b->f, a, o, &s);
        AUTO_STR *is = mem_printf("%zu findings", s.finding_count);
        if (s.status != STATUS_NOTICE || !str_equal(is, was))
                fail_msg("DAG_SEED=%llu: %s was valid, %s, and is told %s", (unsigned long long)b->seed, key, was,
                         s.finding_count ? finding_text(a, &s.findings[0]) : "nothing");
}

static void compare_serving(struct before *b)
{
        for (size_t i = 0; i < COUNT_OF(hosts); i++) {
                const char *was = map_get(b->texts, hosts[i]);
                const struct host *h = fixture_host(b->f, hosts[i]);
                AUTO_STR *is = h ? serving_text(h) : NULL;
                if (was && !str_equal(is, was))
                        fail_msg("DAG_SEED=%llu: %s served\n%s\nand now\n%s", (unsigned long long)b->seed, hosts[i],
                                 was, is);
        }
}

/* Its objects are all its own and younger; it can forge a claim's since, but not its id. */
static json_t *strangers_object(struct random *r)
{
        json_t *o = NULL;
        while (!o || (!json_object_get(o, "ir") && !json_object_get(o, "ing") && !json_object_get(o, "svc"))) {
                json_decref(o);
                o = random_object(r);
        }
        static const char *const kinds[] = {"ir", "ing", "svc"};
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
                const char *name = json_string_value(json_object_get(o, kinds[i]));
                if (name)
                        json_object_set_new(o, kinds[i], json_sprintf("x/%s", strchr(name, '/') + 1));
        }
        json_object_set_new(o, "created", json_integer(100 + below(r, 3)));
        if (json_object_get(o, "claim"))
                json_array_set_new(json_object_get(o, "claim"), 2, json_string("forged"));
        return o;
}

static void stranger__whatever_it_creates__others_keep_hosts_paths_and_status(void **state)
{
        (void)state;
        unsigned rounds = ROUNDS;
        uint64_t seed = first_seed(&rounds);
        print_message("seeds %llu to %llu\n", (unsigned long long)seed, (unsigned long long)(seed + rounds - 1));
        for (; rounds; rounds--, seed++) {
                struct random r = {seed * UINT64_C(0x9e3779b97f4a7c15)};
                struct fixture f;
                fixture_init(&f);
                f.policy = random_policy(&r);
                for (int i = 0; i < OBJECTS; i++) {
                        json_t *o = random_object(&r);
                        json_object_del(o, "claim");
                        fixture_put(&f, o, NULL);
                        json_decref(o);
                }
                fixture_lead(&f);
                struct before before = {.f = &f, .texts = map_new(), .seed = seed};
                for (size_t i = 0; i < f.host_count; i++) {
                        if (f.hosts[i]->owner)
                                map_set(before.texts, f.hosts[i]->name, serving_text(f.hosts[i]));
                }
                store_each(f.store, KIND_INGRESSROUTE, remember_valid, &before);
                store_each(f.store, KIND_INGRESS, remember_valid, &before);
                for (int i = 0; i < CHANGES; i++) {
                        json_t *o = strangers_object(&r);
                        fixture_put(&f, o, NULL);
                        json_decref(o);
                }
                fixture_lead(&f);
                compare_serving(&before);
                store_each(f.store, KIND_INGRESSROUTE, compare_valid, &before);
                store_each(f.store, KIND_INGRESS, compare_valid, &before);
                free_texts(before.texts);
                fixture_done(&f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(compile__objects_in_any_order__same_bytes),
                cmocka_unit_test(compile__one_object_changes__reads_told_of_all_that_it_changes),
                cmocka_unit_test(judge_candidate__stored_object_as_it_is__valid_ones_are_let_in),
                cmocka_unit_test(stranger__whatever_it_creates__others_keep_hosts_paths_and_status),
        };
        return cmocka_run_group_tests_name("dag properties", tests, NULL, NULL);
}
