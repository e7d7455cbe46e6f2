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
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/time.h"
#include "base/yaml.h"
#include "kube/client.h"
#include "kube/reflector.h"

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANGES = 300, P50 = CHANGES / 2, P99 = CHANGES * 99 / 100, FLIPS = 3000, SLOW_MILLISECONDS = 5 };
#define ROUTES "/apis/contour.heptio.com/v1beta1"
#define PATIENCE (60 * DURATION_SECOND)

/* What the watch has brought last of each object. */
struct seen {
        int64_t generation, observed;
        bool valid;
};

struct bench {
        unsigned n;
        char dir[64];
        pid_t devkube, gatehouse;
        struct event_base *base;
        struct client *client;
        struct reflector *reflector;
        struct seen *seen;
        size_t settled; /* whose status is of their generation */
        size_t valid;
        int code; /* of the last answer */
        bool answered;
        char *body;
};

static _Noreturn void give_up(const struct bench *b, const char *what)
{
        fprintf(stderr, "bench/status: %s (logs in %s)\n", what, b->dir);
        if (b->gatehouse > 0)
                kill(b->gatehouse, SIGKILL);
        if (b->devkube > 0)
                kill(b->devkube, SIGKILL);
        exit(1);
}

/* ---- processes ---- */

static pid_t launch(const struct bench *b, const char *name, char *const argv[])
{
        AUTO_STR *log = mem_printf("%s/%s.log", b->dir, name);
        pid_t pid = fork();
        if (pid)
                return pid;
        int fd = open(log, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], argv);
        _exit(127);
}

static void end(pid_t *pid)
{
        if (*pid > 0) {
                kill(*pid, SIGKILL);
                waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

/* A port that nobody has now, as text for mem_free(). */
static char *free_port(const struct bench *b)
{
        struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(where);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&where, size) != 0 || getsockname(fd, (struct sockaddr *)&where, &size) != 0)
                give_up(b, "no free port");
        close(fd);
        return mem_printf("%u", ntohs(where.sin_port));
}

/* ---- what is stored ---- */

static bool write_document(const struct yaml_document *d, void *arg)
{
        char *text = json_dumps(d->value, JSON_COMPACT);
        buf_printf(arg, "%s\n", text);
        free(text);
        return true;
}

static void append_file(struct bench *b, struct buf *out, const char *path)
{
        struct err e = {0};
        AUTO(buf) *text = file_read(path, 1 << 20, &e);
        if (!text || !yaml_read(buf_data(text), buf_len(text), write_document, out, &e))
                give_up(b, e.text);
}

static void write_objects(struct bench *b, const char *path)
{
        AUTO(buf) *out = buf_new((size_t)1 << 30);
        append_file(b, out, "manifests/crds/ingressroutes.yaml");
        append_file(b, out, "manifests/crds/tlscertificatedelegations.yaml");
        static const char *const namespaces[] = {"gatehouse-system", "team"};
        for (size_t i = 0; i < COUNT_OF(namespaces); i++)
                buf_printf(out, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}\n",
                           namespaces[i]);
        buf_append_str(out,
                       "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"namespace\":\"team\",\"name\":"
                       "\"shared\"},\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}}\n");
        for (unsigned i = 0; i < b->n; i++)
                buf_printf(out,
                           "{\"apiVersion\":\"contour.heptio.com/v1beta1\",\"kind\":\"IngressRoute\",\"metadata\":{"
                           "\"namespace\":\"team\",\"name\":\"site-%u\"},\"spec\":{\"virtualhost\":{\"fqdn\":"
                           "\"site-%u.example.com\"},\"routes\":[{\"match\":\"/\",\"services\":[{\"name\":\"shared\","
                           "\"port\":80}]}]}}\n",
                           i, i);
        struct err e = {0};
        if (!file_write(path, buf_data(out), buf_len(out), 0600, &e))
                give_up(b, e.text);
}

/* ---- the watch ---- */

static void on_object(json_t *object, void *arg)
{
        struct bench *b = arg;
        const json_t *meta = json_object_get(object, "metadata");
        const json_t *status = json_object_get(object, "status");
        const char *name = json_string_value(json_object_get(meta, "name"));
        unsigned long i = name ? strtoul(name + strlen("site-"), NULL, 10) : b->n;
        if (i >= b->n)
                return;
        struct seen *s = &b->seen[i];
        b->settled -= s->generation && s->generation == s->observed;
        b->valid -= s->valid;
        s->generation = json_integer_value(json_object_get(meta, "generation"));
        s->observed = json_integer_value(json_object_get(status, "observedGeneration"));
        s->valid = str_equal(json_string_value(json_object_get(status, "currentStatus")), "valid");
        b->settled += s->generation == s->observed;
        b->valid += s->valid;
}

static void ignore(void *arg)
{
        (void)arg;
}

static void ignore_object(json_t *object, void *arg)
{
        (void)object, (void)arg;
}

static void ignore_bad(const char *begin, const char *why, void *arg)
{
        (void)begin, (void)why, (void)arg;
}

static void ignore_restart(const char *reason, const struct err *why, void *arg)
{
        (void)reason, (void)why, (void)arg;
}

static const struct reflector_events events = {
        .on_list_begin = ignore,
        .on_list_end = ignore,
        .on_object = on_object,
        .on_delete = ignore_object,
        .on_bad_object = ignore_bad,
        .on_progress = ignore,
        .on_restart = ignore_restart,
};

/* ---- requests ---- */

static void on_answer(const struct response *r, void *arg)
{
        struct bench *b = arg;
        b->answered = true;
        b->code = r->code;
        mem_free(b->body);
        b->body = mem_strndup(r->body, r->size);
}

