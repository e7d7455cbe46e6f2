/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/object_testing.h"
#include "kube/store_private.h"

/* ---- helpers ---- */

static struct object *route(const char *namespace, const char *name, const char *version, const char *spec)
{
        AUTO_STR *text = mem_printf("{'metadata':{'namespace':'%s','name':'%s','uid':'u','resourceVersion':'%s'},"
                                    "'spec':{%s}}",
                                    namespace, name, version, spec);
        return test_object(KIND_INGRESSROUTE, text);
}

#define ROOT(fqdn) "'virtualhost':{'fqdn':'" fqdn "'}"
#define DELEGATES(name) "'routes':[{'match':'/','delegate':{'name':'" name "'}}]"

/* Counts what the hooks are told. */
struct told {
        unsigned changes, dirties;
        struct store_reader *dirty[8];
        const char *old_version, *new_version;
};

static void on_dirty(struct store_reader *reader, void *arg)
{
        struct told *t = arg;
        t->dirty[t->dirties++ % COUNT_OF(t->dirty)] = reader;
}

static void on_change(const struct object *old, const struct object *new, void *arg)
{
        struct told *t = arg;
        t->changes++;
        t->old_version = old ? old->resource_version : NULL;
        t->new_version = new ? new->resource_version : NULL;
}

static const struct object *get(const struct store *s, enum kind kind, const char *namespace, const char *name)
{
        return view_get(&(struct view){.store = s}, kind, namespace, name);
}

/* "ns/name:version ..." of a list. */
static const char *list(const struct view *v, struct arena *a, enum term term, const char *name)
{
        const struct object *const *objects;
        size_t n = view_list(v, a, term, name, &objects);
        const char *text = "";
        for (size_t i = 0; i < n; i++)
                text = arena_printf(a, "%s%s%s/%s:%s", text, i ? " " : "", objects[i]->namespace, objects[i]->name,
                                    objects[i]->resource_version);
        return text;
}

struct fixture {
        struct store *store;
        struct arena *arena;
        struct reads *reads;
        struct told told;
        struct store_hooks hooks;
        struct store_reader readers[2];
};

static int set_up(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        f->store = store_new();
        f->arena = arena_new(1024);
        f->reads = reads_new();
        f->hooks = (struct store_hooks){.on_dirty = on_dirty, .on_change = on_change, .arg = &f->told};
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        for (size_t i = 0; i < COUNT_OF(f->readers); i++)
                store_reader_set(f->store, &f->readers[i], NULL);
        reads_free(f->reads);
        arena_free(f->arena);
        store_free(f->store);
        mem_free(f);
        return 0;
}

static bool put(struct fixture *f, struct object *o)
{
        f->told = (struct told){0};
        return store_put(f->store, o, 0, &f->hooks);
}

static struct view recording(struct fixture *f)
{
        reads_clear(f->reads);
        return (struct view){.store = f->store, .reads = f->reads};
}

/* ---- changes ---- */

static void put__new_object__is_found_by_key_and_terms(void **state)
{
        struct fixture *f = *state;
        assert_true(put(f, route("n", "a", "1", ROOT("H.Example.") "," DELEGATES("b"))));
        assert_string_equal(get(f->store, KIND_INGRESSROUTE, "n", "a")->resource_version, "1");
        assert_null(get(f->store, KIND_INGRESSROUTE, "n", "b"));
        assert_null(get(f->store, KIND_INGRESS, "n", "a"));
        struct view v = {.store = f->store};
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h.example"), "n/a:1");
        assert_string_equal(list(&v, f->arena, TERM_DELEGATOR, "n/b"), "n/a:1");
        assert_string_equal(list(&v, f->arena, TERM_GRANTS, "n/b"), "");
        assert_int_equal(store_count(f->store, KIND_INGRESSROUTE), 1);
        assert_int_equal(f->told.changes, 1);
        assert_null(f->told.old_version);
        assert_string_equal(f->told.new_version, "1");
}

static void put__same_version_and_uid__changes_nothing(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h")));
        const struct object *before = get(f->store, KIND_INGRESSROUTE, "n", "a");
        uint64_t generation = store_generation(f->store);
        assert_false(put(f, route("n", "a", "1", ROOT("other"))));
        assert_ptr_equal(get(f->store, KIND_INGRESSROUTE, "n", "a"), before);
        assert_true(store_generation(f->store) == generation);
        assert_int_equal(f->told.changes, 0);
}

