/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"

#include <assert.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
        ERROR_BODY_MAX = 64 * 1024, /* of an answer other than 200 to a stream */
        CONNECT_SECONDS = 10,
        TIMEOUT_SECONDS = 30,
        KEEPALIVE_IDLE = 15, /* with 3 probes 10 s apart a dead peer is noticed within 45 s */
        KEEPALIVE_INTERVAL = 10,
        USER_TIMEOUT_MS = 30 * 1000,
        POOL_MAX = 64, /* idle and busy connections: watches, and short requests */
};

/* The content of a file that may change, or of the kubeconfig itself. */
struct material {
        const struct kube_material *source;
        struct file_stamp stamp;
        struct buf *bytes; /* NULL: not given */
};

struct call {
        struct client *client;
        struct call *next, *previous;
        CURL *easy;
        struct curl_slist *headers;
        struct buf *body;
        bool is_stream, is_done;
        client_bytes_fn *bytes; /* of a stream */
        client_done_fn *done;
        void *arg;
        int64_t retry_after;
        struct err error; /* what we say of it ourselves, before curl does */
        const char *verb, *resource;
        struct event *deadline; /* of a stream: until its answer begins */
        bool began;
        char problem[CURL_ERROR_SIZE];
};

/* What curl wants to know of one socket. */
struct watched_socket {
        struct event *event;
};

struct client {
        struct event_base *base;
        struct kubeconfig *config;
        struct material authority, certificate, key, token;
        CURLM *multi;
        struct event *timer;    /* curl's */
        struct event *watchdog; /* once a second: is anybody there? */
        struct event *finisher; /* ends calls from the loop */
        struct call *calls;
        struct call *probe;
        int64_t last_bytes; /* monotonic: when the server last said anything */
        client_observer_fn *observer;
        void *observer_arg;
        char *user_agent;
};

/* ---- files that change ---- */

static bool refresh(struct material *m, struct err *e)
{
        if (!kube_material_given(m->source))
                return true;
        if (m->bytes && !m->source->path)
                return true;
        struct file_stamp now = m->source->path ? file_stamp_get(m->source->path) : (struct file_stamp){0};
        if (m->bytes && file_stamp_equal(&now, &m->stamp))
                return true;
        struct buf *fresh = kube_material_read(m->source, e);
        if (!fresh)
                return m->bytes != NULL; /* the old content may still do */
        buf_free(m->bytes);
        m->bytes = fresh;
        m->stamp = now;
        return true;
}

static bool refresh_all(struct client *c, struct err *e)
{
        return refresh(&c->authority, e) && refresh(&c->certificate, e) && refresh(&c->key, e) && refresh(&c->token, e);
}

/* ---- curl in the loop (libcurl, "multi_socket" interface) ---- */

static void finish_calls(struct client *c);

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
        struct client *c = arg;
        int action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
        int running;
        curl_multi_socket_action(c->multi, fd, action, &running);
        finish_calls(c);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
        (void)easy;
        struct client *c = arg;
        struct watched_socket *s = socket_arg;
        if (s) {
                event_free(s->event);
                if (what == CURL_POLL_REMOVE) {
                        mem_free(s);
                        curl_multi_assign(c->multi, fd, NULL);
                        return 0;
                }
        } else if (what == CURL_POLL_REMOVE) {
                return 0;
        } else {
                s = mem_zalloc(sizeof(*s));
                curl_multi_assign(c->multi, fd, s);
        }
        short events = EV_PERSIST;
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                events |= EV_READ;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                events |= EV_WRITE;
        s->event = event_new(c->base, fd, events, on_socket, c);
        event_add(s->event, NULL);
        return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct client *c = arg;
        int running;
        curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        finish_calls(c);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
        (void)multi;
        struct client *c = arg;
        if (ms < 0) {
                event_del(c->timer);
                return 0;
        }
        struct timeval t = {ms / 1000, ms % 1000 * 1000};
        event_add(c->timer, &t);
        return 0;
}

/* ---- one call ---- */

static void call_free(struct call *call)
{
        struct client *c = call->client;
        if (call->previous)
                call->previous->next = call->next;
        else
                c->calls = call->next;
        if (call->next)
                call->next->previous = call->previous;
        if (call->easy) {
                curl_multi_remove_handle(c->multi, call->easy);
                curl_easy_cleanup(call->easy);
        }
        curl_slist_free_all(call->headers);
        if (call->deadline)
                event_free(call->deadline);
        buf_free(call->body);
        mem_free(call);
}

void client_cancel(struct call *call)
{
        if (!call)
                return;
        if (call->client->probe == call)
                call->client->probe = NULL;
        call_free(call);
}

static int code_of(const struct call *call)
{
        long code = 0;
        if (call->easy)
                curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
        return (int)code;
}

