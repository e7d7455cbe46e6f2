/* SPDX-License-Identifier: Apache-2.0 */
/* devkube - a small Kubernetes API server for demo and tests: everything in memory, nothing behind it. */
#include "e2e/devkube/admission.h"
#include "e2e/devkube/api.h"
#include "e2e/devkube/control.h"
#include "e2e/devkube/store.h"
#include "e2e/devkube/tls.h"
#include "e2e/devkube/watch.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { TOKEN_BYTES = 16, DISABLED_MAX = 16, LOAD_MAX = 2000000000, DEFAULT_HISTORY = 65536, EXIT_USAGE = 2 };

struct options {
        uint16_t port;
        const char *dir, *load;
        char *token;
        size_t history;
        const char *disabled[DISABLED_MAX + 1];
        size_t disabled_count;
};

static void usage(FILE *to)
{
        fputs("usage: devkube --dir DIR [--port N] [--token T] [--load FILE] [--service NS/NAME=HOST:PORT]\n"
              "               [--disable-api GROUP/VERSION] [--bookmarks DURATION] [--history N]\n"
              "\n"
              "  --dir DIR        where kubeconfig is written\n"
              "  --port N         on 127.0.0.1; 0 (the default) takes a free one\n"
              "  --token T        that every request needs; random without it\n"
              "  --load FILE      objects to begin with: a List or one JSON object a line, stored as they are\n"
              "  --service S=A    where webhooks that name the Service S are reached\n"
              "  --disable-api V  a built-in version that is not served, as on another release; may be repeated\n"
              "  --bookmarks D    how often watches that allow it get a bookmark (1s)\n"
              "  --history N      changes that watches may go back (65536)\n"
              "\n"
              "Faults on demand, counters and bulk loads: e2e/devkube/README.md.\n",
              to);
}

static char *random_token(void)
{
        unsigned char bytes[TOKEN_BYTES];
        while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                ;
        char *token = mem_zalloc(2 * sizeof(bytes) + 1);
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(token + 2 * i, 3, "%02x", bytes[i]);
        return token;
}

static bool set_service(const char *text, struct err *e)
{
        const char *equals = strchr(text, '=');
        if (!equals || !strchr(text, '/') || !strchr(equals, ':'))
                return err_set(e, "--service wants NAMESPACE/NAME=HOST:PORT, not \"%s\"", text);
        AUTO_STR *service = mem_strndup(text, (size_t)(equals - text));
        admission_set_service(service, equals + 1);
        return true;
}

static bool set_number(const char *name, const char *text, long max, long *n, struct err *e)
{
        char *end;
        *n = strtol(text, &end, 10);
        return (*text && !*end && *n >= 0 && *n <= max) ||
               err_set(e, "%s wants a number up to %ld, not \"%s\"", name, max, text);
}

static bool set_option(struct options *o, int option, const char *value, struct err *e)
{
        long n = 0;
        int64_t interval = 0;
        switch (option) {
        case 'p':
                if (!set_number("--port", value, UINT16_MAX, &n, e))
                        return false;
                o->port = (uint16_t)n;
                return true;
        case 'H':
                if (!set_number("--history", value, 1 << 24, &n, e) || n == 0)
                        return n || err_set(e, "--history wants at least 1");
                o->history = (size_t)n;
                return true;
        case 'd':
                o->dir = value;
                return true;
        case 't':
                mem_free(o->token);
                o->token = mem_strdup(value);
                return true;
        case 'l':
                o->load = value;
                return true;
        case 's':
                return set_service(value, e);
        case 'b':
                if (!duration_parse(value, &interval, e))
                        return err_wrap(e, "--bookmarks");
                watch_set_bookmark_interval(interval);
                return true;
        case 'x':
                if (o->disabled_count == DISABLED_MAX)
                        return err_set(e, "--disable-api at most %d times", DISABLED_MAX);
                o->disabled[o->disabled_count++] = value;
                return true;
        default:
                return err_set(e, "unknown option");
        }
}

static bool parse_options(struct options *o, int argc, char **argv, struct err *e)
{
        static const struct option names[] = {
                {"port", required_argument, NULL, 'p'},
                {"dir", required_argument, NULL, 'd'},
                {"token", required_argument, NULL, 't'},
                {"load", required_argument, NULL, 'l'},
                {"service", required_argument, NULL, 's'},
                {"bookmarks", required_argument, NULL, 'b'},
                {"disable-api", required_argument, NULL, 'x'},
                {"history", required_argument, NULL, 'H'},
                {"help", no_argument, NULL, 'h'},
                {0},
        };
        int option;
        while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
                if (option == 'h') {
                        usage(stdout);
                        exit(EXIT_SUCCESS);
                }
                if (!set_option(o, option, optarg, e))
                        return false;
        }
        if (optind < argc)
                return err_set(e, "unexpected argument \"%s\"", argv[optind]);
        return o->dir || err_set(e, "--dir is missing");
}

