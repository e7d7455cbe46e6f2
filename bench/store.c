/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - what the store costs, at 1,000, 10,000 and 100,000 IngressRoutes of one route, each with a Service.
 *
 * Memory is what malloc has handed out (mallinfo2), all included: objects, nodes, buckets, and one reader for each
 * host with the five things that a compile of it reads. Times are of the processor, per call, over keys in random
 * order: at 100,000 they are cache misses. Objects are decoded from parsed JSON; parsing is not measured.
 */
#include "kube/store.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLS = 200000, FIRST_SEED = 12345 };

static uint32_t seed = FIRST_SEED;

static uint32_t pick(uint32_t n)
{
        seed = seed * 1664525 + 1013904223;
        return (uint32_t)((uint64_t)seed * n >> 32);
}

/* Of this thread: the machine may be busy with something else. */
static int64_t cpu_now(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static size_t heap(void)
{
        struct mallinfo2 m = mallinfo2();
        return m.uordblks + m.hblkhd;
}

/* ---- objects ---- */

static void namespace_of(uint32_t i, char out[32])
{
        snprintf(out, 32, "team-%u", i % 100);
}

static void name_of(uint32_t i, char out[32])
{
        snprintf(out, 32, "storefront-%u", i);
}

static void host_of(uint32_t i, char out[64])
{
        snprintf(out, 64, "storefront-%u.shops.example.com", i);
}

static json_t *metadata(uint32_t i, unsigned version)
{
        char namespace[32], name[32];
        namespace_of(i, namespace);
        name_of(i, name);
        return json_pack("{s:s,s:s,s:o,s:o,s:s}", "namespace", namespace, "name", name, "uid",
                         json_sprintf("0d8f4a5c-1f2e-4b7a-9c3d-%012u", i), "resourceVersion",
                         json_sprintf("%u", version * 1000000 + i), "creationTimestamp", "2026-11-21T09:00:00Z");
}

static json_t *route_json(uint32_t i, unsigned version)
{
        char name[32], host[64];
        name_of(i, name);
        host_of(i, host);
        json_t *spec = json_pack("{s:{s:s,s:{s:s}},s:[{s:s,s:[{s:s,s:i}]}]}", "virtualhost", "fqdn", host, "tls",
                                 "secretName", name, "routes", "match", "/", "services", "name", name, "port", 8080);
        json_t *condition = json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "Valid", "status", "True", "reason", "Valid",
                                      "message", "valid IngressRoute", "lastTransitionTime", "2026-11-21T09:00:00Z");
        json_t *status =
                json_pack("{s:s,s:s,s:i,s:[o],s:[s],s:{s:s,s:s,s:s}}", "currentStatus", "valid", "description",
                          "valid IngressRoute", "observedGeneration", 1, "conditions", condition, "virtualHosts", host,
                          "claim", "fqdn", host, "since", "2026-11-21T09:00:00.000000Z", "by", "0d8f4a5c1f2e4b7a");
        return json_pack("{s:o,s:o,s:o}", "metadata", metadata(i, version), "spec", spec, "status", status);
}

static json_t *service_json(uint32_t i)
{
        return json_pack("{s:o,s:{s:[{s:s,s:i,s:s}]}}", "metadata", metadata(i, 1), "spec", "ports", "name", "http",
                         "port", 8080, "protocol", "TCP");
}

static struct object *decode(enum kind kind, json_t *json)
{
        struct object *o = object_decode(kind, json, NULL, NULL);
        assert(o);
        json_decref(json);
        return o;
}

/* ---- one size ---- */

/* What a compile of host i reads. */
static void read_host(const struct view *v, struct arena *a, uint32_t i)
{
        char namespace[32], name[32], host[64];
        const struct object *const *list;
        namespace_of(i, namespace);
        name_of(i, name);
        host_of(i, host);
        view_list(v, a, TERM_FQDN, host, &list);
        view_get(v, KIND_INGRESSROUTE, namespace, name);
        view_get(v, KIND_NAMESPACE, "", namespace);
        view_get(v, KIND_SERVICE, namespace, name);
        view_get(v, KIND_SECRET, namespace, name);
}

static void report(const char *what, uint32_t n, double value, const char *unit)
{
        printf("%-34s %7u  %10.1f %s\n", what, n, value, unit);
}

static void fill(struct store *s, uint32_t n)
{
        size_t before = heap();
        int64_t spent = 0;
        for (uint32_t i = 0; i < n; i++) {
                json_t *json = route_json(i, 1);
                int64_t begin = cpu_now();
                store_put(s, object_decode(KIND_INGRESSROUTE, json, NULL, NULL), 0, NULL);
                spent += cpu_now() - begin;
                json_decref(json);
        }
        report("decode and put, new", n, (double)spent / n, "ns");
        report("IngressRoute with its nodes", n, (double)(heap() - before) / n, "bytes");
        before = heap();
        for (uint32_t i = 0; i < n; i++)
                store_put(s, decode(KIND_SERVICE, service_json(i)), 0, NULL);
        report("Service with its node", n, (double)(heap() - before) / n, "bytes");
}