static int ask(struct bench *b, const char *method, const char *path, const char *body)
{
        const char *type = str_equal(method, "PATCH") ? "application/merge-patch+json" : "application/json";
        struct request r = {.method = method, .path = path, .verb = "bench", .resource = "bench"};
        if (body) {
                r.body = body;
                r.body_size = strlen(body);
                r.content_type = type;
        }
        b->answered = false;
        client_request(b->client, &r, on_answer, b);
        while (!b->answered)
                event_base_loop(b->base, EVLOOP_ONCE);
        return b->code;
}

/* Turns the loop for that long. */
static void rest(struct bench *b, int64_t nanos)
{
        struct timeval t = {.tv_sec = nanos / DURATION_SECOND, .tv_usec = nanos % DURATION_SECOND / 1000};
        event_base_loopexit(b->base, &t);
        event_base_dispatch(b->base);
}

static long status_writes(struct bench *b)
{
        ask(b, "GET", "/devkube/requests", NULL);
        json_t *counts = json_loads(b->body, 0, NULL);
        long n = (long)json_integer_value(json_object_get(counts, "patch ingressroutes/status"));
        json_decref(counts);
        return n;
}

/* ---- measuring ---- */

static double proc_number(const struct bench *b, const char *file, const char *key)
{
        AUTO_STR *path = mem_printf("/proc/%d/%s", b->gatehouse, file);
        AUTO(buf) *text = file_read(path, 65536, NULL);
        const char *p = text ? strstr(buf_data(text), key) : NULL;
        return p ? strtod(p + strlen(key), NULL) : 0;
}

/* CPU seconds that gatehouse has used. */
static double cpu_seconds(const struct bench *b)
{
        AUTO_STR *path = mem_printf("/proc/%d/stat", b->gatehouse);
        AUTO(buf) *text = file_read(path, 4096, NULL);
        unsigned long user = 0, system = 0;
        const char *p = text ? strrchr(buf_data(text), ')') : NULL;
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
                return 0;
        return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int by_number(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a;
        int64_t y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

static void start(struct bench *b)
{
        strcpy(b->dir, "/tmp/gatehouse-bench-XXXXXX");
        if (!mkdtemp(b->dir))
                give_up(b, "mkdtemp");
        AUTO_STR *objects = mem_printf("%s/objects.json", b->dir);
        AUTO_STR *kubeconfig = mem_printf("%s/kubeconfig", b->dir);
        write_objects(b, objects);
        b->devkube = launch(b, "devkube",
                            (char *[]){"build/devkube", "--port", "0", "--dir", b->dir, "--token", "bench", "--load",
                                       objects, NULL});
        int64_t deadline = time_monotonic() + PATIENCE;
        while (access(kubeconfig, R_OK) != 0) {
                if (time_monotonic() > deadline || waitpid(b->devkube, NULL, WNOHANG) > 0)
                        give_up(b, "devkube does not start");
                usleep(10000);
        }
        struct err e = {0};
        b->base = event_base_new();
        struct kubeconfig *config = kubeconfig_load(kubeconfig, &e);
        b->client = config ? client_new(b->base, config, &e) : NULL;
        if (!b->client)
                give_up(b, e.text);
        struct reflector_source source = {.path = ROUTES "/ingressroutes", .resource = "ingressroutes"};
        b->seen = mem_calloc(b->n, sizeof(*b->seen));
        b->reflector = reflector_new(b->base, b->client, &source, &events, b);
}

static void wait_for(struct bench *b, const size_t *count, size_t wanted, const char *what)
{
        int64_t deadline = time_monotonic() + PATIENCE;
        while (*count != wanted) {
                if (time_monotonic() > deadline || (b->gatehouse && waitpid(b->gatehouse, NULL, WNOHANG) > 0))
                        give_up(b, what);
                event_base_loop(b->base, EVLOOP_ONCE);
        }
}

/* From the start of gatehouse until all have their first status. */
static void start_gatehouse(struct bench *b)
{
        AUTO_STR *kubeconfig = mem_printf("%s/kubeconfig", b->dir);
        AUTO_STR *http = free_port(b);
        AUTO_STR *debug = free_port(b);
        int64_t begin = time_monotonic();
        b->gatehouse = launch(b, "gatehouse",
                              (char *[]){"build/gatehouse", "serve", "--kubeconfig", kubeconfig, "--namespace",
                                         "gatehouse-system", "--disable", "webhook,xds", "--http-address", "127.0.0.1",
                                         "--http-port", http, "--debug-http-port", debug, NULL});
        wait_for(b, &b->valid, b->n, "the first statuses");
        int64_t all = time_monotonic();
        rest(b, DURATION_SECOND);
        printf("%6u objects: start -> all first statuses %.2f s; gatehouse %.1f MiB resident (%.1f MiB anonymous)\n",
               b->n, (double)(all - begin) / 1e9, proc_number(b, "status", "VmRSS:") / 1024,
               proc_number(b, "status", "RssAnon:") / 1024);
}

static void finish(struct bench *b)
{
        reflector_free(b->reflector);
        client_free(b->client);
        event_base_free(b->base);
        end(&b->gatehouse);
        end(&b->devkube);
        static const char *const files[] = {"objects.json", "kubeconfig",  "ca.crt",       "tls.crt",
                                            "tls.key",      "devkube.log", "gatehouse.log"};
        for (size_t i = 0; i < COUNT_OF(files); i++) {
                AUTO_STR *path = mem_printf("%s/%s", b->dir, files[i]);
                unlink(path);
        }
        rmdir(b->dir);
        mem_free(b->seen);
        mem_free(b->body);
}

/* ---- the two benches ---- */

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
        start_gatehouse(&b);
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
        start_gatehouse(&b);
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
