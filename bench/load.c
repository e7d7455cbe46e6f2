/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - how long an Envoy waits for a change while gatehouse is busy with something else.
 *
 *     build/bench/load
 *
 * build/gatehouse on build/devkube. One HTTPS host's route is patched again and again; the clock runs from the PATCH to
 * the last byte at an xDS client that asks for this host only: alone, while 3,000 statuses are written (5 ms each at
 * the API server), and while four clients ask the webhook as fast as it answers.
 */
#include "bench/crowd.h"
#include "bench/running.h"
#include "certs/issue.h"

#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { PROBES = 200, ASKERS = 4, PAUSE_MILLISECONDS = 30 };

struct probe {
        struct bench *bench;
        int crowd;
        struct event *news;
        struct crowd_report report;
        bool reported;
        unsigned count;
};

/* ---- objects: a host with TLS, whose RouteConfiguration is its own ---- */

static char *probe_objects(struct bench *b)
{
        static const char *const names[] = {"probe.example.com"};
        struct err e = {0};
        int64_t now = time_now_micros(), day = INT64_C(86400) * 1000000;
        struct pair *ca = issue_ca(now - day, now + 300 * day, &e);
        const struct issue_request r = {.common_name = "probe",
                                        .names = names,
                                        .name_count = 1,
                                        .server = true,
                                        .not_before = now - day,
                                        .not_after = now + 100 * day};
        struct pair *leaf = ca ? issue_leaf(&r, ca->crt, ca->crt_len, ca->key, ca->key_len, &e) : NULL;
        if (!leaf)
                give_up(b, e.text);
        json_t *secret =
                json_pack("{s:s,s:s,s:{s:s,s:s},s:s,s:{s:s#,s:s#}}", "apiVersion", "v1", "kind", "Secret", "metadata",
                          "name", "probe", "namespace", "team", "type", "kubernetes.io/tls", "stringData", "tls.crt",
                          leaf->crt, (int)leaf->crt_len, "tls.key", leaf->key, (int)leaf->key_len);
        char *text = json_dumps(secret, JSON_COMPACT);
        char *all = mem_printf(
                "%s\n{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"namespace\":\"team\",\"name\":\"own\"}"
                ","
                "\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}}\n"
                "{\"apiVersion\":\"contour.heptio.com/v1beta1\",\"kind\":\"IngressRoute\",\"metadata\":{\"namespace\":"
                "\"team\",\"name\":\"probe\"},\"spec\":{\"virtualhost\":{\"fqdn\":\"probe.example.com\",\"tls\":{"
                "\"secretName\":\"probe\"}},\"routes\":[{\"match\":\"/"
                "\",\"services\":[{\"name\":\"own\",\"port\":80}]}]}}\n",
                text);
        free(text);
        json_decref(secret);
        pair_unref(leaf);
        pair_unref(ca);
        return all;
}

/* ---- the xDS client ---- */

static void on_news(evutil_socket_t fd, short what, void *arg)
{
        (void)what;
        struct probe *p = arg;
        if (read((int)fd, &p->report, sizeof(p->report)) != sizeof(p->report))
                give_up(p->bench, "the crowd is gone");
        p->reported = true;
}

static void wait_report(struct probe *p, const char *what)
{
        int64_t deadline = time_monotonic() + PATIENCE;
        while (!p->reported) {
                if (time_monotonic() > deadline)
                        give_up(p->bench, what);
                event_base_loop(p->bench->base, EVLOOP_ONCE);
        }
        p->reported = false;
}

static void wish(struct probe *p, const struct crowd_wish *w)
{
        if (write(p->crowd, w, sizeof(*w)) != sizeof(*w))
                give_up(p->bench, "the crowd takes no wishes");
        wait_report(p, "the crowd is not ready");
}

static void connect_client(struct probe *p, const char *port)
{
        const char *names[] = {"https/probe.example.com"};
        uint8_t bytes[256] = {0};
        Envoy__Node node = ENVOY__NODE__INIT;
        Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
        node.id = "probe";
        m.node = &node;
        m.type_url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
        m.n_resource_names_subscribe = 1;
        m.resource_names_subscribe = names;
        bytes[4] = (uint8_t)protobuf_c_message_pack(&m.base, bytes + 5);
        struct err e = {0};
        struct crowd_wish w = {.verb = CROWD_OPEN,
                               .clients = 1,
                               .delta = true,
                               .port = (uint16_t)strtoul(port, NULL, 10),
                               .resources = 1};
        snprintf(w.script, sizeof(w.script), "%s/script", p->bench->dir);
        if (!file_write(w.script, bytes, 5 + (size_t)bytes[4], 0600, &e))
                give_up(p->bench, e.text);
        wish(p, &w);
        wait_report(p, "the probe's routes do not come");
        unlink(w.script);
}

