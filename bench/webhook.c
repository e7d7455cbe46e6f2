/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook - how long a review takes, and how many one worker answers, at 100, 10,000 and 100,000 stored IngressRoutes.
 *
 * In one process and run: our server, and a bare libmicrohttpd handler that parses the same JSON with jansson and
 * answers. Both have one worker, TLS and keep-alive; the clients are threads of this process, so on few cores they
 * share the processor with the server. Latency is of one client at a time, throughput of several. Rounds of the two
 * servers alternate, and the best round counts: the machine may be busy with something else.
 */
#include "webhook/server_fixture.h"

#include <microhttpd.h>
#include <pthread.h>
#include <time.h>

enum {
        CLIENTS = 4, /* for throughput */
        LATENCY_CALLS = 2000,
        THROUGHPUT_CALLS = 1500, /* of each client */
        JUDGE_CALLS = 5000,
        ROUNDS = 3,
        VARIANTS = 64, /* different objects under review */
};

/* ---- the bare handler ---- */

static const char BARE_ANSWER[] = "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{"
                                  "\"uid\":\"0c4e5b1a-7f0e-4c57-9d0b-6a0f5f7f8a11\",\"allowed\":true}}\n";

static enum MHD_Result bare_answer(struct MHD_Connection *c, const struct buf *body)
{
        json_t *json = json_loadb(buf_data(body), buf_len(body), JSON_REJECT_DUPLICATES, NULL);
        assert(json);
        json_decref(json);
        struct MHD_Response *r = MHD_create_response_from_buffer(strlen(BARE_ANSWER), (void *)(uintptr_t)BARE_ANSWER,
                                                                 MHD_RESPMEM_PERSISTENT);
        MHD_add_response_header(r, "Content-Type", "application/json");
        enum MHD_Result result = MHD_queue_response(c, 200, r);
        MHD_destroy_response(r);
        return result;
}

static enum MHD_Result bare_handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                   const char *version, const char *data, size_t *size, void **context)
{
        (void)arg, (void)url, (void)method, (void)version;
        if (!*context) {
                *context = buf_new(REVIEW_BODY_MAX);
                return MHD_YES;
        }
        if (!*size)
                return bare_answer(c, *context);
        buf_append(*context, data, *size);
        *size = 0;
        return MHD_YES;
}

static void bare_completed(void *arg, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode code)
{
        (void)arg, (void)c, (void)code;
        buf_free(*context);
}

static struct MHD_Daemon *bare_start(const struct pair *pair, uint16_t *port)
{
        struct MHD_Daemon *d =
                MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ITC, 0, NULL, NULL, bare_handle,
                                 NULL, MHD_OPTION_HTTPS_MEM_CERT, pair->crt, MHD_OPTION_HTTPS_MEM_KEY, pair->key,
                                 MHD_OPTION_NOTIFY_COMPLETED, bare_completed, NULL, MHD_OPTION_END);
        assert(d);
        *port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
        return d;
}

/* ---- what is stored: one route an object, 100 objects a namespace, a Service for each ten ---- */

static void put_json(struct store *s, enum kind kind, const char *text)
{
        struct err e = {0};
        json_t *json = json_loads(text, 0, NULL);
        assert(json);
        struct object *o = object_decode(kind, json, &(struct object_options){0}, &e);
        assert(o);
        json_decref(json);
        store_put(s, o, 0, NULL);
}

static void fill(struct store *s, size_t from, size_t to)
{
        for (size_t i = from; i < to; i++) {
                AUTO_STR *ir = mem_printf(
                        "{\"metadata\":{\"name\":\"site-%zu\",\"namespace\":\"team-%zu\",\"uid\":\"uid-%zu\","
                        "\"resourceVersion\":\"%zu\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":"
                        "{\"virtualhost\":{\"fqdn\":\"site-%zu.example.com\"},\"routes\":[{\"match\":\"/"
                        "\",\"services\":"
                        "[{\"name\":\"web-%zu\",\"port\":80}]}]}}",
                        i, i / 100, i, i + 1, i, i / 10);
                put_json(s, KIND_INGRESSROUTE, ir);
                if (i % 10)
                        continue;
                AUTO_STR *service = mem_printf("{\"metadata\":{\"name\":\"web-%zu\",\"namespace\":\"team-%zu\"},"
                                               "\"spec\":{\"ports\":[{\"port\":80}]}}",
                                               i / 10, i / 100);
                put_json(s, KIND_SERVICE, service);
        }
}

/* ---- what is sent: an UPDATE as kubectl causes it ---- */

