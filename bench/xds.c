/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xds - what it costs to keep Envoys up to date: pipeline, publisher, cache and gRPC server in this process, the
 * clients (bench/crowd.h) in another one.
 *
 *     build/bench/xds [change|endpoints|reconnect|memory]     (all)
 *
 * Times run from a watch event's JSON to the last byte at the last client. CPU is this process's, with the kernel's
 * part of it; beside it stands memcpy of the same bytes.
 */
#include "base/log.h"
#include "bench/site.h"

#include <malloc.h>
#include <sys/resource.h>

enum { CHANGES = 60, BIG_CHANGES = 12 };

/* ---- measuring ---- */

struct cpu {
        double user, system;
};

static struct cpu cpu_now(void)
{
        struct rusage r;
        getrusage(RUSAGE_SELF, &r);
        return (struct cpu){(double)r.ru_utime.tv_sec + (double)r.ru_utime.tv_usec / 1e6,
                            (double)r.ru_stime.tv_sec + (double)r.ru_stime.tv_usec / 1e6};
}

static struct cpu cpu_since(struct cpu then)
{
        struct cpu now = cpu_now();
        return (struct cpu){now.user - then.user, now.system - then.system};
}

/* Seconds that memcpy takes for so many bytes, out of what does not fit a cache, in pieces as the server makes them. */
static double memcpy_seconds(uint64_t bytes)
{
        enum { FROM = 8 << 20, PIECE = 16384 };
        static uint8_t from[FROM], to[PIECE];
        memset(from, 1, sizeof(from));
        const uint64_t sample = 1U << 29;
        double best = 1e9;
        for (int i = 0; i < 3; i++) {
                struct cpu then = cpu_now();
                for (uint64_t done = 0; done < sample; done += PIECE) {
                        memcpy(to, from + done % FROM, PIECE);
                        __asm__ volatile("" ::"r"(to) : "memory");
                }
                double took = cpu_since(then).user;
                best = took < best ? took : best;
        }
        return best * (double)bytes / (double)sample;
}

static int by_number(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

struct figures {
        double p50, p99, cpu, bytes; /* ms, ms, ms a change, bytes a change and client */
};

typedef void change_fn(struct site *s, unsigned n);

static struct figures measure(struct site *s, unsigned clients, unsigned changes, change_fn *change)
{
        int64_t took[CHANGES];
        double cpu = 0;
        uint64_t bytes = 0;
        for (unsigned n = 0; n < changes; n++) {
                rest(s, 30 * DURATION_MILLISECOND);
                wish(s, &(struct crowd_wish){.verb = CROWD_WAIT, .resources = 1});
                struct cpu then = cpu_now();
                s->seen = time_monotonic();
                change(s, n);
                read_report(s);
                took[n] = s->report.at - s->seen;
                struct cpu used = cpu_since(then);
                cpu += used.user + used.system;
                bytes += s->report.bytes;
        }
        const unsigned middle = changes / 2, most = changes * 99 / 100;
        qsort(took, changes, sizeof(took[0]), by_number);
        return (struct figures){(double)took[middle] / 1e6, (double)took[most] / 1e6, cpu * 1e3 / changes,
                                (double)bytes / changes / clients};
}

/* ---- (1) one route ---- */

static void change_route(struct site *s, unsigned n)
{
        put_root(s, n * 7919 % s->hosts, (unsigned)s->version);
}

static void bench_change(int crowd)
{
        printf("one route changes among N hosts: from the watch event to the last byte at the last client\n\n"
               "%-6s %6s %8s %-6s %9s %9s %9s %12s %9s\n",
               "hosts", "", "clients", "", "p50 ms", "p99 ms", "CPU ms", "B a client", "memcpy ms");
        for (int tls = 0; tls < 2; tls++) {
                for (unsigned hosts = 1000; hosts <= 10000; hosts *= 10) {
                        struct site s = {.hosts = hosts, .tls = tls, .crowd = crowd};
                        site_start(&s, true);
                        site_fill(&s);
                        site_build(&s);
                        for (unsigned clients = 1; clients <= 200; clients *= 200) {
                                for (int delta = 1; delta >= 0; delta--) {
                                        crowd_comes(&s, clients, delta, false);
                                        bool big = clients > 1;
                                        struct figures f =
                                                measure(&s, clients, big ? BIG_CHANGES : CHANGES, change_route);
                                        crowd_goes(&s);
                                        printf("%-6u %6s %8u %-6s %9.2f %9.2f %9.2f %12.0f %9.2f\n", hosts,
                                               tls ? "https" : "http", clients, delta ? "Delta" : "SotW", f.p50, f.p99,
                                               f.cpu, f.bytes, memcpy_seconds((uint64_t)(f.bytes * clients)) * 1e3);
                                }
                        }
                        site_end(&s);
                }
        }
}

/* ---- (2) one endpoint ---- */

static void change_endpoint(struct site *s, unsigned n)
{
        put_slice(s, n * 7919 % s->hosts, (unsigned)s->version);
}

static void bench_endpoints(int crowd)
{
        enum { CLUSTERS = 8000, CLIENTS = 4 };
        printf("\none endpoint changes among %d clusters, %d clients\n\n%-6s %9s %9s %9s %12s %14s\n", CLUSTERS,
               CLIENTS, "", "p50 ms", "p99 ms", "CPU ms", "B a client", "all of EDS, B");
        struct site s = {.hosts = CLUSTERS, .crowd = crowd};
        site_start(&s, true);
        site_fill(&s);
        site_build(&s);
        size_t n = 0, all = 0;
        struct cache_name *const *names = cache_list(s.cache, RESOURCE_CLUSTER_LOAD_ASSIGNMENT, &n);
        for (size_t i = 0; i < n; i++)
                all += names[i]->resource->size;
        for (int delta = 1; delta >= 0; delta--) {
                crowd_comes(&s, CLIENTS, delta, false);
                struct figures f = measure(&s, CLIENTS, CHANGES, change_endpoint);
                crowd_goes(&s);
                printf("%-6s %9.2f %9.2f %9.2f %12.0f %14zu\n", delta ? "Delta" : "SotW", f.p50, f.p99, f.cpu, f.bytes,
                       all);
        }
        site_end(&s);
}

/* ---- (3) all come back ---- */

static void bench_reconnect(int crowd)
{
        enum { HOSTS = 10000, CLIENTS = 200 };
        printf("\n%d clients connect at %d hosts and get what they do not have\n\n%-26s %9s %12s %12s %9s %9s %10s\n",
               CLIENTS, HOSTS, "", "s", "MB sent", "MB asked", "user s", "system s", "memcpy s");
        struct site s = {.hosts = HOSTS, .crowd = crowd};
        site_start(&s, true);
        site_fill(&s);
        site_build(&s);
        static const struct {
                const char *name;
                bool delta, known;
        } rows[] = {{"State of the World", false, false},
                    {"Delta, for the first time", true, false},
                    {"Delta, with all of it", true, true}};
        double whole = 0;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct cpu then = cpu_now();
                int64_t begin = time_monotonic();
                crowd_comes(&s, CLIENTS, rows[i].delta, rows[i].known);
                /* Who has it all is told nothing: that is over when nothing comes any more. */
                struct cpu used = cpu_since(then);
                int64_t end = s.report.at;
                uint64_t bytes = s.report.bytes, asked = s.report.asked;
                if (rows[i].known) {
                        then = cpu_now();
                        rest(&s, 3 * DURATION_SECOND);
                        struct cpu more = cpu_since(then);
                        used = (struct cpu){used.user + more.user, used.system + more.system};
                        wish(&s, &(struct crowd_wish){.verb = CROWD_WAIT, .resources = 0});
                        read_report(&s);
                        bytes += s.report.bytes;
                        asked += s.report.asked;
                }
                double copy = memcpy_seconds(bytes);
                whole = i == 0 ? (double)bytes : whole;
                printf("%-26s %9.2f %12.2f %12.2f %9.2f %9.2f %10.3f   %.2f%% of the first\n", rows[i].name,
                       (double)(end - begin) / 1e9, (double)bytes / 1e6, (double)asked / 1e6, used.user, used.system,
                       copy, 100 * (double)bytes / whole);
                crowd_goes(&s);
        }
        site_end(&s);
}

