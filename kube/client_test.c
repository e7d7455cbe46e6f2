/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include "base/file.h"
#include "kube/fake_api.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

/* ---- a server ---- */

/* What the server saw last, and how it answers. */
struct world {
        struct event_base *base;
        struct fake_api api;
        struct client *client;
        int code;
        const char *headers, *body;
        bool silent, streaming;
        char *head, *upload; /* of the last request */
        struct bufferevent *from;
        long peer; /* serial of the client's certificate; 0: none was shown */
        bool seen;
};

static long peer_serial(struct bufferevent *from)
{
        SSL *ssl = bufferevent_openssl_get_ssl(from);
        X509 *crt = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
        long serial = crt ? ASN1_INTEGER_get(X509_get0_serialNumber(crt)) : 0;
        X509_free(crt);
        return serial;
}

static void serve(struct fake_api *api, const struct fake_request *r)
{
        struct world *w = api->arg;
        mem_free(w->head);
        mem_free(w->upload);
        w->head = mem_strdup(r->head);
        w->upload = mem_strdup(r->body);
        w->from = r->from;
        w->peer = peer_serial(r->from);
        w->seen = true;
        if (w->silent)
                return;
        if (w->streaming)
                fake_begin_stream(r);
        else
                fake_answer(r, w->code, w->headers, w->body);
}

static struct world *world_new(void)
{
        struct world *w = mem_zalloc(sizeof(*w));
        w->base = event_base_new();
        w->code = 200;
        w->headers = "";
        w->body = "{}";
        fake_init(&w->api, w->base, serve, w);
        return w;
}

static void world_free(struct world *w)
{
        client_free(w->client);
        fake_done(&w->api);
        event_base_free(w->base);
        mem_free(w->head);
        mem_free(w->upload);
        mem_free(w);
}

struct result {
        bool done;
        int code;
        char body[256];
        int64_t retry_after, date;
        struct err error;
        size_t times;
};

static void on_done(const struct response *r, void *arg)
{
        struct result *result = arg;
        result->done = true;
        result->times++;
        result->code = r->code;
        result->retry_after = r->retry_after;
        result->date = r->date;
        result->error = r->error;
        snprintf(result->body, sizeof(result->body), "%.*s", (int)(r->size < 255 ? r->size : 255), r->body);
}

static const struct request get = {.method = "GET", .path = "/version", .verb = "get", .resource = "version"};

static struct result ask(struct world *w, const struct request *r)
{
        struct result result = {0};
        client_request(w->client, r, on_done, &result);
        assert_false(result.done);
        fake_wait(w->base, &result.done, "an answer");
        return result;
}

/* ---- requests ---- */

static void request__says_who_and_what__body_arrives(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        struct request r = {
                .method = "PATCH",
                .path = "/apis/x/status?fieldManager=g",
                .body = "{\"a\":1}",
                .body_size = 7,
                .content_type = "application/merge-patch+json",
        };
        struct result result = ask(w, &r);
        assert_int_equal(result.code, 200);
        assert_string_equal(result.body, "{}");
        assert_string_equal(w->upload, "{\"a\":1}");
        assert_memory_equal(w->head, "PATCH /apis/x/status?fieldManager=g HTTP/1.1\r\n", 46);
        assert_non_null(strstr(w->head, "\r\nAuthorization: Bearer secret\r\n"));
        assert_non_null(strstr(w->head, "\r\nContent-Type: application/merge-patch+json\r\n"));
        assert_non_null(strstr(w->head, "\r\nUser-Agent: gatehouse/"));
        world_free(w);
}

static void request__connection_is_kept__second_request_uses_it(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        ask(w, &get);
        ask(w, &get);
        assert_int_equal(w->api.requests, 2);
        assert_int_equal(w->api.connections, 1);
        world_free(w);
}

static void request__429__status_body_and_retry_after_are_told(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        w->code = 429;
        w->headers = "Retry-After: 7\r\n";
        w->body = "slow down";
        struct result r = ask(w, &get);
        assert_int_equal(r.code, 429);
        assert_true(r.retry_after == 7 * DURATION_SECOND);
        assert_string_equal(r.body, "slow down");
        world_free(w);
}

