/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache against a model, in random schedules: whatever has come, gone and been refused, it holds what a publisher
 * gives that has only ever seen the store as it is now, except that a host which Envoy refuses shows what was accepted
 * last. PUBLISHER_SEED=N repeats a run.
 */
#include "xds/publisher_testing.h"

#include "xds/translate.h"
#include "xds/translate_listener.h"
#include "xds/translate_route.h"

#include <time.h>

enum { STEPS = 4000, ROOTS = 8, NAMES = 6, SERVICES = 4, SECRETS = 3 };

static uint64_t random_state;

static unsigned draw(unsigned n)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)((random_state >> 11) % n);
}

#define PICK(list) ((list)[draw(COUNT_OF(list))])

/* ---- a schedule ---- */

static const char *const namespaces[] = {"a", "b"};
/* An Envoy takes no path "/bad" and no Secret "badcert". */
static const char *const paths[] = {"/ s0", "/ s0 s1", "/ s2:80*3 s3", "/bad s1", "/x s3", "/x s1:81"};
static const char *const secrets[] = {"cert", "badcert", "other"};

static void put_root(struct world *w)
{
        unsigned root = draw(ROOTS);
        AUTO_STR *tls = draw(2) ? mem_printf("'tls': '%s',", PICK(secrets)) : mem_strdup("");
        AUTO_STR *proxy = draw(6) ? mem_strdup("") : mem_printf("'tcpproxy': 's%u',", draw(SERVICES));
        AUTO_STR *text = mem_printf("{'ir': '%s/r%u', 'created': %u, 'fqdn': 'h%u.example', %s %s 'routes': ['%s'%s]}",
                                    namespaces[root % 2], root, draw(5), draw(NAMES), tls, proxy, PICK(paths),
                                    draw(3) ? "" : ", '/deep s2'");
        world_put(w, text);
}

static void put_service(struct world *w)
{
        static const char *const ports[] = {"80", "{'port': 80, 'name': 'http'}", "80, {'port': 81, 'name': 'more'}"};
        static const char *const annotations[] = {"", "'annotations': {'upstream-protocol.h2c': '80'},",
                                                  "'annotations': {'max-connections': '7'},"};
        AUTO_STR *text = mem_printf("{'svc': '%s/s%u', %s 'ports': [%s]}", PICK(namespaces), draw(SERVICES),
                                    PICK(annotations), PICK(ports));
        world_put(w, text);
}

static void put_slice(struct world *w)
{
        AUTO_STR *name = mem_printf("slice%u", draw(6));
        AUTO_STR *service = mem_printf("s%u", draw(SERVICES));
        AUTO_STR *address = mem_printf("10.0.0.%u", draw(250));
        world_put_slice(w, PICK(namespaces), name, service, address);
}

static void put_secret(struct world *w)
{
        AUTO_STR *text = mem_printf("{'secret': '%s/%s', 'names': ['h%u.example']%s}", PICK(namespaces), PICK(secrets),
                                    draw(NAMES), draw(5) ? "" : ", 'problem': 'broken'");
        world_put(w, text);
}

static void remove_something(struct world *w)
{
        unsigned root = draw(ROOTS);
        AUTO_STR *name = mem_printf("r%u", root);
        AUTO_STR *service = mem_printf("s%u", draw(SERVICES));
        AUTO_STR *slice = mem_printf("slice%u", draw(6));
        switch (draw(4)) {
        case 0:
                world_remove(w, KIND_INGRESSROUTE, namespaces[root % 2], name);
                return;
        case 1:
                world_remove(w, KIND_SERVICE, PICK(namespaces), service);
                return;
        case 2:
                world_remove(w, KIND_ENDPOINTSLICE, PICK(namespaces), slice);
                return;
        default:
                world_remove(w, KIND_SECRET, PICK(namespaces), PICK(secrets));
        }
}

/* ---- the model: what each host shows in a shared resource ---- */

struct model {
        const char *bad;      /* what an Envoy refuses */
        struct map *accepted; /* host -> resource: what was accepted last */
        struct map *shown;    /* host -> resource: what a publisher without a past would show */
        struct map *closed;   /* host -> resource: what stands for it while nothing was accepted */
        struct resource *(*close)(const struct host *h);
        const struct resource *parts[NAMES]; /* what is expected, in order of hosts */
        size_t count;
        size_t refused; /* hosts that are */
};