static void put__no_version__always_counts(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "", ROOT("h")));
        assert_true(put(f, route("n", "a", "", ROOT("i"))));
        assert_string_equal(get(f->store, KIND_INGRESSROUTE, "n", "a")->ingressroute->fqdn, "i");
}

static void put__changed_object__moves_between_terms(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h")));
        assert_true(put(f, route("n", "a", "2", ROOT("i"))));
        struct view v = {.store = f->store};
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), "");
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "i"), "n/a:2");
        assert_int_equal(store_count(f->store, KIND_INGRESSROUTE), 1);
        assert_non_null(f->told.old_version);
}

static void put__same_term_twice__lists_the_object_once(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", "'routes':[{'delegate':{'name':'b'}},{'delegate':{'name':'b','namespace':'n'}}]"));
        struct view v = {.store = f->store};
        assert_string_equal(list(&v, f->arena, TERM_DELEGATOR, "n/b"), "n/a:1");
        assert_true(store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 0, NULL));
        assert_string_equal(list(&v, f->arena, TERM_DELEGATOR, "n/b"), "");
}

static void remove__object__leaves_nothing_behind(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h") "," DELEGATES("b")));
        f->told = (struct told){0};
        assert_true(store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 0, &f->hooks));
        assert_int_equal(f->told.changes, 1);
        assert_null(f->told.new_version);
        assert_int_equal(f->store->index.node_count, 0);
        assert_false(store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 0, &f->hooks));
        assert_int_equal(f->told.changes, 1);
}

static void remove__by_another_source__leaves_the_object(void **state)
{
        struct fixture *f = *state;
        store_put(f->store, route("n", "a", "1", ""), 1, NULL);
        assert_false(store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 0, NULL));
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "a"));
}

static void remove__read_object__its_place_stays_until_the_reader_goes(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ""));
        struct view v = recording(f);
        view_get(&v, KIND_INGRESSROUTE, "n", "a");
        store_reader_set(f->store, &f->readers[0], f->reads);
        store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 0, NULL);
        assert_int_equal(f->store->index.node_count, 1);
        put(f, route("n", "a", "2", ""));
        assert_int_equal(f->told.dirties, 1);
        store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 0, NULL);
        store_reader_set(f->store, &f->readers[0], NULL);
        assert_int_equal(f->store->index.node_count, 0);
}

/* ---- lists ---- */

static void list__members__come_by_kind_namespace_name_whatever_the_arrival(void **state)
{
        struct fixture *f = *state;
        static const char *const keys[][2] = {{"b", "a"}, {"a", "c"}, {"a", "a"}, {"c", "b"}, {"a-", "a"}, {"a", "b"}};
        store_put(f->store,
                  test_object(KIND_INGRESS, "{'metadata':{'namespace':'a','name':'a','resourceVersion':'9'},"
                                            "'spec':{'rules':[{'host':'h'}]}}"),
                  0, NULL);
        for (size_t i = 0; i < COUNT_OF(keys); i++)
                put(f, route(keys[i][0], keys[i][1], "1", ROOT("h")));
        struct view v = {.store = f->store};
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), "a/a:1 a/b:1 a/c:1 a-/a:1 b/a:1 c/b:1 a/a:9");
}

static void list__ingress__is_found_by_each_host_and_star(void **state)
{
        struct fixture *f = *state;
        store_put(f->store,
                  test_object(KIND_INGRESS, "{'metadata':{'namespace':'n','name':'i','resourceVersion':'1'},'spec':{"
                                            "'rules':[{'host':'h'},{'host':'*.x'},{},{'host':7},{'host':'h'}]}}"),
                  0, NULL);
        struct view v = {.store = f->store};
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), "n/i:1");
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "*.x"), "n/i:1");
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "*"), "n/i:1");
        assert_string_equal(list(&v, f->arena, TERM_FQDN, ""), "");
}

