/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include "base/time.h"
#include "kube/client_identity.h"

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
        KEEPALIVE_IDLE = 15, /* with the user timeout a dead peer is noticed within 45 s */
        KEEPALIVE_INTERVAL = 10,
        USER_TIMEOUT_MS = 30 * 1000,
        POOL_MAX = 64, /* connections, busy and idle: watches and short requests; what is more waits its turn */
};

struct call {
        struct client *client;
        struct call *next, *previous;
        CURL *easy;
        struct curl_slist *headers;
        struct buf *upload; /* NULL: none */
        struct buf *body;
        bool is_stream, is_done;
        bool is_added;          /* curl knows it */
        bool is_cancelled;      /* from within curl: gone at the next turn of the loop */
        client_bytes_fn *bytes; /* of a stream */
        client_done_fn *done;
        void *arg;
        int64_t retry_after, date;
        struct err error; /* what we say of it ourselves, before curl does */
        const char *verb, *resource;
        struct event *deadline; /* of a stream: until its answer begins */
        int64_t last_bytes;     /* of a stream: monotonic; 0: its answer has not begun */
        char problem[CURL_ERROR_SIZE];
};

/* What curl wants to know of one socket. */
struct watched_socket {
        struct event *event;
};

struct client {
        struct event_base *base;
        struct kubeconfig *config;
        struct identity identity;
        CURLM *multi;
        struct event *timer;    /* curl's */
        struct event *watchdog; /* once a second: is anybody there? */
        struct event *finisher; /* begins and ends calls from the loop */
        struct call *calls;
        struct call *probe;
        bool in_curl;       /* which may not be told to begin or end a call then */
        int64_t last_bytes; /* monotonic: when the server last said anything */
        client_observer_fn *observer;
        void *observer_arg;
        char *user_agent;
};

/* ---- curl in the loop (libcurl, "multi_socket" interface) ---- */

static void finish_calls(struct client *c);

static void drive(struct client *c, curl_socket_t fd, int action)
{
        int running;
        c->in_curl = true;
        curl_multi_socket_action(c->multi, fd, action, &running);
        c->in_curl = false;
        finish_calls(c);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
        struct client *c = arg;
        int action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
        drive(c, fd, action);
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
        drive(c, CURL_SOCKET_TIMEOUT, 0);
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
                if (call->is_added)
                        curl_multi_remove_handle(c->multi, call->easy);
                curl_easy_cleanup(call->easy);
        }
        identity_free_headers(call->headers);
        buf_free(call->upload);
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
        if (!call->client->in_curl) {
                call_free(call);
                return;
        }
        call->is_cancelled = true;
        event_active(call->client->finisher, 0, 0);
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
                .date = call->date,
                .error = call->error,
        };
        if (result != CURLE_OK && !r.error.text[0])
                err_set(&r.error, "%s: %s", c->config->server,
                        call->problem[0] ? call->problem : curl_easy_strerror(result));
        if (result != CURLE_OK && !call->is_stream)
                r.code = 0;
        if (r.code == 401)
                identity_doubt_token(&c->identity);
        if (c->observer)
                c->observer(call->verb, call->resource, r.code, c->observer_arg);
        if (c->probe == call)
                c->probe = NULL;
        call->is_done = true;
        if (call->done && !call->is_cancelled)
                call->done(&r, call->arg);
        call_free(call);
}