static void finish(struct call *call, CURLcode result)
{
        struct client *c = call->client;
        struct response r = {
                .code = code_of(call),
                .body = buf_data(call->body),
                .size = buf_len(call->body),
                .retry_after = call->retry_after,
                .error = call->error,
        };
        if (result != CURLE_OK && !r.error.text[0])
                err_set(&r.error, "%s: %s", c->config->server,
                        call->problem[0] ? call->problem : curl_easy_strerror(result));
        if (result != CURLE_OK && !call->is_stream)
                r.code = 0;
        if (c->observer)
                c->observer(call->verb, call->resource, r.code, c->observer_arg);
        if (c->probe == call)
                c->probe = NULL;
        call->is_done = true;
        client_done_fn *done = call->done;
        void *arg = call->arg;
        if (done)
                done(&r, arg);
        call_free(call);
}

static void finish_calls(struct client *c)
{
        CURLMsg *message;
        int left;
        while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
                if (message->msg != CURLMSG_DONE)
                        continue;
                struct call *call;
                CURLcode result = message->data.result;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
                finish(call, result);
        }
        /* Those that could not even be started, or were given up. */
        for (struct call *call = c->calls; call;) {
                if (!call->is_done && call->error.text[0]) {
                        finish(call, CURLE_ABORTED_BY_CALLBACK);
                        call = c->calls; /* anything may have changed */
                } else {
                        call = call->next;
                }
        }
}

static void on_finisher(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        finish_calls(arg);
}

static size_t on_bytes(char *p, size_t size, size_t count, void *arg)
{
        struct call *call = arg;
        size_t n = size * count;
        call->client->last_bytes = time_monotonic();
        if (!call->began) {
                call->began = true;
                if (call->deadline)
                        event_del(call->deadline);
        }
        if (call->is_stream && code_of(call) == 200) {
                call->bytes(p, n, call->arg);
                return n;
        }
        if (buf_append(call->body, p, n))
                return n;
        err_set(&call->error, "the answer is larger than the %zu bytes allowed",
                (size_t)(call->is_stream ? ERROR_BODY_MAX : CLIENT_BODY_MAX));
        return CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
        static const char name[] = "retry-after:";
        struct call *call = arg;
        size_t n = size * count;
        call->client->last_bytes = time_monotonic();
        /* An empty line ends the head: a quiet watch has begun. */
        if (n <= 2 && call->deadline)
                event_del(call->deadline);
        if (n >= sizeof(name) && strncasecmp(p, name, sizeof(name) - 1) == 0) {
                AUTO_STR *value = mem_strndup(p + sizeof(name) - 1, n - (sizeof(name) - 1));
                long seconds = strtol(value, NULL, 10); /* the API server never sends a date */
                call->retry_after = (seconds < 0 ? 0 : seconds > 3600 ? 3600 : seconds) * DURATION_SECOND;
        }
        return n;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct call *call = arg;
        err_set(&call->error, "%s: no answer in time", call->client->config->server);
        event_active(call->client->finisher, 0, 0);
}

/* TCP_USER_TIMEOUT (RFC 5482): what is sent and never acknowledged ends the connection. */
static int on_new_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
        (void)arg;
        (void)purpose;
        unsigned ms = USER_TIMEOUT_MS;
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
        return CURL_SOCKOPT_OK;
}

static void set_blob(CURL *easy, CURLoption option, const struct material *m)
{
        if (!m->bytes)
                return;
        struct curl_blob blob = {(void *)(uintptr_t)buf_data(m->bytes), buf_len(m->bytes), CURL_BLOB_COPY};
        curl_easy_setopt(easy, option, &blob);
}

static void set_identity(struct call *call)
{
        struct client *c = call->client;
        CURL *easy = call->easy;
        /* Only the authority given counts: not the system's, and never a cached one that was renewed since. */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
        set_blob(easy, CURLOPT_CAINFO_BLOB, &c->authority);
        set_blob(easy, CURLOPT_SSLCERT_BLOB, &c->certificate);
        set_blob(easy, CURLOPT_SSLKEY_BLOB, &c->key);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->config->insecure ? 0L : 1L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->config->insecure ? 0L : 2L);
        if (!c->token.bytes)
                return;
        const char *token = buf_data(c->token.bytes);
        char *header = mem_printf("Authorization: Bearer %.*s", (int)strcspn(token, "\r\n"), token);
        call->headers = curl_slist_append(call->headers, header);
        mem_wipe(header, strlen(header));
        mem_free(header);
}

static void set_transport(struct call *call)
{
        CURL *easy = call->easy;
        /* A watch over HTTP/2 would share flow control with the others. */
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL);
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->problem);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, call->client->user_agent);
}

