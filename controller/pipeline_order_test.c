/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the order in which objects come, change and go: the same hosts and states, and nobody is left untold. */
#include "controller/pipeline_fixture.h"

static unsigned random_state;

static unsigned draw(unsigned n)
{
        random_state = random_state * 1103515245 + 12345;
        return random_state / 65536 % n;
}

static const char *pick(const char *const *list, size_t n)
{
        return list[draw((unsigned)n)];
}

static const char *const namespaces[] = {"a", "b", "c"};
static const char *const names[] = {"one", "two", "three", "four"};
static const char *const fqdns[] = {"x.example", "y.example", "bad_host"};
static const char *const tls[] = {
        "",
        "",
        ",\"tls\":{\"secretName\":\"cert\"}",
        ",\"tls\":{\"secretName\":\"c/cert\"}",
        ",\"tls\":{\"passthrough\":true}",
};
static const char *const paths[] = {"/", "/p", "/p/q", "/other", "nonsense"};
#define PICK(list) pick(list, COUNT_OF(list))

enum { THINGS = 3 * 4 + 3 * 5 + 2 + 1 };

/* One of a small set of objects that refer to each other; "" as content removes it. */
struct thing {
        enum kind kind;
        const char *namespace, *name;
        char *content; /* NULL: absent */
};

static void append_route(struct buf *b)
{
        buf_printf(b, "{\"match\":\"%s\",", PICK(paths));
        if (draw(2))
                buf_printf(b, "\"delegate\":{\"name\":\"%s\",\"namespace\":\"%s\"}}", PICK(names), PICK(namespaces));
        else
                buf_printf(b, "\"services\":[{\"name\":\"s%u\",\"port\":%u}]}", draw(2), draw(5) ? 80 : 0);
}

static void append_annotations(struct buf *b)
{
        static const char *const annotations[] = {
                "\"contour.heptio.com/delegated-from\":\"a/one,b/*\"",
                "\"contour.heptio.com/ingress.class\":\"other\"",
                "\"contour.heptio.com/fqdn-handover\":\"b/two\"",
                "\"contour.heptio.com/delegated-from\":\"?\"",
        };
        if (draw(3) == 0)
                buf_append_str(b, PICK(annotations));
}

static void append_claim(struct buf *b)
{
        if (draw(2))
                buf_printf(
                        b,
                        ",\"status\":{\"claim\":{\"fqdn\":\"%s\",\"since\":\"2026-01-0%uT00:00:00Z\",\"by\":\"%s\"}}",
                        PICK(fqdns), 1 + draw(3), draw(4) ? "me" : "forged");
}

static char *random_ingressroute(void)
{
        AUTO(buf) *b = buf_new(65536);
        append_annotations(b);
        buf_printf(b, "}},\"spec\":{");
        if (draw(2))
                buf_printf(b, "\"virtualhost\":{\"fqdn\":\"%s\"%s},", PICK(fqdns), PICK(tls));
        buf_append_str(b, "\"routes\":[");
        for (unsigned i = 0, n = draw(4); i < n; i++) {
                buf_append_str(b, i ? "," : "");
                append_route(b);
        }
        buf_append_str(b, "]}");
        append_claim(b);
        return buf_take_str(b);
}

static char *random_secret(void)
{
        AUTO_STR *data = secret_data(clock_wall / TIME_MICROS_PER_SECOND + (draw(3) ? 100 : 1) * 86400);
        return mem_printf("}},\"type\":\"%s\",%s", draw(4) ? "kubernetes.io/tls" : "Opaque", data);
}

static char *random_ingress(void)
{
        static const char *const classes[] = {"\"kubernetes.io/ingress.class\":\"contour\"}},\"spec\":{",
                                              "}},\"spec\":{", "}},\"spec\":{\"ingressClassName\":\"ours\","};
        return mem_printf("%s\"rules\":[{\"host\":\"%s\",\"http\":{\"paths\":[{\"path\":\"/p\",\"pathType\":\"Prefix\","
                          "\"backend\":{\"service\":{\"name\":\"s0\",\"port\":{\"number\":80}}}}]}}]}",
                          PICK(classes), PICK(fqdns));
}