static bool holds(const struct resource *r, const char *text)
{
        return r && memmem(r->bytes, r->size, text, strlen(text));
}

static void unref(const char *name, void *resource, void *arg)
{
        (void)name, (void)arg;
        resource_unref(resource);
}

static void forget(struct map **m)
{
        map_each(*m, unref, NULL);
        map_free(*m);
        *m = map_new();
}

static void set_part(struct map *m, const char *host, const struct resource *r)
{
        resource_unref(r ? map_set(m, host, resource_ref(r)) : map_remove(m, host));
}

struct models {
        struct model routes, https;
};

static void translate(const char *name, void *host, void *arg)
{
        struct models *m = arg;
        AUTO(translation) *t = translate_host(host, &xds_options_default);
        set_part(m->routes.shown, name, t->virtual_host);
        set_part(m->https.shown, name, t->filter_chain);
}

static void drop_gone(const char *name, void *resource, void *arg)
{
        struct model *m = arg;
        if (map_get(m->shown, name))
                return;
        map_remove(m->accepted, name);
        resource_unref(resource);
}

/* After a flush: what has gone is forgotten. */
static void flushed(struct models *m, const struct world *w)
{
        forget(&m->routes.shown);
        forget(&m->https.shown);
        map_each(w->hosts, translate, m);
        map_each(m->routes.accepted, drop_gone, &m->routes);
        map_each(m->https.accepted, drop_gone, &m->https);
}

static struct resource *close_chain(const struct host *h)
{
        return translate_filter_chain(h, &xds_options_default);
}

/* A root that serves nothing, and no plain HTTP for its TLS. */
static const struct resource *closed_part(struct model *m, const char *name)
{
        const struct object_ref root = {KIND_INGRESSROUTE, "a", "root"};
        const struct host_tls broken = {.broken = true};
        if (!map_get(m->closed, name))
                map_set(m->closed, name, m->close(&(struct host){.name = name, .owner = &root, .tls = &broken}));
        return map_get(m->closed, name);
}

/* All is answered: what is good is accepted, what is bad shows what was. */
static void answered(struct model *m)
{
        struct map_entry *sorted = map_sorted(m->shown);
        m->count = m->refused = 0;
        for (size_t i = 0; i < map_count(m->shown); i++) {
                const struct resource *part = sorted[i].value;
                if (holds(part, m->bad))
                        m->refused++;
                else
                        set_part(m->accepted, sorted[i].key, part);
                part = map_get(m->accepted, sorted[i].key);
                m->parts[m->count++] = part ? part : closed_part(m, sorted[i].key);
        }
        mem_free(sorted);
}

/* ---- an Envoy ---- */

/* It answers what is there until it has accepted both. */
static void answer_all(struct world *w, const struct models *m)
{
        for (int round = 0; round < 200; round++) {
                const struct resource *routes = cache_find(w->cache, RESOURCE_ROUTE_CONFIGURATION, HTTP_ROUTES_NAME);
                const struct resource *https = cache_find(w->cache, RESOURCE_LISTENER, HTTPS_LISTENER_NAME);
                bool bad_routes = holds(routes, m->routes.bad), bad_https = holds(https, m->https.bad);
                size_t changed = world_answer(w, RESOURCE_ROUTE_CONFIGURATION, HTTP_ROUTES_NAME,
                                              bad_routes ? STREAM_NACKS : STREAM_ACKS);
                if (https)
                        changed += world_answer(w, RESOURCE_LISTENER, HTTPS_LISTENER_NAME,
                                                bad_https ? STREAM_NACKS : STREAM_ACKS);
                if (!changed && !bad_routes && !bad_https)
                        return;
        }
        fail_msg("Envoy is not content after 200 answers");
}

/* ---- comparing ---- */

static bool is_shared(const struct cache_name *n)
{
        return (n->type == RESOURCE_ROUTE_CONFIGURATION && str_equal(n->text, HTTP_ROUTES_NAME)) ||
               (n->type == RESOURCE_LISTENER && str_equal(n->text, HTTPS_LISTENER_NAME));
}