static void set_request(struct call *call, const struct request *r)
{
        CURL *easy = call->easy;
        AUTO_STR *url = mem_printf("%s%s", call->client->config->server, r->path);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
        call->headers = curl_slist_append(call->headers, "Accept: application/json");
        if (r->body) {
                curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)r->body_size);
                curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, r->body);
                AUTO_STR *type = mem_printf("Content-Type: %s", r->content_type);
                call->headers = curl_slist_append(call->headers, type);
                call->headers = curl_slist_append(call->headers, "Expect:");
        }
        int64_t timeout = r->timeout ? r->timeout : TIMEOUT_SECONDS * DURATION_SECOND;
        if (call->is_stream) {
                struct timeval t = {timeout / DURATION_SECOND, timeout % DURATION_SECOND / 1000};
                call->deadline = event_new(call->client->base, -1, 0, on_deadline, call);
                event_add(call->deadline, &t);
        } else {
                curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout / DURATION_MILLISECOND));
        }
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
}

static struct call *call_start(struct client *c, const struct request *r, client_bytes_fn *bytes, client_done_fn *done,
                               void *arg)
{
        struct call *call = mem_zalloc(sizeof(*call));
        call->client = c;
        call->next = c->calls;
        if (c->calls)
                c->calls->previous = call;
        c->calls = call;
        call->is_stream = bytes != NULL;
        call->bytes = bytes;
        call->done = done;
        call->arg = arg;
        call->verb = r->verb ? r->verb : "";
        call->resource = r->resource ? r->resource : "";
        call->body = buf_new(call->is_stream ? ERROR_BODY_MAX : CLIENT_BODY_MAX);
        if (!refresh_all(c, &call->error)) {
                event_active(c->finisher, 0, 0);
                return call;
        }
        call->easy = curl_easy_init();
        assert(call->easy);
        set_transport(call);
        set_identity(call);
        set_request(call, r);
        CURLMcode code = curl_multi_add_handle(c->multi, call->easy);
        assert(code == CURLM_OK);
        return call;
}

struct call *client_request(struct client *c, const struct request *r, client_done_fn *done, void *arg)
{
        return call_start(c, r, NULL, done, arg);
}

struct call *client_stream(struct client *c, const struct request *r, client_bytes_fn *bytes, client_done_fn *done,
                           void *arg)
{
        return call_start(c, r, bytes, done, arg);
}

/* ---- is the server still there? ---- */

static bool has_streams(const struct client *c)
{
        for (const struct call *call = c->calls; call; call = call->next) {
                if (call->is_stream)
                        return true;
        }
        return false;
}

static void end_streams(struct client *c, const struct err *why)
{
        for (struct call *call = c->calls; call; call = call->next) {
                if (call->is_stream && !call->error.text[0])
                        err_set(&call->error, "the API server does not answer any more: %s", why->text);
        }
        event_active(c->finisher, 0, 0);
}

static void on_probe(const struct response *r, void *arg)
{
        struct client *c = arg;
        if (r->code == 0)
                end_streams(c, &r->error);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct client *c = arg;
        if (c->probe || !has_streams(c) || time_monotonic() - c->last_bytes < CLIENT_QUIET_SECONDS * DURATION_SECOND)
                return;
        struct request r = {
                .method = "GET",
                .path = "/version",
                .timeout = CLIENT_PROBE_SECONDS * DURATION_SECOND,
                .verb = "get",
                .resource = "version",
        };
        c->probe = client_request(c, &r, on_probe, c);
}

/* ---- the client ---- */

struct client *client_new(struct event_base *base, struct kubeconfig *config, struct err *e)
{
        AUTO(client) *c = mem_zalloc(sizeof(*c));
        c->base = base;
        c->config = config;
        c->authority.source = &config->authority;
        c->certificate.source = &config->certificate;
        c->key.source = &config->key;
        c->token.source = &config->token;
        c->user_agent = mem_printf("gatehouse/%s", GATEHOUSE_VERSION);
        c->last_bytes = time_monotonic();
        curl_global_init(CURL_GLOBAL_DEFAULT);
        c->multi = curl_multi_init();
        c->timer = event_new(base, -1, 0, on_timer, c);
        c->finisher = event_new(base, -1, 0, on_finisher, c);
        c->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, c);
        struct timeval second = {1, 0};
        event_add(c->watchdog, &second);
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
        curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
        curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)POOL_MAX);
        return refresh_all(c, e) ? mem_take(&c) : NULL;
}

static void material_drop(struct material *m)
{
        buf_free(m->bytes);
}

void client_free(struct client *c)
{
        if (!c)
                return;
        while (c->calls)
                call_free(c->calls);
        curl_multi_cleanup(c->multi);
        event_free(c->timer);
        event_free(c->finisher);
        event_free(c->watchdog);
        material_drop(&c->authority);
        material_drop(&c->certificate);
        material_drop(&c->key);
        material_drop(&c->token);
        kubeconfig_free(c->config);
        mem_free(c->user_agent);
        mem_free(c);
}

void client_observe(struct client *c, client_observer_fn *observer, void *arg)
{
        c->observer = observer;
        c->observer_arg = arg;
}

char *client_escape(const char *s)
{
        char *escaped = curl_easy_escape(NULL, s, 0);
        assert(escaped);
        char *copy = mem_strdup(escaped);
        curl_free(escaped);
        return copy;
}