/* ---- (4) memory ---- */

static double allocated(void)
{
        struct mallinfo2 m = mallinfo2();
        return (double)(m.uordblks + m.hblkhd);
}

static void bench_memory(int crowd)
{
        enum { HOSTS = 10000, CLIENTS = 200, STREAMS = 1000 };
        printf("\nbytes allocated at %d hosts of one route and one Service\n\n", HOSTS);
        struct site plain = {.hosts = HOSTS, .crowd = crowd};
        site_start(&plain, false);
        double empty = allocated();
        site_fill(&plain);
        double stored = allocated();
        site_build(&plain);
        double built = allocated();
        site_end(&plain);
        struct site s = {.hosts = HOSTS, .crowd = crowd};
        site_start(&s, true);
        double before = allocated();
        site_fill(&s);
        site_build(&s);
        double published = allocated();
        printf("store %26.0f a host\ncompiled %23.0f a host\npublished for Envoys %11.0f a host\n",
               (stored - empty) / HOSTS, (built - stored) / HOSTS, (published - before - (built - empty)) / HOSTS);
        struct crowd_wish w = {.verb = CROWD_OPEN,
                               .clients = 1,
                               .streams = STREAMS - 1,
                               .delta = true,
                               .port = xds_server_port(s.server),
                               .script = "/dev/null"};
        before = allocated();
        wish(&s, &w);
        read_report(&s);
        while (xds_server_clients(s.server) < STREAMS)
                turn(&s);
        rest(&s, 100 * DURATION_MILLISECOND);
        printf("idle stream %20.0f each, of %d on one connection\n", (allocated() - before) / STREAMS, STREAMS);
        crowd_goes(&s);
        before = allocated();
        w = (struct crowd_wish){
                .verb = CROWD_OPEN, .clients = CLIENTS, .delta = true, .port = w.port, .script = "/dev/null"};
        wish(&s, &w);
        read_report(&s);
        while (xds_server_clients(s.server) < CLIENTS)
                turn(&s);
        rest(&s, 100 * DURATION_MILLISECOND);
        printf("idle connection %16.0f each, with one stream\n", (allocated() - before) / CLIENTS);
        crowd_goes(&s);
        before = allocated();
        crowd_comes(&s, CLIENTS, true, false);
        rest(&s, 300 * DURATION_MILLISECOND);
        printf("Envoy with everything %10.0f each, %.1f a resource\n", (allocated() - before) / CLIENTS,
               (allocated() - before) / CLIENTS / (double)all_resources(&s));
        crowd_goes(&s);
        site_end(&s);
}

static void quiet(const char *line)
{
        (void)line;
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*run)(int crowd);
        } benches[] = {{"change", bench_change},
                       {"endpoints", bench_endpoints},
                       {"reconnect", bench_reconnect},
                       {"memory", bench_memory}};
        setlinebuf(stdout);
        signal(SIGPIPE, SIG_IGN);
        log_set_sink(quiet);
        int crowd = crowd_start();
        for (size_t i = 0; i < COUNT_OF(benches); i++) {
                if (argc < 2 || str_equal(argv[1], benches[i].name))
                        benches[i].run(crowd);
        }
        return 0;
}