/* From the PATCH to the last byte; *answer to the API server's answer, which is not ours. */
static int64_t probe_once(struct probe *p, int64_t *answer)
{
        AUTO_STR *body = mem_printf("{\"spec\":{\"routes\":[{\"match\":\"/\",\"timeoutPolicy\":{\"request\":\"%us\"},"
                                    "\"services\":[{\"name\":\"own\",\"port\":80}]}]}}",
                                    ++p->count);
        wish(p, &(struct crowd_wish){.verb = CROWD_WAIT, .resources = 1});
        int64_t begin = time_monotonic();
        if (ask(p->bench, "PATCH", ROUTES "/namespaces/team/ingressroutes/probe", body) != 200)
                give_up(p->bench, "the probe cannot be patched");
        *answer = time_monotonic() - begin;
        wait_report(p, "the probe's change does not come");
        rest(p->bench, PAUSE_MILLISECONDS * DURATION_MILLISECOND);
        return p->report.at - begin;
}

struct times {
        int64_t bytes[PROBES * 10], answer[PROBES * 10];
        unsigned n;
};

static void take(struct probe *p, struct times *t)
{
        t->bytes[t->n] = probe_once(p, &t->answer[t->n]);
        t->n++;
}

static double report(const char *when, struct times *t, double quiet)
{
        int64_t *took = t->bytes;
        unsigned n = t->n;
        qsort(took, n, sizeof(*took), by_number);
        qsort(t->answer, n, sizeof(*t->answer), by_number);
        const unsigned middle = n / 2, most = n * 99 / 100;
        double p50 = (double)took[middle] / 1e6;
        printf("%-34s %4u changes: p50 %6.2f ms, p99 %6.2f ms, p50 %.2fx; the PATCH's answer p50 %6.2f ms\n", when, n,
               p50, (double)took[most] / 1e6, quiet > 0 ? p50 / quiet : 1, (double)t->answer[middle] / 1e6);
        return p50;
}

/* ---- the webhook's clients ---- */

struct asker {
        pthread_t thread;
        uint16_t port;
        const char *request;
        atomic_bool *ending;
        uint64_t count;
};

static SSL *connect_webhook(SSL_CTX *tls, uint16_t port)
{
        const struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        SSL *ssl = SSL_new(tls);
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 || SSL_set_fd(ssl, fd) != 1 ||
            SSL_connect(ssl) != 1) {
                fprintf(stderr, "bench/load: no connection to the webhook\n");
                exit(1);
        }
        return ssl;
}

static void *ask_webhook(void *arg)
{
        struct asker *a = arg;
        SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
        SSL *ssl = connect_webhook(tls, a->port);
        char answer[16384];
        for (; !atomic_load(a->ending); a->count++) {
                int n = 0;
                if (SSL_write(ssl, a->request, (int)strlen(a->request)) <= 0)
                        break;
                for (int got; (got = SSL_read(ssl, answer + n, (int)sizeof(answer) - 1 - n)) > 0;) {
                        n += got;
                        answer[n] = '\0';
                        const char *end = strstr(answer, "\r\n\r\n");
                        if (end && strchr(end, '\n') && answer[n - 1] == '\n' && strstr(end, "\"allowed\":true"))
                                break;
                }
        }
        close(SSL_get_fd(ssl));
        SSL_free(ssl);
        SSL_CTX_free(tls);
        return NULL;
}

