/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline_fixture - a pipeline on a store in memory, with a clock that stands until it is told to go on, and what it
 * has told its readers. Only for tests; each includes it once.
 */
#pragma once

#include "base/base64.h"
#include "base/map.h"
#include "base/time.h"
#include "controller/pipeline.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t clock_wall, clock_monotonic;
static int64_t clock_step; /* what each look at the monotonic clock takes */

static int64_t wall(void)
{
        return clock_wall;
}

static int64_t monotonic(void)
{
        return clock_monotonic += clock_step;
}

static void pass(int64_t nanos)
{
        clock_monotonic += nanos;
        clock_wall += nanos / DURATION_MICROSECOND;
}

/* A certificate that expires at the seconds that its "bytes" say; with 0 it is none. */
static void inspect_pair(struct arena *a, const char *crt, size_t crt_size, const char *key, size_t key_size,
                         struct pair_facts *facts)
{
        (void)key, (void)key_size;
        const char **names = arena_alloc(a, sizeof(char *));
        names[0] = "tls.example";
        *facts = (struct pair_facts){.ok = true, .names = names, .name_count = 1};
        facts->not_after = strtoll(arena_strndup(a, crt, crt_size), NULL, 10) * TIME_MICROS_PER_SECOND;
        facts->ok = facts->not_after > 0;
        facts->problem = facts->ok ? NULL : "it is broken";
}

static const char *inspect_ca(struct arena *a, const char *ca, size_t ca_size)
{
        (void)a, (void)ca, (void)ca_size;
        return NULL;
}

/* ---- a pipeline on a store in memory ---- */

struct world {
        pthread_rwlock_t lock;
        struct policy policy;
        struct store *store;
        struct pipeline *pipeline;
        struct map *told;              /* key -> char *: the state when the object was last told of */
        unsigned came, replaced, went; /* objects */
        unsigned hosts_told, objects_told, settled, store_changes, wakes;
};

static void describe(struct world *w, const char *namespace, const char *name, struct buf *out)
{
        AUTO(arena) *a = arena_new(4096);
        struct object_state s = {0};
        const struct object *o = NULL;
        assert_int_equal(pipeline_state(w->pipeline, namespace, name, a, &s, &o), PIPELINE_READY);
        buf_printf(out, "%s/%s ours=%d status=%d claim=%s@%lld", namespace, name, s.ours, s.status,
                   s.claim_fqdn ? s.claim_fqdn : "", (long long)s.claim_since);
        for (size_t i = 0; i < s.virtual_host_count; i++)
                buf_printf(out, " %s", s.virtual_hosts[i]);
        for (size_t i = 0; i < s.finding_count; i++)
                buf_printf(out, "\n    %s", finding_text(a, &s.findings[i]));
        buf_append_str(out, "\n");
}

static void on_object(const struct object *o, void *arg)
{
        struct world *w = arg;
        w->objects_told++;
        AUTO(buf) *b = buf_new(1 << 20);
        describe(w, o->namespace, o->name, b);
        AUTO_STR *key = mem_printf("%s/%s", o->namespace, o->name);
        mem_free(map_set(w->told, key, buf_take_str(b)));
}

static void on_gone(const char *namespace, const char *name, void *arg)
{
        struct world *w = arg;
        AUTO_STR *key = mem_printf("%s/%s", namespace, name);
        mem_free(map_remove(w->told, key));
}

static void on_host(const struct host *old, const struct host *new, void *arg)
{
        assert_true(old || new);
        ((struct world *)arg)->hosts_told++;
}

static void on_stored(const struct object *old, const struct object *new, void *arg)
{
        struct world *w = arg;
        assert_true(old || new);
        assert_int_equal(pthread_rwlock_tryrdlock(&w->lock), EBUSY); /* nobody reads meanwhile */
        w->came += !old;
        w->went += !new;
        w->replaced += old && new;
}

static void on_settled(void *arg)
{
        ((struct world *)arg)->settled++;
}

static void on_store(void *arg)
{
        ((struct world *)arg)->store_changes++;
}

static void on_wake(void *arg)
{
        ((struct world *)arg)->wakes++;
}

static struct world *world_new(void)
{
        struct world *w = mem_zalloc(sizeof(*w));
        pthread_rwlock_init(&w->lock, NULL);
        w->policy.claim_id = "me";
        w->store = store_new();
        w->told = map_new();
        w->pipeline = pipeline_new(&(struct pipeline_options){
                .store = w->store,
                .lock = &w->lock,
                .policy = &w->policy,
                .wall = wall,
                .monotonic = monotonic,
                .wake = on_wake,
                .arg = w,
        });
        pipeline_add_reader(w->pipeline, &(struct pipeline_reader){
                                                 .stored = on_stored,
                                                 .object_changed = on_object,
                                                 .object_gone = on_gone,
                                                 .host_changed = on_host,
                                                 .settled = on_settled,
                                                 .store_changed = on_store,
                                                 .arg = w,
                                         });
        return w;
}

static void free_text(const char *key, void *value, void *arg)
{
        (void)key, (void)arg;
        mem_free(value);
}

static void world_free(struct world *w)
{
        pipeline_free(w->pipeline);
        store_free(w->store);
        map_each(w->told, free_text, NULL);
        map_free(w->told);
        pthread_rwlock_destroy(&w->lock);
        mem_free(w);
}
AUTO_DEFINE(world)

static void put(struct world *w, enum kind kind, const char *text)
{
        static const struct object_inspector inspector = {inspect_pair, inspect_ca};
        json_error_t where;
        json_t *json = json_loads(text, 0, &where);
        if (!json)
                fail_msg("%s: %s", where.text, text);
        struct err e = {0};
        struct object *o = object_decode(kind, json, &(struct object_options){.inspector = &inspector}, &e);
        json_decref(json);
        if (!o)
                fail_msg("%s: %s", e.text, text);
        pipeline_put(w->pipeline, o, 0);
}

/* Until nothing is due, however long that takes. */
static void settle(struct world *w)
{
        for (int64_t due; (due = pipeline_due(w->pipeline)) != INT64_MAX;) {
                if (due > clock_monotonic + DURATION_SECOND)
                        return;
                if (due > clock_monotonic)
                        pass(due - clock_monotonic);
                pipeline_turn(w->pipeline);
        }
}

static struct world *started(void)
{
        struct world *w = world_new();
        pipeline_start(w->pipeline);
        settle(w);
        pass(DURATION_SECOND);
        return w;
}

/* The data of a Secret whose certificate expires at that second; for mem_free(). */
static inline char *secret_data(int64_t expires)
{
        char text[16];
        snprintf(text, sizeof(text), "%012lld", (long long)expires);
        AUTO(buf) *encoded = buf_new(32);
        base64_encode(encoded, text, strlen(text));
        return mem_printf("\"data\":{\"tls.crt\":\"%s\",\"tls.key\":\"%s\"}", buf_data(encoded), buf_data(encoded));
}