/* All but what is shared, as text. */
static char *cache_text(struct cache *c)
{
        AUTO(buf) *out = buf_new(1 << 20);
        for (unsigned type = 0; type < RESOURCE_SERVED_TYPES; type++) {
                size_t n;
                struct cache_name *const *names = cache_list(c, (enum resource_type)type, &n);
                for (size_t i = 0; i < n; i++) {
                        if (!is_shared(names[i]))
                                buf_printf(out, "%u %s %s %s\n", type, names[i]->text, names[i]->resource->version,
                                           names[i]->endpoints ? names[i]->endpoints->text : "");
                }
        }
        return buf_take_str(out);
}

static void compare_shared(const struct world *w, const struct models *m)
{
        struct resource *routes = translate_http_routes(m->routes.parts, m->routes.count);
        struct resource *https = translate_https_listener(&xds_options_default, m->https.parts, m->https.count);
        assert_true(resource_equal(routes, cache_find(w->cache, RESOURCE_ROUTE_CONFIGURATION, HTTP_ROUTES_NAME)));
        assert_true(resource_equal(https, cache_find(w->cache, RESOURCE_LISTENER, HTTPS_LISTENER_NAME)));
        resource_unref(routes);
        resource_unref(https);
        assert_int_equal(publisher_held(w->publisher), m->routes.refused + m->https.refused);
        assert_in_range(map_count(w->refused),
                        m->routes.refused > m->https.refused ? m->routes.refused : m->https.refused,
                        m->routes.refused + m->https.refused);
}

static void compare_rest(struct world *w)
{
        struct world fresh;
        struct store *store = w->store;
        world_init(&fresh);
        store_free(fresh.store);
        publisher_free(fresh.publisher);
        fresh.store = store;
        fresh.publisher = publisher_new(
                &(struct publisher_options){.store = store, .cache = fresh.cache, .options = &xds_options_default});
        world_settle(&fresh);
        AUTO_STR *is = cache_text(w->cache);
        AUTO_STR *should_be = cache_text(fresh.cache);
        fresh.store = NULL;
        world_done(&fresh);
        if (strcmp(is, should_be))
                fail_msg("the cache holds\n%s\nand should hold\n%s", is, should_be);
}

/* ---- the test ---- */

static void change(struct world *w)
{
        switch (draw(8)) {
        case 0:
        case 1:
        case 2:
                put_root(w);
                return;
        case 3:
                put_service(w);
                return;
        case 4:
                put_slice(w);
                return;
        case 5:
                put_secret(w);
                return;
        default:
                remove_something(w);
        }
}

static void step(struct world *w, struct models *m)
{
        change(w);
        switch (draw(6)) {
        case 0: /* compiled, and not visible yet */
                world_tell(w);
                return;
        case 1:
                publisher_flush_endpoints(w->publisher, ++w->now);
                return;
        case 2:
                world_settle(w);
                flushed(m, w);
                compare_rest(w);
                return;
        case 3:
                world_settle(w);
                flushed(m, w);
                answer_all(w, m);
                answered(&m->routes);
                answered(&m->https);
                compare_shared(w, m);
                compare_rest(w);
                return;
        default:
                return;
        }
}

static void cache__random_changes_and_answers__is_what_the_store_gives(void **state)
{
        (void)state;
        const char *given = getenv("PUBLISHER_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
        print_message("PUBLISHER_SEED=%llu\n", (unsigned long long)seed);
        random_state = seed ? seed : 1;
        struct world w;
        world_init(&w);
        struct models m = {
                .routes = {.bad = "/bad", .close = translate_virtual_host},
                .https = {.bad = "badcert", .close = close_chain},
        };
        struct map **maps[] = {&m.routes.accepted, &m.routes.shown, &m.routes.closed,
                               &m.https.accepted,  &m.https.shown,  &m.https.closed};
        for (size_t i = 0; i < COUNT_OF(maps); i++)
                *maps[i] = map_new();
        for (int i = 0; i < STEPS; i++)
                step(&w, &m);
        for (size_t i = 0; i < COUNT_OF(maps); i++) {
                forget(maps[i]);
                map_free(*maps[i]);
        }
        world_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cache__random_changes_and_answers__is_what_the_store_gives),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