static bool write_kubeconfig(const struct options *o, const char *ca, struct err *e)
{
        AUTO_STR *path = file_join(o->dir, "kubeconfig");
        json_auto_t *ca_text = js_base64(ca, strlen(ca));
        AUTO_STR *text = mem_printf("apiVersion: v1\n"
                                    "kind: Config\n"
                                    "current-context: devkube\n"
                                    "clusters:\n"
                                    "- name: devkube\n"
                                    "  cluster:\n"
                                    "    server: https://127.0.0.1:%u\n"
                                    "    certificate-authority-data: %s\n"
                                    "users:\n"
                                    "- name: devkube\n"
                                    "  user:\n"
                                    "    token: %s\n"
                                    "contexts:\n"
                                    "- name: devkube\n"
                                    "  context:\n"
                                    "    cluster: devkube\n"
                                    "    user: devkube\n",
                                    o->port, json_string_value(ca_text), o->token);
        return file_make_dirs(o->dir, e) && file_write(path, text, strlen(text), 0600, e);
}

/* What a new cluster has. */
static bool create_namespaces(struct err *e)
{
        static const char list[] = "{\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":"
                                   "\"default\"}},{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":"
                                   "\"kube-system\"}}]}";
        size_t count;
        return control_load(list, sizeof(list) - 1, &count, e);
}

static bool load_file(const char *path, struct err *e)
{
        AUTO(buf) *text = file_read(path, LOAD_MAX, e);
        size_t count;
        return text && (control_load(buf_data(text), buf_len(text), &count, e) || err_wrap(e, "%s", path));
}

static bool restart(struct options *o, const struct tls_pair *pair, struct err *e)
{
        struct restart r = control_restart();
        http_stop();
        if (r.forget)
                store_forget(r.jump);
        struct timespec down = {.tv_sec = r.down / DURATION_SECOND, .tv_nsec = r.down % DURATION_SECOND};
        nanosleep(&down, NULL);
        return http_start(&o->port, pair->key, pair->cert, api_handle, e);
}

/* Returns at SIGTERM or SIGINT. */
static bool serve(struct options *o, const struct tls_pair *pair, int signals, struct err *e)
{
        struct pollfd wait[] = {{.fd = signals, .events = POLLIN}, {.fd = control_fd(), .events = POLLIN}};
        for (;;) {
                if (poll(wait, COUNT_OF(wait), -1) < 0)
                        continue;
                if (wait[0].revents)
                        return true;
                if (wait[1].revents && !restart(o, pair, e))
                        return false;
        }
}

static int block_signals(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool run(struct options *o, struct err *e)
{
        int signals = block_signals();
        static struct tls_pair pair; /* as long as the process */
        if (!o->token)
                o->token = random_token();
        resources_init(o->disabled);
        store_init(o->history);
        api_init(o->token);
        if (!create_namespaces(e) || (o->load && !load_file(o->load, e)) || !tls_keep(&pair, o->dir, e) ||
            !http_start(&o->port, pair.key, pair.cert, api_handle, e) || !write_kubeconfig(o, pair.ca, e))
                return false;
        printf("devkube: ready on https://127.0.0.1:%u, kubeconfig %s/kubeconfig\n", o->port, o->dir);
        fflush(stdout);
        return serve(o, &pair, signals, e);
}

int main(int argc, char **argv)
{
        struct options o = {.history = DEFAULT_HISTORY};
        struct err e = {0};
        json_object_seed(0);
        log_set_format(LOG_TEXT);
        admission_init();
        if (!parse_options(&o, argc, argv, &e)) {
                fprintf(stderr, "devkube: %s\n", e.text);
                usage(stderr);
                return EXIT_USAGE;
        }
        bool done = run(&o, &e);
        if (!done)
                fprintf(stderr, "devkube: %s\n", e.text);
#ifdef GATEHOUSE_TEST
        /* Handlers let go of what they hold, and the sanitizer looks for leaks. */
        store_wake();
        http_stop();
        return done ? EXIT_SUCCESS : EXIT_FAILURE;
#else
        /* Watches and slow webhooks would have to be waited for; there is nothing to save. */
        _exit(done ? EXIT_SUCCESS : EXIT_FAILURE);
#endif
}
