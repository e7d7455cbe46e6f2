/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/server_internal.h"

#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- answers ---- */

static enum MHD_Result send_answer(struct request *q, unsigned status, const char *type, char *body, bool last)
{
        struct MHD_Response *response =
                MHD_create_response_from_buffer_with_free_callback(strlen(body), body, mem_free);
        if (!response) {
                mem_free(body);
                return MHD_NO;
        }
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
                MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, MHD_HTTP_METHOD_POST);
        if (last || atomic_load(&q->server->draining))
                MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        server_connection_enter(q->connection, CONNECTION_ANSWERING);
        enum MHD_Result result = MHD_queue_response(q->connection->mhd, status, response);
        MHD_destroy_response(response);
        return result;
}

/* last: the body was not read, so the connection cannot go on. */
static enum MHD_Result refuse(struct request *q, unsigned status, const char *text, bool last)
{
        meter_refused(q->server->meter, status);
        return send_answer(q, status, "text/plain; charset=utf-8", mem_printf("%s\n", text), last);
}

/*
 * In the middle of a body libmicrohttpd takes no response: the bytes go out past it, and the connection ends. Its
 * socket does not block: what does not fit is lost, which such a client must live with.
 */
static enum MHD_Result refuse_midway(struct request *q, unsigned status, const char *reason)
{
        meter_refused(q->server->meter, status);
        AUTO_STR *text = mem_printf("HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, reason);
        gnutls_session_t session =
                MHD_get_connection_info(q->connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
        ssize_t ignored = gnutls_record_send(session, text, strlen(text));
        (void)ignored;
        return MHD_NO;
}

/* ---- the request's head ---- */

struct framing {
        unsigned lengths, codings;
};

static enum MHD_Result count_framing(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
        struct framing *f = arg;
        (void)kind;
        (void)value;
        f->lengths += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
        f->codings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
        return MHD_YES;
}

static bool is_json(const char *type)
{
        static const char json[] = "application/json";
        size_t n = sizeof(json) - 1;
        return type && strncasecmp(type, json, n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

static bool find_path(const char *url, enum job_path *path)
{
        *path = str_equal(url, "/mutate") ? JOB_MUTATE : JOB_VALIDATE;
        return str_equal(url, "/mutate") || str_equal(url, "/validate");
}

/* 0, or the status with which the head is refused. */
static unsigned check_head(struct request *q, const char *url, const char *method, const char **text)
{
        struct MHD_Connection *mhd = q->connection->mhd;
        if (!find_path(url, &q->path))
                return *text = "not found: POST to /validate or /mutate", 404;
        if (!str_equal(method, MHD_HTTP_METHOD_POST))
                return *text = "use POST", 405;
        if (!is_json(MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE)))
                return *text = "the Content-Type must be application/json", 415;
        /* RFC 9112, section 6.3: a message framed in two ways is an attack. */
        struct framing f = {0};
        MHD_get_connection_values(mhd, MHD_HEADER_KIND, count_framing, &f);
        if (f.lengths > 1 || f.codings > 1 || (f.lengths && f.codings))
                return *text = "one Content-Length or chunked, not both", 400;
        const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
        if (length && strtoull(length, NULL, 10) > REVIEW_BODY_MAX)
                return *text = "the body is larger than 8 MiB", 413;
        return 0;
}

static enum MHD_Result begin(struct webhook_server *s, struct MHD_Connection *mhd, const char *url, const char *method,
                             void **context)
{
        struct request *q = mem_zalloc(sizeof(*q));
        *context = q;
        q->server = s;
        q->connection = server_connection_of(mhd);
        const char *text;
        unsigned status = check_head(q, url, method, &text);
        if (status)
                return refuse(q, status, text, true);
        q->body = buf_new(REVIEW_BODY_MAX);
        return MHD_YES;
}

/* ---- the body ---- */

static void drop_body(struct request *q)
{
        if (q->body)
                atomic_fetch_sub(&q->server->body_bytes, buf_len(q->body));
        buf_free(mem_take(&q->body));
}

static enum MHD_Result take(struct request *q, const char *data, size_t *size)
{
        struct webhook_server *s = q->server;
        size_t n = *size;
        *size = 0;
        if (n > REVIEW_BODY_MAX - buf_len(q->body))
                return refuse_midway(q, 413, "Content Too Large");
        if (atomic_fetch_add(&s->body_bytes, n) + n > s->limits.bodies) {
                atomic_fetch_sub(&s->body_bytes, n);
                return refuse_midway(q, 503, "Service Unavailable");
        }
        buf_append(q->body, data, n);
        return MHD_YES;
}

/* ---- judging ---- */

static enum MHD_Result answer(struct request *q)
{
        AUTO(buf) *out = buf_new(REVIEW_ANSWER_MAX);
        job_answer(q->job, out);
        job_account(q->job, q->server->meter, time_monotonic() - q->started);
        return send_answer(q, 200, "application/json", buf_take_str(out), false);
}

static enum MHD_Result judge(struct request *q)
{
        struct webhook_server *s = q->server;
        for (;;) {
                uint64_t changes = atomic_load(&s->changes);
                if (job_judge(q->job, s->state, time_now_micros()))
                        return answer(q);
                switch (server_wait(q, changes)) {
                case WAIT_SUSPENDED:
                        return MHD_YES;
                case WAIT_AGAIN:
                        break;
                case WAIT_OVER:
                        return answer(q);
                }
        }
}

static enum MHD_Result finish(struct request *q)
{
        if (!q->job) {
                struct err e = {0};
                q->started = time_monotonic();
                bool ok = job_read(&q->job, q->path, buf_data(q->body), buf_len(q->body), q->server->state, &e);
                drop_body(q);
                if (!ok)
                        return refuse(q, (unsigned)e.code, e.text, false);
        }
        return judge(q);
}

/* ---- what libmicrohttpd calls ---- */

enum MHD_Result server_request_handle(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
                                      const char *version, const char *data, size_t *size, void **context)
{
        (void)version;
        struct request *q = *context;
        if (!q)
                return begin(arg, mhd, url, method, context);
        if (*size)
                return take(q, data, size);
        return finish(q);
}

void server_request_completed(void *arg, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode code)
{
        (void)arg;
        (void)code;
        struct request *q = *context;
        server_connection_enter(server_connection_of(mhd), CONNECTION_IDLE);
        *context = NULL;
        if (!q)
                return;
        drop_body(q);
        job_free(q->job);
        mem_free(q);
}

/* The request line is here: the deadline for the rest begins. */
void *server_request_begin(void *arg, const char *uri, struct MHD_Connection *mhd)
{
        (void)arg;
        (void)uri;
        server_connection_enter(server_connection_of(mhd), CONNECTION_REQUEST);
        return NULL;
}
