/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dag - what compiling a host and judging an object costs, at 1,000, 10,000 and 100,000 roots of one route, each with
 * a Service, plain and with TLS; and an admission at each size.
 *
 * Times are of the processor, per call, over all hosts in order of arrival (as the first build does) and over hosts in
 * random order (as changes come; at 100,000 cache misses). Reads are recorded and set, as the controller does.
 */
#include "dag/compile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW INT64_C(1800000000000000)

enum { CALLS = 100000, FIRST_SEED = 12345 };

static int64_t cpu_now(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static uint32_t seed = FIRST_SEED;

static uint32_t pick(uint32_t n)
{
        seed = seed * 1664525 + 1013904223;
        return (uint32_t)((uint64_t)seed * n >> 32);
}

static void good_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                      struct pair_facts *facts)
{
        (void)crt, (void)crt_size, (void)key, (void)key_size;
        const char **names = arena_calloc(a, 1, sizeof(*names));
        names[0] = "*.shops.example.com";
        *facts = (struct pair_facts){.ok = true, .names = names, .name_count = 1, .not_after = INT64_MAX};
}

static const char *good_ca(struct arena *a, const char *ca, size_t ca_size)
{
        (void)a, (void)ca, (void)ca_size;
        return NULL;
}

static struct object *decode(enum kind kind, json_t *json)
{
        static const struct object_inspector inspector = {good_pair, good_ca};
        struct object *o = object_decode(kind, json, &(struct object_options){.inspector = &inspector}, NULL);
        assert(o);
        json_decref(json);
        return o;
}

static json_t *metadata(uint32_t i)
{
        return json_pack("{s:o,s:o,s:s}", "namespace", json_sprintf("team-%u", i % 100), "name",
                         json_sprintf("storefront-%u", i), "creationTimestamp", "2026-11-21T09:00:00Z");
}

static struct object *root_object(uint32_t i, bool tls)
{
        json_t *virtualhost = json_pack("{s:o}", "fqdn", json_sprintf("storefront-%u.shops.example.com", i));
        if (tls)
                json_object_set_new(virtualhost, "tls", json_pack("{s:s}", "secretName", "wildcard"));
        json_t *spec = json_pack("{s:o,s:[{s:s,s:[{s:o,s:i}]}]}", "virtualhost", virtualhost, "routes", "match", "/",
                                 "services", "name", json_sprintf("storefront-%u", i), "port", 8080);
        return decode(KIND_INGRESSROUTE, json_pack("{s:o,s:o}", "metadata", metadata(i), "spec", spec));
}

static struct object *service_object(uint32_t i)
{
        return decode(KIND_SERVICE,
                      json_pack("{s:o,s:{s:[{s:i}]}}", "metadata", metadata(i), "spec", "ports", "port", 8080));
}

static void put_secret(struct store *s, uint32_t namespace)
{
        json_t *m = json_pack("{s:o,s:s}", "namespace", json_sprintf("team-%u", namespace), "name", "wildcard");
        store_put(s,
                  decode(KIND_SECRET, json_pack("{s:o,s:s,s:{s:s,s:s}}", "metadata", m, "type", "kubernetes.io/tls",
                                                "stringData", "tls.crt", "c", "tls.key", "k")),
                  0, NULL);
}

/* One host and its object, as the controller keeps them. */
struct built {
        struct store_reader host_reader, object_reader;
        struct host *host;
        struct object_ref ref;
        char name[48];
};

struct bench {
        struct store *store;
        struct policy policy;
        struct reads *reads;
        struct built *all;
        uint32_t n;
        bool parts;
        int64_t compile, judge, set; /* nanoseconds spent */
};

/* Asking for the time costs a tenth of what is measured: only where the parts are wanted. */
static int64_t part_now(const struct bench *b)
{
        return b->parts ? cpu_now() : 0;
}