static struct store_reader *read_all(struct store *s, uint32_t n, struct reads *reads, struct arena *a)
{
        size_t before = heap();
        struct store_reader *readers = mem_calloc(n, sizeof(*readers));
        struct view v = {.store = s, .reads = reads};
        int64_t begin = cpu_now();
        for (uint32_t i = 0; i < n; i++) {
                reads_clear(reads);
                arena_reset(a);
                read_host(&v, a, i);
                store_reader_set(s, &readers[i], reads);
        }
        report("read and set, first time", n, (double)(cpu_now() - begin) / n, "ns a host of 5");
        report("reader of a host, 5 reads, 1 absent", n, (double)(heap() - before) / n, "bytes");
        begin = cpu_now();
        for (uint32_t i = 0; i < CALLS; i++) {
                uint32_t host = pick(n);
                reads_clear(reads);
                arena_reset(a);
                read_host(&v, a, host);
                store_reader_set(s, &readers[host], reads);
        }
        report("read and set, the same again", n, (double)(cpu_now() - begin) / CALLS, "ns a host of 5");
        return readers;
}

static void look(const struct store *s, uint32_t n, struct arena *a)
{
        struct view v = {.store = s};
        char(*keys)[3][64] = mem_calloc(CALLS, sizeof(*keys));
        for (uint32_t i = 0; i < CALLS; i++) {
                uint32_t which = pick(n);
                namespace_of(which, keys[i][0]);
                name_of(which, keys[i][1]);
                host_of(which, keys[i][2]);
        }
        int64_t begin = cpu_now();
        for (uint32_t i = 0; i < CALLS; i++)
                if (!view_get(&v, KIND_INGRESSROUTE, keys[i][0], keys[i][1]))
                        abort();
        report("view_get", n, (double)(cpu_now() - begin) / CALLS, "ns");
        begin = cpu_now();
        for (uint32_t i = 0; i < CALLS; i++) {
                const struct object *const *list;
                arena_reset(a);
                if (view_list(&v, a, TERM_FQDN, keys[i][2], &list) != 1)
                        abort();
        }
        report("view_list of one", n, (double)(cpu_now() - begin) / CALLS, "ns");
        mem_free(keys);
}

static void nothing(struct store_reader *reader, void *arg)
{
        (void)reader;
        ++*(size_t *)arg;
}

static void change(struct store *s, uint32_t n)
{
        size_t dirty = 0;
        struct store_hooks hooks = {.on_dirty = nothing, .arg = &dirty};
        int64_t spent = 0;
        uint32_t count = n < 10000 ? n : 10000;
        for (uint32_t i = 0; i < count; i++) {
                struct object *o = decode(KIND_INGRESSROUTE, route_json(i, 2));
                int64_t begin = cpu_now();
                store_put(s, o, 0, &hooks);
                spent += cpu_now() - begin;
        }
        if (dirty != count)
                abort();
        report("put, changed, its reader told", n, (double)spent / count, "ns");
        int64_t begin = cpu_now();
        store_sweep_begin(s, KIND_INGRESSROUTE, 0);
        spent = cpu_now() - begin;
        int64_t worst = 0;
        for (uint32_t i = 0; i + 1 < n; i++)
                store_put(s, decode(KIND_INGRESSROUTE, route_json(i, i < count ? 2 : 1)), 0, &hooks);
        begin = cpu_now();
        store_sweep_end(s, KIND_INGRESSROUTE, 0, SIZE_MAX, &hooks);
        worst = cpu_now() - begin;
        report("sweep end, one object gone", n, (double)(spent + worst) / 1000, "us");
}

static void measure(uint32_t n)
{
        AUTO(store) *s = store_new();
        AUTO(reads) *reads = reads_new();
        AUTO(arena) *a = arena_new(4096);
        size_t before = heap();
        fill(s, n);
        struct store_reader *readers = read_all(s, n, reads, a);
        report("all of it", n, (double)(heap() - before) / (1024 * 1024), "MiB");
        look(s, n, a);
        change(s, n);
        for (uint32_t i = 0; i < n; i++)
                store_reader_set(s, &readers[i], NULL);
        mem_free(readers);
}

int main(void)
{
        static const uint32_t sizes[] = {1000, 10000, 100000};
        mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024); /* so that every size is counted alike */
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
                measure(sizes[i]);
        return 0;
}