static void request__date__is_the_servers_clock(void **state)
{
        static const struct {
                const char *header;
                int64_t seconds;
        } rows[] = {
                {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777}, /* RFC 9110, section 5.6.7 */
                {"date:Tue, 14 Nov 2023 22:13:20 GMT\r\n", 1700000000},
                {"Date: yesterday\r\n", 0},
                {"", 0},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct world *w = world_new();
                w->client = fake_client(&w->api);
                w->headers = rows[i].header;
                struct result r = ask(w, &get);
                assert_true(r.date == rows[i].seconds * TIME_MICROS_PER_SECOND);
                world_free(w);
        }
}

static void request__no_answer__ends_by_its_timeout(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        w->silent = true;
        struct request r = get;
        r.timeout = 200 * DURATION_MILLISECOND;
        struct result result = ask(w, &r);
        assert_int_equal(result.code, 0);
        assert_non_null(strstr(result.error.text, "timed out"));
        world_free(w);
}

static void request__nobody_listens__is_an_error_that_names_the_server(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        evconnlistener_free(mem_take(&w->api.listener));
        struct result r = ask(w, &get);
        assert_int_equal(r.code, 0);
        AUTO_STR *server = mem_printf("127.0.0.1:%d", w->api.port);
        assert_non_null(strstr(r.error.text, server));
        world_free(w);
}

static void request__answer_ends_early__is_no_answer(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        w->silent = true;
        struct result result = {0};
        client_request(w->client, &get, on_done, &result);
        fake_wait(w->base, &w->seen, "the request");
        fake_send(w->from, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}");
        fake_break(&w->api, w->from);
        fake_wait(w->base, &result.done, "the end");
        assert_int_equal(result.code, 0);
        assert_true(result.error.text[0] != '\0');
        world_free(w);
}

static void request__answer_beyond_the_limit__is_refused_as_too_large(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        char *large = mem_zalloc(CLIENT_BODY_MAX + 2);
        memset(large, 'x', CLIENT_BODY_MAX + 1);
        w->body = large;
        struct result r = ask(w, &get);
        assert_int_equal(r.code, 0);
        assert_int_equal(r.error.code, CLIENT_TOO_LARGE);
        world_free(w);
        mem_free(large);
}

static void request__cancelled__calls_nobody_back(void **state)
{
        (void)state;
        struct world *w = world_new();
        w->client = fake_client(&w->api);
        struct result cancelled = {0};
        client_cancel(client_request(w->client, &get, on_done, &cancelled));
        client_cancel(NULL);
        ask(w, &get);
        assert_int_equal(cancelled.times, 0);
        world_free(w);
}

static void count_observed(const char *verb, const char *resource, int code, void *arg)
{
        struct result *r = arg;
        snprintf(r->body, sizeof(r->body), "%s %s %d", verb, resource, code);
        r->times++;
}

static void request__observer__is_told_once_an_answer(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct result observed = {0};
        w->client = fake_client(&w->api);
        w->code = 404;
        client_observe(w->client, count_observed, &observed);
        ask(w, &get);
        assert_int_equal(observed.times, 1);
        assert_string_equal(observed.body, "get version 404");
        world_free(w);
}

/* ---- streams ---- */

struct stream {
        struct world *world;
        struct call *call;
        char got[256];
        bool got_any;
        struct result end, nested;
        bool nest, cancel; /* on the first bytes */
};

static void on_bytes(const char *p, size_t n, void *arg)
{
        struct stream *s = arg;
        strncat(s->got, p, n);
        s->got_any = true;
        if (s->nest) {
                s->world->streaming = false;
                client_request(s->world->client, &get, on_done, &s->nested);
        }
        if (s->cancel)
                client_cancel(s->call);
        s->nest = s->cancel = false;
}

static void on_end(const struct response *r, void *arg)
{
        struct stream *s = arg;
        on_done(r, &s->end);
}

