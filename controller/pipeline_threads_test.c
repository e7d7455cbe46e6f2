/* SPDX-License-Identifier: Apache-2.0 */
/* Readers judge under the lock while the pipeline changes the store; for ThreadSanitizer. */
#include "base/json_read.h"
#include "base/time.h"
#include "controller/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { READERS = 3, CHANGES = 1000, OBJECTS = 20 };

struct shared {
        pthread_rwlock_t lock;
        struct store *store;
        struct policy policy;
        atomic_bool stop;
        atomic_uint judged, conflicts;
        _Atomic(const struct host *) host; /* handed over with a reference */
};

static struct object *site(unsigned i, unsigned version)
{
        AUTO_STR *text =
                mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"site-%u\",\"uid\":\"u\",\"resourceVersion\":"
                           "\"%u\",\"generation\":1,\"creationTimestamp\":\"2026-01-01T00:00:%02uZ\"},\"spec\":{"
                           "\"virtualhost\":{\"fqdn\":\"site-%u.example\"},\"routes\":[{\"match\":\"/%u\","
                           "\"delegate\":{\"name\":\"site-%u\"}}]}}",
                           i, version, i, (i + version) % OBJECTS, version, (i + 1) % OBJECTS);
        AUTO_JSON *json = json_read(text, strlen(text), NULL);
        struct err e = {0};
        struct object *o = object_decode(KIND_INGRESSROUTE, json, &(struct object_options){0}, &e);
        assert_non_null(o);
        return o;
}

static void *judge(void *arg)
{
        struct shared *s = arg;
        AUTO(object) *candidate = site(OBJECTS + 1, 3);
        while (!atomic_load(&s->stop)) {
                AUTO(arena) *a = arena_new(4096);
                struct findings list = {.arena = a};
                pthread_rwlock_rdlock(&s->lock);
                struct view v = {.store = s->store, .candidate = candidate};
                judge_candidate(&v, &s->policy, 1, &list);
                pthread_rwlock_unlock(&s->lock);
                for (size_t i = 0; i < list.count; i++)
                        atomic_fetch_add(&s->conflicts, list.items[i].rule == RULE_FQDNConflict);
                atomic_fetch_add(&s->judged, 1);
                /* A host may be held by any thread, for as long as it likes. */
                const struct host *h = atomic_exchange(&s->host, NULL);
                AUTO(buf) *text = buf_new(65536);
                if (h)
                        host_text(text, h);
                host_unref(h);
        }
        return NULL;
}

static void hand_over(const struct host *old, const struct host *new, void *arg)
{
        (void)old;
        struct shared *s = arg;
        if (new)
                host_unref(atomic_exchange(&s->host, host_ref(new)));
}

static void readers__pipeline_changes_the_store__see_whole_objects(void **state)
{
        (void)state;
        struct shared s = {.policy.claim_id = "me"};
        /* As the server's: else readers that come without a pause keep the writer out. */
        pthread_rwlockattr_t attr;
        pthread_rwlockattr_init(&attr);
        pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&s.lock, &attr);
        pthread_rwlockattr_destroy(&attr);
        s.store = store_new();
        struct pipeline *p = pipeline_new(&(struct pipeline_options){.store = s.store,
                                                                     .lock = &s.lock,
                                                                     .policy = &s.policy,
                                                                     .wall = time_now_micros,
                                                                     .monotonic = time_monotonic});
        pipeline_add_reader(p, &(struct pipeline_reader){.host_changed = hand_over, .arg = &s});
        pipeline_start(p);
        pthread_t threads[READERS];
        for (size_t i = 0; i < READERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, judge, &s), 0);
        unsigned version = 1;
        while (version <= CHANGES || atomic_load(&s.judged) < CHANGES) {
                unsigned i = version % OBJECTS;
                if (version % 7 == 0) {
                        char name[32];
                        snprintf(name, sizeof(name), "site-%u", i);
                        pipeline_remove(p, KIND_INGRESSROUTE, "a", name, 0);
                } else {
                        pipeline_put(p, site(i, version), 0);
                }
                version++;
                pipeline_turn(p);
        }
        atomic_store(&s.stop, true);
        for (size_t i = 0; i < READERS; i++)
                pthread_join(threads[i], NULL);
        host_unref(atomic_load(&s.host));
        assert_true(atomic_load(&s.conflicts) > 0);
        pipeline_free(p);
        store_free(s.store);
        pthread_rwlock_destroy(&s.lock);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(readers__pipeline_changes_the_store__see_whole_objects),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
