/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build - the first build of N IngressRoutes from memory, and what the store and the hosts take.
 *
 *     build/bench/build [N...]     (1000 10000 100000)
 *
 * One root with one route and one Service of its own each, in namespaces of 50, as decoded from what an API server
 * sends. "list" is decoding and storing, "build" is compiling all of it and computing every status.
 */
#include "base/time.h"
#include "controller/pipeline.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char route_format[] =
        "{\"apiVersion\":\"contour.heptio.com/v1beta1\",\"kind\":\"IngressRoute\",\"metadata\":{\"name\":\"site-%u\","
        "\"namespace\":\"team-%u\",\"uid\":\"5f0c0c64-7a35-4f1c-9f0e-%012u\",\"resourceVersion\":\"%u\",\"generation\":"
        "1,"
        "\"creationTimestamp\":\"2026-11-21T09:00:00Z\",\"managedFields\":[{\"manager\":\"kubectl\",\"operation\":"
        "\"Update\",\"apiVersion\":\"contour.heptio.com/v1beta1\",\"fieldsV1\":{\"f:spec\":{}}}]},\"spec\":{"
        "\"virtualhost\":{\"fqdn\":\"site-%u.example.com\"},\"routes\":[{\"match\":\"/\",\"services\":[{\"name\":"
        "\"web-%u\",\"port\":80}]}]},\"status\":{\"currentStatus\":\"valid\",\"description\":\"valid IngressRoute\","
        "\"observedGeneration\":1,\"conditions\":[{\"type\":\"Valid\",\"status\":\"True\",\"reason\":\"Valid\","
        "\"message\":\"valid IngressRoute\",\"lastTransitionTime\":\"2026-11-21T09:00:01Z\"}],\"virtualHosts\":["
        "\"site-%u.example.com\"],\"claim\":{\"fqdn\":\"site-%u.example.com\",\"since\":\"2026-11-21T09:00:00."
        "000000Z\","
        "\"by\":\"bench\"}}}";
static const char service_format[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web-%u\",\"namespace\":\"team-%u\","
        "\"uid\":\"6f0c0c64-7a35-4f1c-9f0e-%012u\",\"resourceVersion\":\"%u\"},\"spec\":{\"ports\":[{\"name\":\"http\","
        "\"port\":80,\"protocol\":\"TCP\",\"targetPort\":8080}],\"clusterIP\":\"10.0.0.1\"}}";
enum { TEAM = 50 };

static void put(struct pipeline *p, enum kind kind, const char *text)
{
        json_t *json = json_loads(text, 0, NULL);
        struct err e = {0};
        struct object *o = object_decode(kind, json, &(struct object_options){0}, &e);
        json_decref(json);
        if (!o) {
                fprintf(stderr, "%s\n", e.text);
                exit(1);
        }
        pipeline_put(p, o, 0);
}

static void list(struct pipeline *p, unsigned n)
{
        char text[2048];
        for (unsigned i = 0; i < n; i++) {
                snprintf(text, sizeof(text), route_format, i, i / TEAM, i, i + 1, i, i, i, i);
                put(p, KIND_INGRESSROUTE, text);
                snprintf(text, sizeof(text), service_format, i, i / TEAM, i, n + i + 1);
                put(p, KIND_SERVICE, text);
                if (i % 500 == 499 || i + 1 == n)
                        while (pipeline_due(p) == 0)
                                pipeline_turn(p);
        }
}

struct states {
        struct pipeline *pipeline;
        struct arena *arena;
        size_t valid, other;
};

static void count_state(const struct object *o, void *arg)
{
        struct states *s = arg;
        struct object_state state;
        const struct object *same;
        arena_reset(s->arena);
        pipeline_state(s->pipeline, o->namespace, o->name, s->arena, &state, &same);
        if (state.ours && state.finding_count == 0 && state.virtual_host_count == 1)
                s->valid++;
        else
                s->other++;
}

static double resident_mib(void)
{
        long pages = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        if (!f || fscanf(f, "%*s %ld", &pages) != 1)
                exit(1);
        fclose(f);
        return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static double millis(int64_t from, int64_t to)
{
        return (double)(to - from) / 1e6;
}

static void add_size(const struct host *h, void *arg)
{
        *(size_t *)arg += host_size(h);
}

static void add_object_size(const struct object *o, void *arg)
{
        *(size_t *)arg += object_size(o);
}

static void run(unsigned n)
{
        pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
        struct policy policy = {.claim_id = "bench"};
        struct states states = {.arena = arena_new(4096)};
        AUTO(store) *store = store_new();
        AUTO(pipeline) *p = pipeline_new(&(struct pipeline_options){.store = store,
                                                                    .lock = &lock,
                                                                    .policy = &policy,
                                                                    .wall = time_now_micros,
                                                                    .monotonic = time_monotonic});
        states.pipeline = p;
        double idle = resident_mib();
        int64_t t0 = time_monotonic();
        list(p, n);
        int64_t t1 = time_monotonic();
        malloc_trim(0);
        double stored = resident_mib();
        int64_t t2 = time_monotonic();
        pipeline_start(p);
        while (!pipeline_is_built(p))
                pipeline_turn(p);
        int64_t t3 = time_monotonic();
        store_each(store, KIND_INGRESSROUTE, count_state, &states);
        int64_t t4 = time_monotonic();
        malloc_trim(0);
        size_t hosts = 0, objects = 0;
        pipeline_each_host(p, add_size, &hosts);
        store_each(store, KIND_INGRESSROUTE, add_object_size, &objects);
        printf("%8u %9.1f %9.1f %9.1f %8.1f %8.1f %8.1f %9.0f %9.0f   %zu valid, %zu other\n", n, millis(t0, t1),
               millis(t2, t3), millis(t3, t4), idle, stored, resident_mib(), (double)hosts / n, (double)objects / n,
               states.valid, states.other);
        arena_free(states.arena);
}

int main(int argc, char **argv)
{
        static const unsigned standard[] = {1000, 10000, 100000};
        printf("%8s %9s %9s %9s %8s %8s %8s %9s %9s\n", "objects", "list ms", "build ms", "states ms", "idle MiB",
               "list MiB", "all MiB", "B/host", "B/object");
        size_t count = argc > 1 ? (size_t)argc - 1 : COUNT_OF(standard);
        for (size_t i = 0; i < count; i++) {
                fflush(stdout);
                /* A process each: the memory of one must not hide that of the next. */
                pid_t child = fork();
                if (child == 0) {
                        run(argc > 1 ? (unsigned)strtoul(argv[i + 1], NULL, 10) : standard[i]);
                        return 0;
                }
                int status = 0;
                if (child < 0 || waitpid(child, &status, 0) != child || status)
                        return 1;
        }
        return 0;
}