static void open_stream(struct world *w, struct stream *s)
{
        w->streaming = true;
        w->client = fake_client(&w->api);
        s->world = w;
        s->call = client_stream(w->client, &get, on_bytes, on_end, s);
        fake_wait(w->base, &w->seen, "the request");
}

static void stream__bytes_come_as_sent__end_is_told(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {0};
        open_stream(w, &s);
        fake_chunk(w->from, "one");
        fake_wait(w->base, &s.got_any, "the first piece");
        assert_string_equal(s.got, "one");
        assert_false(s.end.done);
        fake_chunk(w->from, "two");
        fake_end_stream(w->from);
        fake_wait(w->base, &s.end.done, "the end");
        assert_string_equal(s.got, "onetwo");
        assert_int_equal(s.end.code, 200);
        assert_string_equal(s.end.error.text, "");
        world_free(w);
}

static void stream__connection_breaks__is_told_as_an_error(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {0};
        open_stream(w, &s);
        fake_chunk(w->from, "one");
        fake_break(&w->api, w->from);
        fake_wait(w->base, &s.end.done, "the end");
        assert_string_equal(s.got, "one");
        assert_int_equal(s.end.code, 200);
        assert_true(s.end.error.text[0] != '\0');
        world_free(w);
}

static void stream__refused__body_is_told_and_no_bytes(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {0};
        w->code = 410;
        w->body = "gone";
        w->client = fake_client(&w->api);
        client_stream(w->client, &get, on_bytes, on_end, &s);
        fake_wait(w->base, &s.end.done, "the end");
        assert_int_equal(s.end.code, 410);
        assert_string_equal(s.end.body, "gone");
        assert_string_equal(s.got, "");
        world_free(w);
}

static void stream__never_answered__ends_by_its_timeout(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {0};
        struct request r = get;
        w->silent = true;
        w->client = fake_client(&w->api);
        r.timeout = 200 * DURATION_MILLISECOND;
        client_stream(w->client, &r, on_bytes, on_end, &s);
        fake_wait(w->base, &s.end.done, "the end");
        assert_int_equal(s.end.code, 0);
        assert_non_null(strstr(s.end.error.text, "no answer in time"));
        world_free(w);
}

static void stream__quiet_once_it_began__outlives_the_timeout(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {.world = w};
        struct result other = {0};
        struct request r = get, slow = get;
        w->streaming = true;
        w->client = fake_client(&w->api);
        r.timeout = slow.timeout = 300 * DURATION_MILLISECOND;
        client_stream(w->client, &r, on_bytes, on_end, &s);
        fake_wait(w->base, &w->seen, "the stream's request");
        struct bufferevent *stream = w->from;
        w->silent = true;
        client_request(w->client, &slow, on_done, &other);
        fake_wait(w->base, &other.done, "the timeout of a later request");
        fake_chunk(stream, "late");
        fake_wait(w->base, &s.got_any, "bytes after the timeout");
        assert_false(s.end.done);
        world_free(w);
}

static void stream__callback_starts_a_request_and_cancels_the_stream__both_happen(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {.nest = true, .cancel = true};
        open_stream(w, &s);
        fake_chunk(w->from, "x");
        fake_wait(w->base, &s.nested.done, "the nested request");
        assert_int_equal(s.nested.code, 200);
        assert_int_equal(s.end.times, 0);
        world_free(w);
}

static void client_free__calls_under_way__nobody_is_called_back(void **state)
{
        (void)state;
        struct world *w = world_new();
        struct stream s = {0};
        open_stream(w, &s);
        client_request(w->client, &get, on_end, &s);
        client_free(mem_take(&w->client));
        assert_int_equal(s.end.times, 0);
        world_free(w);
}

/* ---- files that change ---- */

static void write_file(const char *path, const char *text)
{
        struct err e = {0};
        if (!file_write(path, text, strlen(text), 0600, &e))
                fail_msg("%s", e.text);
}

static struct client *client_of(struct world *w, const char *yaml)
{
        struct err e = {0};
        struct kubeconfig *config = kubeconfig_parse(yaml, strlen(yaml), ".", &e);
        if (!config)
                fail_msg("%s", e.text);
        struct client *c = client_new(w->base, config, &e);
        if (!c)
                fail_msg("%s", e.text);
        return c;
}