static void add_to_curl(struct call *call)
{
        if (call->is_added)
                return;
        CURLMcode code = curl_multi_add_handle(call->client->multi, call->easy);
        assert(code == CURLM_OK);
        call->is_added = true;
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
        /* Those that were begun, cancelled or given up from within curl. */
        for (struct call *call = c->calls; call;) {
                if (call->is_cancelled) {
                        call_free(call);
                        call = c->calls; /* anything may have changed */
                } else if (!call->is_done && call->error.text[0]) {
                        finish(call, CURLE_ABORTED_BY_CALLBACK);
                        call = c->calls;
                } else {
                        add_to_curl(call);
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
        if (call->is_cancelled)
                return CURL_WRITEFUNC_ERROR;
        if (call->is_stream && code_of(call) == 200) {
                call->last_bytes = call->client->last_bytes;
                call->bytes(p, n, call->arg);
                return n;
        }
        if (buf_append(call->body, p, n))
                return n;
        err_set_code(&call->error, CLIENT_TOO_LARGE, "the answer is larger than the %d bytes allowed",
                     call->is_stream ? ERROR_BODY_MAX : CLIENT_BODY_MAX);
        return CURL_WRITEFUNC_ERROR;
}

/* The value of this header for mem_free(), or NULL when it is another one. name: in lower case, with the colon. */
static char *header_value(const char *p, size_t n, const char *name)
{
        size_t skip = strlen(name);
        return n > skip && strncasecmp(p, name, skip) == 0 ? mem_strndup(p + skip, n - skip) : NULL;
}

static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
        struct call *call = arg;
        size_t n = size * count;
        call->client->last_bytes = time_monotonic();
        /* An empty line ends the head: a quiet watch has begun. */
        if (n <= 2 && call->deadline && code_of(call) == 200) {
                event_del(call->deadline);
                call->last_bytes = call->client->last_bytes;
        }
        AUTO_STR *pause = header_value(p, n, "retry-after:");
        AUTO_STR *date = header_value(p, n, "date:");
        if (pause) {
                long seconds = strtol(pause, NULL, 10); /* the API server never sends a date */
                call->retry_after = (seconds < 0 ? 0 : seconds > 3600 ? 3600 : seconds) * DURATION_SECOND;
        }
        time_t time = date ? curl_getdate(date, NULL) : -1;
        if (time > 0)
                call->date = (int64_t)time * TIME_MICROS_PER_SECOND;
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
        AUTO_STR *url = mem_printf("%s%s", call->client->identity.url, r->path);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
        call->headers = curl_slist_append(call->headers, "Accept: application/json");
        if (r->body) {
                call->upload = buf_new(r->body_size);
                buf_set_secret(call->upload); /* certgen writes keys */
                buf_append(call->upload, r->body, r->body_size);
                curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
                curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_data(call->upload));
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
        buf_set_secret(call->body); /* a list of Secrets */
        identity_refresh(&c->identity);
        call->easy = curl_easy_init();
        assert(call->easy);
        set_transport(call);
        identity_apply(&c->identity, call->easy, &call->headers);
        set_request(call, r);
        if (c->in_curl)
                event_active(c->finisher, 0, 0);
        else
                add_to_curl(call);
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

static void give_up(struct call *call, const char *why)
{
        if (call->error.text[0])
                return;
        err_set(&call->error, "%s: %s", call->client->config->server, why);
        event_active(call->client->finisher, 0, 0);
}

static void on_probe(const struct response *r, void *arg)
{
        struct client *c = arg;
        AUTO_STR *why = mem_printf("the API server does not answer any more: %s", r->error.text);
        if (r->code)
                return;
        for (struct call *call = c->calls; call; call = call->next) {
                if (call->is_stream)
                        give_up(call, why);
        }
}

/* Behind a load balancer one server may be gone while others answer: each stream has to bring bookmarks. */
static bool check_streams(struct client *c, int64_t now)
{
        bool any = false;
        for (struct call *call = c->calls; call; call = call->next) {
                if (!call->is_stream)
                        continue;
                any = true;
                if (call->last_bytes && now - call->last_bytes >= CLIENT_SILENCE_SECONDS * DURATION_SECOND)
                        give_up(call, "the watch has been silent for too long");
        }
        return any;
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct client *c = arg;
        int64_t now = time_monotonic();
        if (!check_streams(c, now) || c->probe || now - c->last_bytes < CLIENT_QUIET_SECONDS * DURATION_SECOND)
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
        curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)POOL_MAX);
        return identity_init(&c->identity, config, e) ? mem_take(&c) : NULL;
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
        identity_done(&c->identity);
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