static void list__other_kinds__are_found_by_their_terms(void **state)
{
        struct fixture *f = *state;
        store_put(f->store, test_file_object(KIND_TLSCERTIFICATEDELEGATION, "tlscertificatedelegation.json"), 0, NULL);
        store_put(f->store, test_file_object(KIND_INGRESSCLASS, "ingressclass.json"), 0, NULL);
        store_put(f->store, test_file_object(KIND_ENDPOINTSLICE, "endpointslice.json"), 0, NULL);
        store_put(f->store, test_file_object(KIND_ENDPOINTS, "endpoints.json"), 0, NULL);
        struct view v = {.store = f->store};
        assert_string_equal(list(&v, f->arena, TERM_GRANTS, "certs/shop"), "certs/grants:");
        assert_string_equal(list(&v, f->arena, TERM_GRANTS, "certs/wild.card"), "certs/grants:");
        assert_string_equal(list(&v, f->arena, TERM_DEFAULT_CLASS, ""), "/gatehouse:");
        assert_string_equal(list(&v, f->arena, TERM_ENDPOINTS, "shop/web"), "shop/web-x7: shop/web:");
}

static void list__delegate_with_an_endless_name__is_no_term(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *name = mem_calloc(100001, 1);
        memset(name, 'x', 100000);
        AUTO_STR *spec = mem_printf("'routes':[{'delegate':{'name':'%s'}}]", name);
        put(f, route("n", "a", "1", spec));
        assert_int_equal(f->store->index.node_count, 1);
        AUTO_STR *term = mem_printf("n/%s", name);
        struct view v = recording(f);
        assert_string_equal(list(&v, f->arena, TERM_DELEGATOR, term), "");
        assert_null(view_get(&v, KIND_INGRESSROUTE, "n", name));
}

/* ---- candidates ---- */

static void view__candidate__stands_in_the_place_of_the_stored_object(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h")));
        put(f, route("n", "b", "1", ROOT("h")));
        put(f, route("n", "c", "1", ROOT("h")));
        AUTO(object) *candidate = route("n", "b", "2", ROOT("h"));
        struct view v = {.store = f->store, .candidate = candidate};
        assert_ptr_equal(view_get(&v, KIND_INGRESSROUTE, "n", "b"), candidate);
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), "n/a:1 n/b:2 n/c:1");
        v.candidate_gone = true;
        assert_null(view_get(&v, KIND_INGRESSROUTE, "n", "b"));
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), "n/a:1 n/c:1");
        assert_string_equal(list(&(struct view){.store = f->store}, f->arena, TERM_FQDN, "h"), "n/a:1 n/b:1 n/c:1");
}

static void view__new_candidate__is_found_in_order(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "b", "1", ROOT("h")));
        static const struct {
                const char *name, *expected;
        } cases[] = {{"a", "n/a:2 n/b:1"}, {"c", "n/b:1 n/c:2"}};
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                AUTO(object) *candidate = route("n", cases[i].name, "2", ROOT("h"));
                struct view v = {.store = f->store, .candidate = candidate};
                assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), cases[i].expected);
                assert_string_equal(list(&v, f->arena, TERM_FQDN, "i"), "");
        }
}

static void view__candidate_that_leaves_a_term__is_not_listed_there(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h")));
        AUTO(object) *candidate = route("n", "a", "2", ROOT("i"));
        struct view v = {.store = f->store, .candidate = candidate};
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "h"), "");
        assert_string_equal(list(&v, f->arena, TERM_FQDN, "i"), "n/a:2");
}

/* ---- readers ---- */

static void readers__of_what_changed__are_told_once(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h")));
        struct view v = recording(f);
        view_get(&v, KIND_INGRESSROUTE, "n", "a");
        list(&v, f->arena, TERM_FQDN, "h");
        list(&v, f->arena, TERM_FQDN, "i");
        store_reader_set(f->store, &f->readers[0], f->reads);
        put(f, route("n", "a", "2", ROOT("i"))); /* its key, its old and its new term */
        assert_int_equal(f->told.dirties, 1);
        assert_ptr_equal(f->told.dirty[0], &f->readers[0]);
        put(f, route("n", "b", "1", ROOT("j")));
        assert_int_equal(f->told.dirties, 0);
}