#define CONFIG                                                                                                         \
        "current-context: c\n"                                                                                         \
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n"

static void token_file__changes_or_is_gone__next_request_carries_what_was_read_last(void **state)
{
        (void)state;
        char dir[] = "/tmp/gatehouse-client-XXXXXX";
        assert_non_null(mkdtemp(dir));
        AUTO_STR *path = file_join(dir, "token");
        write_file(path, "first\n");
        struct world *w = world_new();
        AUTO_STR *yaml = mem_printf(CONFIG "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:%d/'}}]\n"
                                           "users: [{name: u, user: {tokenFile: %s}}]\n",
                                    w->api.port, path);
        w->client = client_of(w, yaml);
        ask(w, &get);
        assert_non_null(strstr(w->head, "Bearer first\r\n"));
        assert_non_null(strstr(w->head, "GET /version "));
        write_file(path, "second");
        ask(w, &get);
        assert_non_null(strstr(w->head, "Bearer second\r\n"));
        unlink(path);
        struct result r = ask(w, &get);
        assert_int_equal(r.code, 200);
        assert_non_null(strstr(w->head, "Bearer second\r\n"));
        rmdir(dir);
        world_free(w);
}

/* ---- TLS ---- */

/* A self-signed pair for "api.example" and 127.0.0.2. */
static void make_pair(EVP_PKEY **key, X509 **crt, long serial)
{
        *key = EVP_EC_gen("P-256");
        *crt = X509_new();
        X509_set_version(*crt, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(*crt), serial);
        X509_gmtime_adj(X509_getm_notBefore(*crt), -60);
        X509_gmtime_adj(X509_getm_notAfter(*crt), 3600);
        X509_set_pubkey(*crt, *key);
        X509_NAME *name = X509_get_subject_name(*crt);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"api", -1, -1, 0);
        X509_set_issuer_name(*crt, name);
        X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:api.example,IP:127.0.0.2");
        X509_add_ext(*crt, names, -1);
        X509_EXTENSION_free(names);
        assert_true(X509_sign(*crt, *key, EVP_sha256()) > 0);
}

static char *base64_pem(X509 *crt)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *pem;
        PEM_write_bio_X509(bio, crt);
        long n = BIO_get_mem_data(bio, &pem);
        char *text = mem_zalloc((size_t)n * 2);
        EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)pem, (int)n);
        BIO_free(bio);
        return text;
}

struct tls_case {
        const char *options; /* of the cluster; %s: our authority */
        bool trusted;
};

static void assert_trusts(struct tls_case c)
{
        struct world *w = world_new();
        EVP_PKEY *key;
        X509 *crt;
        make_pair(&key, &crt, 1);
        w->api.tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate(w->api.tls, crt);
        SSL_CTX_use_PrivateKey(w->api.tls, key);
        AUTO_STR *authority = base64_pem(crt);
        AUTO_STR *ours = mem_printf("certificate-authority-data: %s, ", authority);
        AUTO_STR *yaml = mem_printf(CONFIG "clusters: [{name: k, cluster: {%s%s server: 'https://127.0.0.1:%d'}}]\n"
                                           "users: [{name: u, user: {token: t}}]\n",
                                    strstr(c.options, "insecure") || strstr(c.options, "system") ? "" : ours,
                                    strstr(c.options, "system") ? "" : c.options, w->api.port);
        w->client = client_of(w, yaml);
        struct result r = ask(w, &get);
        if (r.code != (c.trusted ? 200 : 0))
                fail_msg("%s: code %d, %s", c.options, r.code, r.error.text);
        if (c.trusted && !strstr(w->head, "\r\nHost: 127.0.0.1:"))
                fail_msg("%s: %s", c.options, w->head);
        EVP_PKEY_free(key);
        X509_free(crt);
        world_free(w);
}

