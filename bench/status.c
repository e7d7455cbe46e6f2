/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - one change -> status written, and many statuses that flip at once: build/gatehouse on build/devkube.
 *
 *     build/bench/status
 *
 * "one change": an IngressRoute's spec is patched, the clock runs until a watch brings the status of that generation.
 * "flip": the Service that 3,000 IngressRoutes use is deleted, then created again, while the API server takes 5 ms for
 * each write of a status. "idle writes" are those that come when nothing changes any more.
 */
#include "bench/running.h"

enum { CHANGES = 300, P50 = CHANGES / 2, P99 = CHANGES * 99 / 100 };

/* ---- the two benches ---- */

static char *const status_only[] = {"--disable", "webhook,xds", NULL};

static int64_t change_one(struct bench *b, unsigned i, bool valid)
{
        AUTO_STR *path = mem_printf(ROUTES "/namespaces/team/ingressroutes/site-%u", i);
        AUTO_STR *body =
                mem_printf("{\"spec\":{\"routes\":[{\"match\":\"/\",\"services\":[{\"name\":\"%s\",\"port\":80}]}]}}",
                           valid ? "shared" : "missing");
        int64_t before = b->seen[i].generation;
        int64_t begin = time_monotonic();
        if (ask(b, "PATCH", path, body) != 200)
                give_up(b, "an IngressRoute cannot be patched");
        while (b->seen[i].generation == before || b->seen[i].observed != b->seen[i].generation) {
                if (time_monotonic() - begin > PATIENCE)
                        give_up(b, "a status is not written");
                event_base_loop(b->base, EVLOOP_ONCE);
        }
        return time_monotonic() - begin;
}

static void bench_changes(unsigned n)
{
        struct bench b = {.n = n};
        start(&b);
        start_gatehouse(&b, status_only);
        static int64_t took[CHANGES];
        double cpu = cpu_seconds(&b);
        for (unsigned i = 0; i < CHANGES; i++) {
                took[i] = change_one(&b, (i / 2 * 7919) % n, i % 2);
                rest(&b, 20 * DURATION_MILLISECOND);
        }
        cpu = cpu_seconds(&b) - cpu;
        qsort(took, CHANGES, sizeof(took[0]), by_number);
        printf("%6u objects: one change -> status seen p50 %.2f ms, p99 %.2f ms; gatehouse's CPU %.2f ms a change\n", n,
               (double)took[P50] / 1e6, (double)took[P99] / 1e6, cpu * 1000 / CHANGES);
        finish(&b);
}

static void flip(struct bench *b, bool back)
{
        static const char service[] =
                "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"namespace\":\"team\",\"name\":\"shared\"},"
                "\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}}";
        long before = status_writes(b);
        double cpu = cpu_seconds(b);
        int64_t begin = time_monotonic();
        if (back)
                ask(b, "POST", "/api/v1/namespaces/team/services", service);
        else
                ask(b, "DELETE", "/api/v1/namespaces/team/services/shared", NULL);
        wait_for(b, &b->valid, back ? b->n : 0, "3,000 statuses");
        int64_t all = time_monotonic();
        cpu = cpu_seconds(b) - cpu;
        long writes = status_writes(b) - before;
        rest(b, 2 * DURATION_SECOND);
        long idle = status_writes(b) - before - writes;
        printf("%6u statuses turn %s: %.2f s, %ld writes, CPU %.2f s; idle writes in the 2 s after: %ld\n", b->n,
               back ? "valid  " : "invalid", (double)(all - begin) / 1e9, writes, cpu, idle);
}

static void bench_flips(void)
{
        struct bench b = {.n = FLIPS};
        start(&b);
        start_gatehouse(&b, status_only);
        AUTO_STR *fault = mem_printf("{\"fault\":\"slow\",\"verbs\":[\"patch\"],\"resource\":\"ingressroutes/status\","
                                     "\"milliseconds\":%d,\"count\":-1}",
                                     SLOW_MILLISECONDS);
        if (ask(&b, "POST", "/devkube/faults", fault) >= 300)
                give_up(&b, "devkube cannot be made slow");
        flip(&b, false);
        flip(&b, true);
        finish(&b);
}

int main(void)
{
        setlinebuf(stdout);
        bench_changes(1000);
        bench_changes(10000);
        bench_flips();
        return 0;
}