static void readers__of_absent_things__are_told_when_they_come(void **state)
{
        struct fixture *f = *state;
        struct view v = recording(f);
        assert_null(view_get(&v, KIND_INGRESSROUTE, "n", "a"));
        store_reader_set(f->store, &f->readers[0], f->reads);
        v = recording(f);
        list(&v, f->arena, TERM_FQDN, "h");
        store_reader_set(f->store, &f->readers[1], f->reads);
        put(f, route("n", "a", "1", ROOT("h")));
        assert_int_equal(f->told.dirties, 2);
        put(f, route("n", "b", "1", ROOT("h")));
        assert_int_equal(f->told.dirties, 1);
        assert_ptr_equal(f->told.dirty[0], &f->readers[1]);
}

static void readers__unread_lists__are_not_recorded(void **state)
{
        struct fixture *f = *state;
        struct view v = recording(f);
        const struct object *const *objects;
        view_list_unread(&v, f->arena, TERM_FQDN, "h", &objects);
        store_reader_set(f->store, &f->readers[0], f->reads);
        put(f, route("n", "a", "1", ROOT("h")));
        assert_int_equal(f->told.dirties, 0);
}

static void readers__candidate_hides_an_object__its_key_is_read_all_the_same(void **state)
{
        struct fixture *f = *state;
        AUTO(object) *candidate = route("n", "a", "9", "");
        struct view v = recording(f);
        v.candidate = candidate;
        view_get(&v, KIND_INGRESSROUTE, "n", "a");
        store_reader_set(f->store, &f->readers[0], f->reads);
        put(f, route("n", "a", "1", ""));
        assert_int_equal(f->told.dirties, 1);
}

static void reader_set__equal_reads__keeps_the_links(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ROOT("h")));
        const struct store_link *links = NULL;
        for (unsigned i = 0; i < 2; i++) {
                struct view v = recording(f);
                for (unsigned j = 0; j < 100; j++) { /* also again and again */
                        view_get(&v, KIND_INGRESSROUTE, "n", "a");
                        view_get(&v, KIND_SERVICE, "n", "absent");
                        list(&v, f->arena, TERM_FQDN, "h");
                }
                store_reader_set(f->store, &f->readers[0], f->reads);
                assert_int_equal(f->readers[0].link_count, 3);
                if (links)
                        assert_ptr_equal(f->readers[0].links, links);
                links = f->readers[0].links;
        }
}

static void reader_set__fewer_reads__forgets_the_others(void **state)
{
        struct fixture *f = *state;
        struct view v = recording(f);
        view_get(&v, KIND_SERVICE, "n", "a");
        view_get(&v, KIND_SERVICE, "n", "b");
        store_reader_set(f->store, &f->readers[0], f->reads);
        assert_int_equal(f->store->index.node_count, 2);
        v = recording(f);
        view_get(&v, KIND_SERVICE, "n", "b");
        store_reader_set(f->store, &f->readers[0], f->reads);
        assert_int_equal(f->store->index.node_count, 1);
        reads_clear(f->reads);
        store_reader_set(f->store, &f->readers[0], f->reads);
        assert_int_equal(f->store->index.node_count, 0);
        assert_null(f->readers[0].links);
}

static void collect_one(struct store_reader *reader, void *arg)
{
        on_dirty(reader, arg);
}

static void readers__of_a_key__are_listed_also_when_it_is_absent(void **state)
{
        struct fixture *f = *state;
        struct view v = recording(f);
        view_get(&v, KIND_SECRET, "n", "s");
        store_reader_set(f->store, &f->readers[0], f->reads);
        store_reader_set(f->store, &f->readers[1], f->reads);
        struct told told = {0};
        store_readers(f->store, KIND_SECRET, "n", "s", collect_one, &told);
        assert_int_equal(told.dirties, 2);
        store_readers(f->store, KIND_SECRET, "n", "t", collect_one, &told);
        assert_int_equal(told.dirties, 2);
}

/* Dropping one of many readers of a hub must not look at the others: 100,000 of them would take minutes. */
static void readers__of_a_hub__come_and_go_alone(void **state)
{
        struct fixture *f = *state;
        enum { READERS = 100000 };
        struct store_reader *readers = mem_calloc(READERS, sizeof(*readers));
        struct view v = recording(f);
        view_get(&v, KIND_SERVICE, "n", "hub");
        for (size_t i = 0; i < READERS; i++)
                store_reader_set(f->store, &readers[i], f->reads);
        store_put(f->store, test_object(KIND_SERVICE, "{'metadata':{'namespace':'n','name':'hub'}}"), 0, &f->hooks);
        assert_int_equal(f->told.dirties, READERS);
        for (size_t i = 0; i < READERS; i++)
                store_reader_set(f->store, &readers[i], NULL);
        mem_free(readers);
        store_remove(f->store, KIND_SERVICE, "n", "hub", 0, NULL);
        assert_int_equal(f->store->index.node_count, 0);
}