static char *random_content(enum kind kind)
{
        if (draw(4) == 0)
                return NULL;
        if (kind == KIND_INGRESSROUTE)
                return random_ingressroute();
        if (kind == KIND_SERVICE)
                return mem_printf("}},\"spec\":{\"ports\":[{\"port\":%u}]}", draw(4) ? 80 : 81);
        if (kind == KIND_NAMESPACE)
                return mem_printf("%s}}", draw(3) ? "" : "\"contour.heptio.com/allowed-fqdns\":\"x.example\"");
        if (kind == KIND_SECRET)
                return random_secret();
        if (kind == KIND_TLSCERTIFICATEDELEGATION)
                return mem_printf(
                        "}},\"spec\":{\"delegations\":[{\"secretName\":\"cert\",\"targetNamespaces\":[\"%s\"]}]}",
                        draw(3) ? PICK(namespaces) : "*");
        if (kind == KIND_INGRESSCLASS)
                return mem_printf("\"ingressclass.kubernetes.io/is-default-class\":\"%s\"}},\"spec\":{\"controller\":"
                                  "\"%s\"}",
                                  draw(2) ? "true" : "false", draw(2) ? "gatehouse.io/ingress-controller" : "other");
        return random_ingress();
}

static void make_things(struct thing *things)
{
        size_t n = 0;
        for (size_t i = 0; i < COUNT_OF(namespaces); i++) {
                for (size_t k = 0; k < COUNT_OF(names); k++)
                        things[n++] = (struct thing){KIND_INGRESSROUTE, namespaces[i], names[k], NULL};
                things[n++] = (struct thing){KIND_SERVICE, namespaces[i], "s0", NULL};
                things[n++] = (struct thing){KIND_SERVICE, namespaces[i], "s1", NULL};
                things[n++] = (struct thing){KIND_NAMESPACE, "", namespaces[i], NULL};
                things[n++] = (struct thing){KIND_SECRET, namespaces[i], "cert", NULL};
                things[n++] = (struct thing){KIND_TLSCERTIFICATEDELEGATION, namespaces[i], "grants", NULL};
        }
        things[n++] = (struct thing){KIND_INGRESS, "a", "in", NULL};
        things[n++] = (struct thing){KIND_INGRESS, "c", "in", NULL};
        things[n++] = (struct thing){KIND_INGRESSCLASS, "", "ours", NULL};
        assert_int_equal(n, THINGS);
}

static void put_thing(struct world *w, const struct thing *t, size_t index, unsigned version)
{
        if (!t->content) {
                pipeline_remove(w->pipeline, t->kind, t->namespace, t->name, 0);
                return;
        }
        AUTO_STR *text =
                mem_printf("{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u\",\"resourceVersion\":"
                           "\"%u\",\"generation\":1,\"creationTimestamp\":\"2025-01-01T00:00:%02zuZ\","
                           "\"annotations\":{%s}",
                           t->namespace, t->name, version, index % 7, t->content);
        put(w, t->kind, text);
}

/* Until no deleted Secret lingers any more. */
static void settle_all(struct world *w)
{
        settle(w);
        pass(61 * DURATION_SECOND);
        settle(w);
}

/* A Secret that turns bad goes first: what it last held that was good depends on the past alone. */
static void change_thing(struct world *w, const struct thing *t, size_t index, unsigned version)
{
        if (t->kind == KIND_SECRET && t->content && strstr(t->content, "Opaque")) {
                pipeline_remove(w->pipeline, t->kind, t->namespace, t->name, 0);
                settle_all(w);
        }
        put_thing(w, t, index, version);
}