static void append_object(struct buf *b, size_t i, size_t routes, size_t generation)
{
        buf_printf(b,
                   "{\"apiVersion\":\"contour.heptio.com/v1beta1\",\"kind\":\"IngressRoute\",\"metadata\":{"
                   "\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"apiVersion\\\":"
                   "\\\"contour.heptio.com/v1beta1\\\",\\\"kind\\\":\\\"IngressRoute\\\"}\\n\"},\"creationTimestamp\":"
                   "\"2026-01-01T00:00:00Z\",\"generation\":%zu,\"labels\":{\"app.kubernetes.io/name\":\"site\","
                   "\"team\":\"team-%zu\"},\"managedFields\":[{\"apiVersion\":\"contour.heptio.com/v1beta1\","
                   "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\"f:annotations\":{\".\":{},"
                   "\"f:kubectl.kubernetes.io/last-applied-configuration\":{}},\"f:labels\":{\".\":{},"
                   "\"f:app.kubernetes.io/name\":{},\"f:team\":{}}},\"f:spec\":{\".\":{},\"f:routes\":{},"
                   "\"f:virtualhost\":{\".\":{},\"f:fqdn\":{}}}},\"manager\":\"kubectl\",\"operation\":\"Update\","
                   "\"time\":\"2026-01-01T00:00:00Z\"}],\"name\":\"site-%zu\",\"namespace\":\"team-%zu\","
                   "\"resourceVersion\":\"%zu\",\"uid\":\"uid-%zu\"},\"spec\":{\"routes\":[",
                   generation, i / 100, i, i / 100, i + 1, i);
        for (size_t r = 0; r < routes; r++)
                buf_printf(b,
                           "%s{\"match\":\"/path/below/%zu\",\"services\":[{\"name\":\"web-%zu\",\"port\":80,"
                           "\"weight\":%zu}],\"timeoutPolicy\":{\"request\":\"%zus\"},\"enableWebsockets\":true}",
                           r ? "," : "", r, i / 10, generation, generation);
        buf_printf(b, "],\"virtualhost\":{\"fqdn\":\"site-%zu.example.com\"}}}", i);
}

static char *review(size_t i, size_t routes)
{
        AUTO(buf) *b = buf_new(1 << 20);
        buf_printf(
                b,
                "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":"
                "\"0c4e5b1a-7f0e-4c57-9d0b-6a0f5f7f8a11\",\"kind\":{\"group\":\"contour.heptio.com\",\"version\":"
                "\"v1beta1\",\"kind\":\"IngressRoute\"},\"resource\":{\"group\":\"contour.heptio.com\",\"version\":"
                "\"v1beta1\",\"resource\":\"ingressroutes\"},\"requestKind\":{\"group\":\"contour.heptio.com\","
                "\"version\":\"v1beta1\",\"kind\":\"IngressRoute\"},\"name\":\"site-%zu\",\"namespace\":\"team-%zu\","
                "\"operation\":\"UPDATE\",\"userInfo\":{\"username\":\"developer\",\"groups\":"
                "[\"system:authenticated\"]},\"object\":",
                i, i / 100);
        append_object(b, i, routes, 2);
        buf_append_str(b, ",\"oldObject\":");
        append_object(b, i, routes, 1);
        buf_append_str(b, ",\"dryRun\":false,\"options\":{\"kind\":\"UpdateOptions\",\"apiVersion\":"
                          "\"meta.k8s.io/v1\"}}}");
        return buf_take_str(b);
}

struct bodies {
        char *text[VARIANTS];
        size_t size;
};

/* ---- measuring ---- */

struct worker {
        pthread_t thread;
        uint16_t port;
        const struct bodies *bodies;
        size_t calls;
        int64_t *nanos; /* NULL: not wanted */
};

static void *call_often(void *arg)
{
        struct worker *w = arg;
        struct client c;
        bool ok = client_open(&c, w->port);
        assert(ok);
        for (size_t i = 0; i < w->calls; i++) {
                const char *body = w->bodies->text[i % VARIANTS];
                int64_t begin = time_monotonic();
                struct reply r = client_post(&c, "/validate", body, strlen(body));
                if (w->nanos)
                        w->nanos[i] = time_monotonic() - begin;
                if (r.status != 200 || !strstr(r.body, "\"allowed\":true}")) {
                        fprintf(stderr, "unexpected answer %d: %s\n", r.status, r.body ? r.body : "");
                        exit(1);
                }
                reply_done(&r);
        }
        client_close(&c);
        return NULL;
}