/* ---- sweeps ---- */

static void sweep__removes_what_was_not_seen(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ""));
        put(f, route("n", "b", "1", ROOT("h")));
        put(f, route("n", "c", "1", ""));
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        put(f, route("n", "a", "1", "")); /* unchanged counts as seen */
        put(f, route("n", "d", "1", ""));
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "b")); /* served until the end */
        f->told = (struct told){0};
        store_sweep_end(f->store, KIND_INGRESSROUTE, 0, SIZE_MAX, &f->hooks);
        assert_int_equal(f->told.changes, 2);
        assert_null(get(f->store, KIND_INGRESSROUTE, "n", "b"));
        assert_null(get(f->store, KIND_INGRESSROUTE, "n", "c"));
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "a"));
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "d"));
}

static void sweep__of_one_source__leaves_the_other(void **state)
{
        struct fixture *f = *state;
        store_put(f->store, route("n", "a", "1", ""), 0, NULL);
        store_put(f->store, route("n", "b", "1", ""), 1, NULL);
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 1);
        store_sweep_end(f->store, KIND_INGRESSROUTE, 0, SIZE_MAX, NULL);
        assert_null(get(f->store, KIND_INGRESSROUTE, "n", "a"));
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "b"));
        store_put(f->store, route("n", "b", "1", ""), 1, NULL);
        store_sweep_end(f->store, KIND_INGRESSROUTE, 1, SIZE_MAX, NULL);
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "b"));
}

static void sweep__end_in_steps__goes_on_until_it_says_so(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ""));
        put(f, route("n", "b", "1", ""));
        put(f, route("n", "c", "1", ""));
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        put(f, route("n", "d", "1", ""));
        assert_false(store_sweep_end(f->store, KIND_INGRESSROUTE, 0, 2, &f->hooks));
        assert_int_equal(store_count(f->store, KIND_INGRESSROUTE), 2);
        assert_true(store_sweep_end(f->store, KIND_INGRESSROUTE, 0, 2, &f->hooks));
        assert_int_equal(store_count(f->store, KIND_INGRESSROUTE), 1);
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "d"));
        assert_true(store_sweep_end(f->store, KIND_INGRESSROUTE, 0, 2, &f->hooks));
}

static void sweep__begun_again__counts_only_what_comes_after(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ""));
        put(f, route("n", "b", "1", ""));
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        put(f, route("n", "a", "1", ""));
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        put(f, route("n", "b", "1", ""));
        store_sweep_end(f->store, KIND_INGRESSROUTE, 0, SIZE_MAX, NULL);
        assert_null(get(f->store, KIND_INGRESSROUTE, "n", "a"));
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "b"));
}

static void sweep__object_that_changed_its_source__belongs_to_the_new_one(void **state)
{
        struct fixture *f = *state;
        put(f, route("n", "a", "1", ""));
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        store_put(f->store, route("n", "a", "1", ""), 1, NULL);
        store_sweep_end(f->store, KIND_INGRESSROUTE, 0, SIZE_MAX, NULL);
        assert_non_null(get(f->store, KIND_INGRESSROUTE, "n", "a"));
        assert_true(store_remove(f->store, KIND_INGRESSROUTE, "n", "a", 1, NULL));
}

/* ---- order of arrival ---- */

static void append_name(const struct object *o, void *arg)
{
        char *text = arg;
        text[strlen(text)] = o->name[0];
}

static void each__objects__come_in_order_of_arrival(void **state)
{
        struct fixture *f = *state;
        static const char *const names[] = {"c", "a", "d", "b", "a"};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                AUTO_STR *version = mem_printf("%zu", i);
                put(f, route("n", names[i], version, ""));
        }
        store_remove(f->store, KIND_INGRESSROUTE, "n", "d", 0, NULL);
        char text[16] = "";
        store_each(f->store, KIND_INGRESSROUTE, append_name, text);
        assert_string_equal(text, "cab");
        store_sweep_begin(f->store, KIND_INGRESSROUTE, 0);
        put(f, route("n", "c", "0", "")); /* a relist counts as arriving again */
        memset(text, 0, sizeof(text));
        store_each(f->store, KIND_INGRESSROUTE, append_name, text);
        assert_string_equal(text, "abc");
}