static void append_host(const struct host *h, void *arg)
{
        AUTO(buf) *b = buf_new(1 << 20);
        host_text(b, h);
        mem_free(map_set(arg, h->name, buf_take_str(b)));
}

/* All hosts, by name. */
static char *all_hosts(const struct world *w)
{
        AUTO(map) *hosts = map_new();
        pipeline_each_host(w->pipeline, append_host, hosts);
        struct map_entry *sorted = map_sorted(hosts);
        AUTO(buf) *b = buf_new(1 << 24);
        for (size_t i = 0; i < map_count(hosts); i++)
                buf_printf(b, "%s\n%s\n", sorted[i].key, (const char *)sorted[i].value);
        mem_free(sorted);
        map_each(hosts, free_text, NULL);
        return buf_take_str(b);
}

/* What was told of all objects, by key. */
static char *all_told(const struct world *w)
{
        struct map_entry *sorted = map_sorted(w->told);
        AUTO(buf) *b = buf_new(1 << 24);
        for (size_t i = 0; i < map_count(w->told); i++)
                buf_printf(b, "%s", (const char *)sorted[i].value);
        mem_free(sorted);
        return buf_take_str(b);
}

static void shuffle(size_t *order, size_t n)
{
        for (size_t i = 0; i < n; i++)
                order[i] = i;
        for (size_t i = n - 1; i > 0; i--) {
                size_t k = draw((unsigned)i + 1);
                size_t swap = order[i];
                order[i] = order[k];
                order[k] = swap;
        }
}

/* A world into which the things come in random order, started before, after or in the middle. */
static struct world *world_of(const struct thing *things)
{
        struct world *w = world_new();
        size_t order[THINGS];
        shuffle(order, THINGS);
        size_t begin = draw(THINGS);
        for (size_t i = 0; i < THINGS; i++) {
                if (i == begin)
                        pipeline_start(w->pipeline);
                if (things[order[i]].content)
                        put_thing(w, &things[order[i]], order[i], 1);
                if (draw(3) == 0)
                        settle(w);
        }
        settle(w);
        return w;
}

static void assert_same(const struct world *a, const struct world *b, unsigned seed, const char *what)
{
        AUTO_STR *hosts_a = all_hosts(a);
        AUTO_STR *hosts_b = all_hosts(b);
        AUTO_STR *told_a = all_told(a);
        AUTO_STR *told_b = all_told(b);
        if (strcmp(hosts_a, hosts_b) != 0)
                fail_msg("seed %u, %s: hosts differ\n--- one\n%s--- other\n%s", seed, what, hosts_a, hosts_b);
        if (strcmp(told_a, told_b) != 0)
                fail_msg("seed %u, %s: states differ\n--- one\n%s--- other\n%s", seed, what, told_a, told_b);
}

static void order__random_arrival_and_changes__hosts_and_states_as_from_scratch(void **state)
{
        (void)state;
        for (unsigned seed = 1; seed <= 60; seed++) {
                random_state = seed;
                struct thing things[THINGS];
                make_things(things);
                AUTO(world) *w = started();
                for (unsigned step = 1; step <= 120; step++) {
                        size_t i = draw(THINGS);
                        mem_free(things[i].content);
                        things[i].content = random_content(things[i].kind);
                        change_thing(w, &things[i], i, step);
                        if (draw(3) == 0)
                                settle(w);
                        if (step % 30)
                                continue;
                        settle_all(w);
                        AUTO(world) *fresh = world_of(things);
                        assert_same(w, fresh, seed, "changed step by step and from scratch");
                        AUTO(world) *other = world_of(things);
                        assert_same(fresh, other, seed, "two orders of arrival");
                }
                for (size_t i = 0; i < THINGS; i++)
                        mem_free(things[i].content);
        }
}

int main(void)
{
        clock_wall = 1800000000 * TIME_MICROS_PER_SECOND;
        clock_monotonic = 1000 * DURATION_SECOND;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(order__random_arrival_and_changes__hosts_and_states_as_from_scratch),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