static void tls__only_the_given_authority_and_name__are_trusted(void **state)
{
        (void)state;
        static const struct tls_case cases[] = {
                {"tls-server-name: api.example,", true},   {"tls-server-name: other.example,", false}, {"", false},
                {"insecure-skip-tls-verify: true,", true}, {"the system's authorities", false},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++)
                assert_trusts(cases[i]);
}

static int take_any(int ok, X509_STORE_CTX *store)
{
        (void)ok;
        (void)store;
        return 1;
}

static void write_pair(const char *crt_path, const char *key_path, long serial)
{
        EVP_PKEY *key;
        X509 *crt;
        make_pair(&key, &crt, serial);
        FILE *f = fopen(crt_path, "w"), *g = fopen(key_path, "w");
        assert_true(f && g);
        PEM_write_X509(f, crt);
        PEM_write_PrivateKey(g, key, NULL, NULL, 0, NULL, NULL);
        fclose(f);
        fclose(g);
        EVP_PKEY_free(key);
        X509_free(crt);
}

static void tls__client_certificate_is_renewed__next_request_shows_the_new_one(void **state)
{
        (void)state;
        char dir[] = "/tmp/gatehouse-client-XXXXXX";
        assert_non_null(mkdtemp(dir));
        AUTO_STR *crt_path = file_join(dir, "crt"), *key_path = file_join(dir, "key");
        struct world *w = world_new();
        write_pair(crt_path, key_path, 7);
        w->api.tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate_file(w->api.tls, crt_path, SSL_FILETYPE_PEM);
        SSL_CTX_use_PrivateKey_file(w->api.tls, key_path, SSL_FILETYPE_PEM);
        SSL_CTX_set_verify(w->api.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
        AUTO_STR *yaml = mem_printf(
                CONFIG
                "clusters: [{name: k, cluster: {insecure-skip-tls-verify: true, server: 'https://127.0.0.1:%d'}}]\n"
                "users: [{name: u, user: {client-certificate: %s, client-key: %s}}]\n",
                w->api.port, crt_path, key_path);
        w->client = client_of(w, yaml);
        assert_int_equal(ask(w, &get).code, 200);
        assert_int_equal(w->peer, 7);
        write_pair(crt_path, key_path, 8);
        assert_int_equal(ask(w, &get).code, 200);
        assert_int_equal(w->peer, 8);
        assert_int_equal(ask(w, &get).code, 200);
        assert_int_equal(w->api.connections, 2);
        unlink(crt_path);
        unlink(key_path);
        rmdir(dir);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(request__says_who_and_what__body_arrives),
                cmocka_unit_test(request__connection_is_kept__second_request_uses_it),
                cmocka_unit_test(request__date__is_the_servers_clock),
                cmocka_unit_test(request__429__status_body_and_retry_after_are_told),
                cmocka_unit_test(request__no_answer__ends_by_its_timeout),
                cmocka_unit_test(request__nobody_listens__is_an_error_that_names_the_server),
                cmocka_unit_test(request__answer_ends_early__is_no_answer),
                cmocka_unit_test(request__answer_beyond_the_limit__is_refused_as_too_large),
                cmocka_unit_test(request__cancelled__calls_nobody_back),
                cmocka_unit_test(request__observer__is_told_once_an_answer),
                cmocka_unit_test(stream__bytes_come_as_sent__end_is_told),
                cmocka_unit_test(stream__connection_breaks__is_told_as_an_error),
                cmocka_unit_test(stream__refused__body_is_told_and_no_bytes),
                cmocka_unit_test(stream__never_answered__ends_by_its_timeout),
                cmocka_unit_test(stream__quiet_once_it_began__outlives_the_timeout),
                cmocka_unit_test(stream__callback_starts_a_request_and_cancels_the_stream__both_happen),
                cmocka_unit_test(client_free__calls_under_way__nobody_is_called_back),
                cmocka_unit_test(token_file__changes_or_is_gone__next_request_carries_what_was_read_last),
                cmocka_unit_test(tls__only_the_given_authority_and_name__are_trusted),
                cmocka_unit_test(tls__client_certificate_is_renewed__next_request_shows_the_new_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