/* A new IngressRoute of 20 routes, about 2 KiB. */
static char *review(void)
{
        AUTO(buf) *routes = buf_new(1 << 16);
        for (unsigned i = 0; i < 20; i++)
                buf_printf(routes, "%s{\"match\":\"/%u\",\"services\":[{\"name\":\"shared\",\"port\":80}]}",
                           i ? "," : "", i);
        AUTO_STR *body = mem_printf(
                "{\"apiVersion\":\"admission.k8s.io/"
                "v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u\",\"kind\":{"
                "\"group\":\"contour.heptio.com\",\"version\":\"v1beta1\",\"kind\":\"IngressRoute\"},\"resource\":{"
                "\"group\":"
                "\"contour.heptio.com\",\"version\":\"v1beta1\",\"resource\":\"ingressroutes\"},\"namespace\":\"team\","
                "\"name\":"
                "\"new\",\"operation\":\"CREATE\",\"userInfo\":{\"username\":\"u\"},\"object\":{\"apiVersion\":"
                "\"contour.heptio.com/"
                "v1beta1\",\"kind\":\"IngressRoute\",\"metadata\":{\"name\":\"new\",\"namespace\":\"team\"},"
                "\"spec\":{\"virtualhost\":{\"fqdn\":\"new.example.com\"},\"routes\":[%s]}}}}",
                buf_data(routes));
        return mem_printf("POST /validate HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          strlen(body), body);
}

static void probe_under_reviews(struct probe *p, const char *port, double quiet)
{
        struct asker askers[ASKERS];
        atomic_bool ending = false;
        AUTO_STR *request = review();
        static struct times times;
        int64_t begin = time_monotonic();
        for (size_t i = 0; i < ASKERS; i++) {
                askers[i] = (struct asker){
                        .port = (uint16_t)strtoul(port, NULL, 10), .request = request, .ending = &ending};
                pthread_create(&askers[i].thread, NULL, ask_webhook, &askers[i]);
        }
        while (times.n < PROBES)
                take(p, &times);
        atomic_store(&ending, true);
        uint64_t reviews = 0;
        double seconds = (double)(time_monotonic() - begin) / 1e9;
        for (size_t i = 0; i < ASKERS; i++) {
                pthread_join(askers[i].thread, NULL);
                reviews += askers[i].count;
        }
        report("while the webhook takes full load", &times, quiet);
        printf("%-34s %.0f reviews/s\n", "", (double)reviews / seconds);
}

/* ---- 3,000 statuses ---- */

static void probe_under_statuses(struct probe *p, double quiet)
{
        struct bench *b = p->bench;
        static struct times times;
        AUTO_STR *fault = mem_printf("{\"fault\":\"slow\",\"verbs\":[\"patch\"],\"resource\":\"ingressroutes/status\","
                                     "\"milliseconds\":%d,\"count\":-1}",
                                     SLOW_MILLISECONDS);
        if (ask(b, "POST", "/devkube/faults", fault) >= 300)
                give_up(b, "devkube cannot be made slow");
        long before = status_writes(b);
        if (ask(b, "DELETE", "/api/v1/namespaces/team/services/shared", NULL) != 200)
                give_up(b, "the Service cannot be deleted");
        while (b->valid > 0 && times.n < COUNT_OF(times.bytes))
                take(p, &times);
        report("while 3,000 statuses are written", &times, quiet);
        printf("%-34s %ld writes\n", "", status_writes(b) - before);
}

int main(void)
{
        struct bench b = {.n = FLIPS};
        struct probe p = {.bench = &b, .crowd = crowd_start()};
        static struct times times;
        setlinebuf(stdout);
        signal(SIGPIPE, SIG_IGN);
        AUTO_STR *objects = probe_objects(&b);
        AUTO_STR *xds = free_port(&b);
        AUTO_STR *webhook = free_port(&b);
        b.more = objects;
        start(&b);
        AUTO_STR *certgen = mem_printf("build/gatehouse certgen --pem %s/pem --ip 127.0.0.1 >/dev/null", b.dir);
        if (system(certgen) != 0) /* NOLINT(cert-env33-c): a fixed command in a directory of ours */
                give_up(&b, "certgen");
        AUTO_STR *crt = mem_printf("%s/pem/gatehouse-webhook-tls/tls.crt", b.dir);
        AUTO_STR *key = mem_printf("%s/pem/gatehouse-webhook-tls/tls.key", b.dir);
        start_gatehouse(&b, (char *[]){"--insecure", "--xds-address", "127.0.0.1", "--xds-port", xds,
                                       "--webhook-address", "127.0.0.1", "--webhook-port", webhook,
                                       "--webhook-cert-file", crt, "--webhook-key-file", key, NULL});
        p.news = event_new(b.base, p.crowd, EV_READ | EV_PERSIST, on_news, &p);
        event_add(p.news, NULL);
        connect_client(&p, xds);
        while (times.n < PROBES)
                take(&p, &times);
        double quiet = report("a change alone", &times, 0);
        probe_under_reviews(&p, webhook, quiet);
        probe_under_statuses(&p, quiet);
        wish(&p, &(struct crowd_wish){.verb = CROWD_CLOSE});
        event_free(p.news);
        AUTO_STR *clean = mem_printf("rm -r %s/pem", b.dir);
        if (system(clean) != 0) /* NOLINT(cert-env33-c) */
                give_up(&b, "rm");
        finish(&b);
        return 0;
}
