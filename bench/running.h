/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running - build/gatehouse on build/devkube, both as processes, for measurements. Include it once.
 *
 * `n` IngressRoutes of one route to the Service team/shared; a watch follows their statuses.
 */
#pragma once

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

enum { FLIPS = 3000, SLOW_MILLISECONDS = 5 };
#define BENCH_UNUSED __attribute__((unused))
#define ROUTES "/apis/contour.heptio.com/v1beta1"
#define PATIENCE (60 * DURATION_SECOND)

/* What the watch has brought last of each object. */
struct seen {
        int64_t generation, observed;
        bool valid;
};

struct bench {
        unsigned n;
        const char *more; /* objects beside those, one JSON a line; may be NULL */
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
        fprintf(stderr, "bench: %s (logs in %s)\n", what, b->dir);
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

BENCH_UNUSED static void end(pid_t *pid)
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
        buf_append_str(out, b->more ? b->more : "");
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
        unsigned long i =
                name && strncmp(name, "site-", strlen("site-")) == 0 ? strtoul(name + strlen("site-"), NULL, 10) : b->n;
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

BENCH_UNUSED static int ask(struct bench *b, const char *method, const char *path, const char *body)
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
BENCH_UNUSED static void rest(struct bench *b, int64_t nanos)
{
        struct timeval t = {.tv_sec = nanos / DURATION_SECOND, .tv_usec = nanos % DURATION_SECOND / 1000};
        event_base_loopexit(b->base, &t);
        event_base_dispatch(b->base);
}

BENCH_UNUSED static long status_writes(struct bench *b)
{
        ask(b, "GET", "/devkube/requests", NULL);
        json_t *counts = json_loads(b->body, 0, NULL);
        long n = (long)json_integer_value(json_object_get(counts, "patch ingressroutes/status"));
        json_decref(counts);
        return n;
}

/* ---- measuring ---- */

BENCH_UNUSED static double proc_number(const struct bench *b, const char *file, const char *key)
{
        AUTO_STR *path = mem_printf("/proc/%d/%s", b->gatehouse, file);
        AUTO(buf) *text = file_read(path, 65536, NULL);
        const char *p = text ? strstr(buf_data(text), key) : NULL;
        return p ? strtod(p + strlen(key), NULL) : 0;
}

/* CPU seconds that gatehouse has used. */
BENCH_UNUSED static double cpu_seconds(const struct bench *b)
{
        AUTO_STR *path = mem_printf("/proc/%d/stat", b->gatehouse);
        AUTO(buf) *text = file_read(path, 4096, NULL);
        unsigned long user = 0, system = 0;
        const char *p = text ? strrchr(buf_data(text), ')') : NULL;
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
                return 0;
        return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

BENCH_UNUSED static int by_number(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a;
        int64_t y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

BENCH_UNUSED static void start(struct bench *b)
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

BENCH_UNUSED static void wait_for(struct bench *b, const size_t *count, size_t wanted, const char *what)
{
        int64_t deadline = time_monotonic() + PATIENCE;
        while (*count != wanted) {
                if (time_monotonic() > deadline || (b->gatehouse && waitpid(b->gatehouse, NULL, WNOHANG) > 0))
                        give_up(b, what);
                event_base_loop(b->base, EVLOOP_ONCE);
        }
}

/* From the start of gatehouse until all have their first status. */
BENCH_UNUSED static void start_gatehouse(struct bench *b, char *const flags[])
{
        AUTO_STR *kubeconfig = mem_printf("%s/kubeconfig", b->dir);
        AUTO_STR *http = free_port(b);
        AUTO_STR *debug = free_port(b);
        int64_t begin = time_monotonic();
        char *argv[32] = {
                "build/gatehouse", "serve",     "--kubeconfig", kubeconfig, "--namespace",       "gatehouse-system",
                "--http-address",  "127.0.0.1", "--http-port",  http,       "--debug-http-port", debug};
        size_t n = 12;
        for (size_t i = 0; flags[i] && n < COUNT_OF(argv) - 1; i++)
                argv[n++] = flags[i];
        b->gatehouse = launch(b, "gatehouse", argv);
        wait_for(b, &b->valid, b->n, "the first statuses");
        int64_t all = time_monotonic();
        rest(b, DURATION_SECOND);
        printf("%6u objects: start -> all first statuses %.2f s; gatehouse %.1f MiB resident (%.1f MiB anonymous)\n",
               b->n, (double)(all - begin) / 1e9, proc_number(b, "status", "VmRSS:") / 1024,
               proc_number(b, "status", "RssAnon:") / 1024);
}

BENCH_UNUSED static void finish(struct bench *b)
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