static int by_size(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

struct result {
        double p50, p99; /* ms */
        double throughput;
};

static void measure_latency(uint16_t port, const struct bodies *bodies, struct result *r)
{
        const size_t half = LATENCY_CALLS / 2, most = LATENCY_CALLS / 100 * 99;
        struct worker one = {.port = port, .bodies = bodies, .calls = LATENCY_CALLS};
        one.nanos = mem_calloc(LATENCY_CALLS, sizeof(*one.nanos));
        call_often(&one);
        qsort(one.nanos, LATENCY_CALLS, sizeof(*one.nanos), by_size);
        r->p50 = (double)one.nanos[half] / 1e6;
        r->p99 = (double)one.nanos[most] / 1e6;
        mem_free(one.nanos);
}

static void measure_throughput(uint16_t port, const struct bodies *bodies, struct result *r)
{
        struct worker many[CLIENTS];
        int64_t begin = time_monotonic();
        for (size_t i = 0; i < CLIENTS; i++) {
                many[i] = (struct worker){.port = port, .bodies = bodies, .calls = THROUGHPUT_CALLS};
                int failed = pthread_create(&many[i].thread, NULL, call_often, &many[i]);
                assert(!failed);
        }
        for (size_t i = 0; i < CLIENTS; i++)
                pthread_join(many[i].thread, NULL);
        r->throughput = CLIENTS * THROUGHPUT_CALLS / ((double)(time_monotonic() - begin) / 1e9);
}

static void measure(uint16_t port, const struct bodies *bodies, struct result *best)
{
        struct result r;
        measure_latency(port, bodies, &r);
        measure_throughput(port, bodies, &r);
        if (best->p50 == 0 || r.p50 < best->p50)
                best->p50 = r.p50;
        if (best->p99 == 0 || r.p99 < best->p99)
                best->p99 = r.p99;
        if (r.throughput > best->throughput)
                best->throughput = r.throughput;
}

static double thread_cpu_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* CPU time of reading, judging and answering alone, without HTTP and TLS. */
static double judge_alone(const struct webhook_state *state, const struct bodies *bodies)
{
        double begin = thread_cpu_us();
        for (size_t i = 0; i < JUDGE_CALLS; i++) {
                const char *body = bodies->text[i % VARIANTS];
                struct err e = {0};
                AUTO(job) *j = NULL;
                bool ok = job_read(&j, JOB_VALIDATE, body, strlen(body), state, &e);
                assert(ok);
                job_judge(j, state, time_now_micros());
                AUTO(buf) *out = buf_new(REVIEW_ANSWER_MAX);
                job_answer(j, out);
        }
        return (thread_cpu_us() - begin) / JUDGE_CALLS;
}

static void print_row(size_t stored, size_t size, const struct result *ours, const struct result *bare, double growth,
                      double cpu)
{
        printf("%8zu %6.1f  %7.3f %7.3f %8.0f  %7.3f %7.3f %8.0f  %9.0f%% %8.2fx %9.1f\n", stored, (double)size / 1024,
               ours->p50, ours->p99, ours->throughput, bare->p50, bare->p99, bare->throughput,
               100 * ours->throughput / bare->throughput, growth, cpu);
        fflush(stdout);
}

/* first_p50: of this size at the smallest store; set by the first call. */
static void run(struct fixture *f, uint16_t bare_port, size_t stored, size_t routes, double *first_p50)
{
        struct bodies bodies;
        for (size_t i = 0; i < VARIANTS; i++)
                bodies.text[i] = review(i * (stored / VARIANTS), routes);
        bodies.size = strlen(bodies.text[0]);
        struct result ours = {0}, bare = {0};
        for (int round = 0; round < ROUNDS; round++) {
                measure(f->port, &bodies, &ours);
                measure(bare_port, &bodies, &bare);
        }
        if (*first_p50 == 0)
                *first_p50 = ours.p50;
        print_row(stored, bodies.size, &ours, &bare, ours.p50 / *first_p50, judge_alone(&f->state, &bodies));
        for (size_t i = 0; i < VARIANTS; i++)
                mem_free(bodies.text[i]);
}

int main(void)
{
        static const size_t SIZES[] = {100, 10000, 100000};
        static struct fixture f;
        fixture_init(&f);
        fixture_start(&f, 1, false);
        uint16_t bare_port;
        struct pair *pair = keypair_get(f.credentials.keypair);
        struct MHD_Daemon *bare = bare_start(pair, &bare_port);
        printf("reviews over keep-alive TLS, one worker; latency (ms) of one client, throughput of %d clients\n\n"
               "                ------- webhook --------  ----- bare handler -----  throughput   p50 to  us of CPU\n"
               "  stored    KiB     p50     p99      1/s      p50     p99      1/s  to the bare  at 100   to judge\n",
               CLIENTS);
        size_t stored = 0;
        double first_p50[2] = {0};
        for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
                fill(f.store, stored, SIZES[i]);
                stored = SIZES[i];
                run(&f, bare_port, stored, 5, &first_p50[0]);
                run(&f, bare_port, stored, 62, &first_p50[1]);
        }
        MHD_stop_daemon(bare);
        pair_unref(pair);
        fixture_done(&f);
        return 0;
}