static void build_one(struct bench *b, struct built *x)
{
        struct view v = {.store = b->store, .reads = b->reads};
        int64_t begin = part_now(b);
        reads_clear(b->reads);
        struct host *h = host_compile(&v, &b->policy, x->name, NOW);
        int64_t compiled = part_now(b);
        store_reader_set(b->store, &x->host_reader, b->reads);
        host_unref(x->host);
        x->host = h;
        int64_t set = part_now(b);
        reads_clear(b->reads);
        AUTO(arena) *a = arena_new(256);
        struct findings list = {.arena = a};
        judge_object(&v, &b->policy, view_get(&v, KIND_INGRESSROUTE, x->ref.namespace, x->ref.name), &list);
        int64_t judged = part_now(b);
        store_reader_set(b->store, &x->object_reader, b->reads);
        b->compile += compiled - begin;
        b->judge += judged - set;
        b->set += set - compiled + part_now(b) - judged;
}

static void report(const char *what, uint32_t n, double value, const char *unit)
{
        printf("%-34s %7u  %10.1f %s\n", what, n, value, unit);
}

static void report_parts(const struct bench *b)
{
        report("host_compile", b->n, (double)b->compile / CALLS, "ns");
        report("judge_object", b->n, (double)b->judge / CALLS, "ns");
        report("both readers set", b->n, (double)b->set / CALLS, "ns");
}

static void fill(struct bench *b, bool tls)
{
        for (uint32_t i = 0; i < 100; i++)
                put_secret(b->store, i);
        for (uint32_t i = 0; i < b->n; i++) {
                struct object *o = root_object(i, tls);
                struct built *x = &b->all[i];
                x->ref = (struct object_ref){KIND_INGRESSROUTE, o->namespace, o->name};
                snprintf(x->name, sizeof(x->name), "%s", o->ingressroute->fqdn_host);
                store_put(b->store, o, 0, NULL);
                store_put(b->store, service_object(i), 0, NULL);
        }
}

/* Judges a newcomer with a name of its own: what an admission costs beside JSON and HTTP. */
static void admit(struct bench *b)
{
        AUTO(object) *o = root_object(b->n, false);
        int64_t begin = cpu_now();
        for (uint32_t i = 0; i < CALLS; i++) {
                AUTO(arena) *a = arena_new(1024);
                struct view v = {.store = b->store, .candidate = o};
                struct findings list = {.arena = a};
                judge_candidate(&v, &b->policy, NOW, &list);
                assert(list.count == 1); /* its Service is not there */
        }
        report("judge_candidate, a new root", b->n, (double)(cpu_now() - begin) / CALLS, "ns");
}

static void run(uint32_t n, bool tls)
{
        struct bench b = {.store = store_new(), .reads = reads_new(), .n = n};
        b.all = mem_calloc(n, sizeof(*b.all));
        fill(&b, tls);
        int64_t begin = cpu_now();
        for (uint32_t i = 0; i < n; i++)
                build_one(&b, &b.all[i]);
        report(tls ? "first build, with TLS" : "first build", n, (double)(cpu_now() - begin) / 1e6, "ms");
        report("host_size", n, (double)host_size(b.all[0].host), "bytes");
        b.parts = true;
        for (uint32_t i = 0; i < CALLS; i++)
                build_one(&b, &b.all[pick(n)]);
        report_parts(&b);
        admit(&b);
        for (uint32_t i = 0; i < n; i++) {
                store_reader_set(b.store, &b.all[i].host_reader, NULL);
                store_reader_set(b.store, &b.all[i].object_reader, NULL);
                host_unref(b.all[i].host);
        }
        reads_free(b.reads);
        store_free(b.store);
        mem_free(b.all);
}

int main(int argc, char **argv)
{
        if (argc > 1) {
                run((uint32_t)atoi(argv[1]), false);
                return 0;
        }
        run(1000, false);
        run(10000, false);
        run(10000, true);
        run(100000, false);
        return 0;
}