/* ---- size ---- */

static void put__object_with_very_many_terms__is_not_quadratic(void **state)
{
        struct fixture *f = *state;
        json_t *rules = json_array();
        for (unsigned i = 0; i < 100000; i++) {
                char host[32];
                snprintf(host, sizeof(host), "h%u", i / 2);
                json_array_append_new(rules, json_pack("{s:s}", "host", host));
        }
        json_t *json =
                json_pack("{s:{s:s,s:s},s:{s:o}}", "metadata", "name", "a", "namespace", "n", "spec", "rules", rules);
        store_put(f->store, test_decode_with(KIND_INGRESS, json, NULL), 0, NULL);
        json_decref(json);
        assert_int_equal(f->store->index.node_count, 50001);
        assert_true(store_remove(f->store, KIND_INGRESS, "n", "a", 0, NULL));
        assert_int_equal(f->store->index.node_count, 0);
}

static void list__very_many_members__is_in_order(void **state)
{
        struct fixture *f = *state;
        enum { MEMBERS = 10000 };
        for (unsigned i = 0; i < MEMBERS; i++) {
                char name[32];
                snprintf(name, sizeof(name), "r%u", i * 7919 % MEMBERS);
                put(f, route("n", name, "1", DELEGATES("hub")));
        }
        const struct object *const *objects;
        struct view v = {.store = f->store};
        assert_int_equal(view_list(&v, f->arena, TERM_DELEGATOR, "n/hub", &objects), MEMBERS);
        for (unsigned i = 1; i < MEMBERS; i++)
                assert_true(strcmp(objects[i - 1]->name, objects[i]->name) < 0);
        for (unsigned i = 0; i < MEMBERS; i++) {
                char name[32];
                snprintf(name, sizeof(name), "r%u", i);
                assert_true(store_remove(f->store, KIND_INGRESSROUTE, "n", name, 0, NULL));
        }
        assert_int_equal(f->store->index.node_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(put__new_object__is_found_by_key_and_terms),
                TEST(put__same_version_and_uid__changes_nothing),
                TEST(put__no_version__always_counts),
                TEST(put__changed_object__moves_between_terms),
                TEST(put__same_term_twice__lists_the_object_once),
                TEST(remove__object__leaves_nothing_behind),
                TEST(remove__by_another_source__leaves_the_object),
                TEST(remove__read_object__its_place_stays_until_the_reader_goes),
                TEST(list__members__come_by_kind_namespace_name_whatever_the_arrival),
                TEST(list__ingress__is_found_by_each_host_and_star),
                TEST(list__other_kinds__are_found_by_their_terms),
                TEST(list__delegate_with_an_endless_name__is_no_term),
                TEST(view__candidate__stands_in_the_place_of_the_stored_object),
                TEST(view__new_candidate__is_found_in_order),
                TEST(view__candidate_that_leaves_a_term__is_not_listed_there),
                TEST(readers__of_what_changed__are_told_once),
                TEST(readers__of_absent_things__are_told_when_they_come),
                TEST(readers__unread_lists__are_not_recorded),
                TEST(readers__candidate_hides_an_object__its_key_is_read_all_the_same),
                TEST(reader_set__equal_reads__keeps_the_links),
                TEST(reader_set__fewer_reads__forgets_the_others),
                TEST(readers__of_a_key__are_listed_also_when_it_is_absent),
                TEST(readers__of_a_hub__come_and_go_alone),
                TEST(sweep__removes_what_was_not_seen),
                TEST(sweep__of_one_source__leaves_the_other),
                TEST(sweep__end_in_steps__goes_on_until_it_says_so),
                TEST(sweep__begun_again__counts_only_what_comes_after),
                TEST(sweep__object_that_changed_its_source__belongs_to_the_new_one),
                TEST(each__objects__come_in_order_of_arrival),
                TEST(put__object_with_very_many_terms__is_not_quadratic),
                TEST(list__very_many_members__is_in_order),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
