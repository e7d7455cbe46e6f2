/* SPDX-License-Identifier: Apache-2.0 */
/* Source: gRPC over HTTP/2; nghttp2. */
#include "xds/grpc_client.h"

#include "base/buf.h"
#include "xds/grpc_frame.h"
#include "xds/grpc_limits.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
        READ_SIZE = 16 * 1024,
        WINDOW = 1 << 20, /* of the stream and the connection: more is on its way only when we have read it */
        TEXT_MAX = 256,   /* of grpc-message */
};

/* A message that came and was not asked for yet: of one read, so there are few. */
struct message {
        struct message *prev, *next;
        struct buf *bytes;
};

struct grpc_client {
        struct dial *dial;
        nghttp2_session *session;
        int32_t stream;
        struct buf *out; /* of requests, not yet in frames */
        struct grpc_frame in;
        enum grpc_frame_result in_result;
        struct message *messages, *current;
        bool ended;     /* the stream is closed */
        uint32_t reset; /* its code (RFC 9113, section 7) */
        char http[8];   /* ":status" */
        char status[8]; /* "grpc-status" */
        char text[TEXT_MAX];
        uint8_t read[READ_SIZE];
};

/* ---- what comes ---- */

static void take(char *to, size_t room, const uint8_t *value, size_t n)
{
        size_t kept = n < room - 1 ? n : room - 1;
        for (size_t i = 0; i < kept; i++)
                to[i] = value[i] < 0x20 || value[i] >= 0x7f ? '?' : (char)value[i];
        to[kept] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t n, uint8_t flags, void *user)
{
        (void)session, (void)frame, (void)name_len, (void)flags;
        struct grpc_client *c = user;
        const char *text = (const char *)name; /* nghttp2 puts a NUL behind it */
        if (strcmp(text, ":status") == 0)
                take(c->http, sizeof(c->http), value, n);
        else if (strcmp(text, "grpc-status") == 0)
                take(c->status, sizeof(c->status), value, n);
        else if (strcmp(text, "grpc-message") == 0)
                take(c->text, sizeof(c->text), value, n);
        return 0;
}

static bool keep_message(const uint8_t *p, size_t n, void *arg)
{
        struct grpc_client *c = arg;
        struct message *m = mem_zalloc(sizeof(*m));
        m->bytes = buf_new(GRPC_ANSWER_MAX);
        buf_set_secret(m->bytes);
        buf_append(m->bytes, p, n);
        DL_APPEND(c->messages, m);
        return true;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
        (void)session, (void)flags, (void)id;
        struct grpc_client *c = user;
        if (c->in_result == GRPC_FRAME_OK)
                c->in_result = grpc_frame_feed(&c->in, p, n, GRPC_ANSWER_MAX, keep_message, c);
        return c->in_result == GRPC_FRAME_OK ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The server is done, though our side stays open: there is nothing more to wait for. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *user)
{
        (void)session;
        struct grpc_client *c = user;
        const bool carries_end = f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA;
        if (carries_end && f->hd.flags & NGHTTP2_FLAG_END_STREAM)
                c->ended = true;
        return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
        (void)session, (void)id;
        struct grpc_client *c = user;
        c->ended = true;
        c->reset = code;
        return 0;
}

/* ---- what goes ---- */

static ssize_t fill(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *user)
{
        (void)session, (void)id, (void)flags, (void)user;
        struct grpc_client *c = source->ptr;
        size_t n = buf_len(c->out) < room ? buf_len(c->out) : room;
        if (!n)
                return NGHTTP2_ERR_DEFERRED;
        memcpy(to, buf_data(c->out), n);
        buf_consume(c->out, n);
        return (ssize_t)n;
}

static bool flush(struct grpc_client *c, int64_t deadline, struct err *e)
{
        const uint8_t *p = NULL;
        for (ssize_t n; (n = nghttp2_session_mem_send(c->session, &p)) != 0;) {
                if (n < 0)
                        return err_set(e, "HTTP/2: %s", nghttp2_strerror((int)n));
                if (!dial_write(c->dial, p, (size_t)n, deadline, e))
                        return false;
        }
        return true;
}

/* ---- the call ---- */

static void open_session(struct grpc_client *c)
{
        static const nghttp2_settings_entry settings[] = {
                {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
                {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADER_BYTES_MAX},
                {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, GRPC_HEADER_TABLE_BYTES},
        };
        nghttp2_session_callbacks *callbacks = NULL;
        int failed = nghttp2_session_callbacks_new(&callbacks);
        assert(!failed);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        failed = nghttp2_session_client_new(&c->session, callbacks, c);
        assert(!failed);
        (void)failed;
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

#define HEADER(name, value)                                                                                            \
        {                                                                                                              \
                (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value),              \
                        NGHTTP2_NV_FLAG_NONE                                                                           \
        }

static bool open_call(struct grpc_client *c, const struct dial_options *o, const char *path, struct err *e)
{
        const nghttp2_nv headers[] = {
                HEADER(":method", "POST"),
                HEADER(":scheme", o->pair ? "https" : "http"),
                HEADER(":path", path),
                HEADER(":authority", o->server_name ? o->server_name : o->host),
                HEADER("content-type", "application/grpc"),
                HEADER("te", "trailers"),
                HEADER("user-agent", "gatehouse"),
        };
        const nghttp2_data_provider provider = {.source.ptr = c, .read_callback = fill};
        c->stream = nghttp2_submit_request(c->session, NULL, headers, COUNT_OF(headers), &provider, NULL);
        return c->stream > 0 || err_set(e, "HTTP/2: %s", nghttp2_strerror(c->stream));
}

struct grpc_client *grpc_client_open(const struct dial_options *o, const char *path, int64_t deadline, struct err *e)
{
        AUTO(grpc_client) *c = mem_zalloc(sizeof(*c));
        c->in.secret = true;
        c->out = buf_new(GRPC_MESSAGE_MAX + GRPC_FRAME_HEAD);
        c->dial = dial_open(o, deadline, e);
        if (!c->dial)
                return NULL;
        open_session(c);
        return open_call(c, o, path, e) && flush(c, deadline, e) ? mem_take(&c) : NULL;
}

static void message_free(struct message *m)
{
        if (!m)
                return;
        buf_free(m->bytes);
        mem_free(m);
}

void grpc_client_free(struct grpc_client *c)
{
        if (!c)
                return;
        struct message *m, *next;
        DL_FOREACH_SAFE(c->messages, m, next)
        message_free(m);
        message_free(c->current);
        nghttp2_session_del(c->session);
        grpc_frame_done(&c->in);
        buf_free(c->out);
        dial_free(c->dial);
        mem_wipe(c->read, sizeof(c->read));
        mem_free(c);
}

bool grpc_client_send(struct grpc_client *c, const void *p, size_t n, int64_t deadline, struct err *e)
{
        uint8_t head[GRPC_FRAME_HEAD];
        if (n > GRPC_MESSAGE_MAX)
                return err_set(e, "a request of %zu bytes is too long: at most %d", n, GRPC_MESSAGE_MAX);
        grpc_frame_head(head, (uint32_t)n);
        if (!buf_append(c->out, head, sizeof(head)) || !buf_append(c->out, p, n))
                return err_set(e, "too many requests that the server does not take");
        nghttp2_session_resume_data(c->session, c->stream);
        return flush(c, deadline, e);
}

/* How it ended, in words. */
static bool say_end(const struct grpc_client *c, struct err *e)
{
        if (c->http[0] && strcmp(c->http, "200") != 0)
                return err_set(e, "the server answers HTTP status %s", c->http);
        if (!c->status[0])
                return err_set(e, "the server ended the stream without a status: %s", nghttp2_http2_strerror(c->reset));
        if (strcmp(c->status, "0") == 0)
                return err_set(e, "the server ended the stream");
        return err_set(e, "the server ended the stream with status %s%s%s", c->status, c->text[0] ? ": " : "", c->text);
}

static const char *frame_problem(enum grpc_frame_result result)
{
        switch (result) {
        case GRPC_FRAME_OK:
        case GRPC_FRAME_STOPPED:
                break;
        case GRPC_FRAME_TOO_LONG:
                return "is too long";
        case GRPC_FRAME_COMPRESSED:
                return "is compressed, which was not asked for";
        case GRPC_FRAME_MALFORMED:
                return "has a flag that gRPC does not know";
        }
        return "cannot be read";
}

static bool read_more(struct grpc_client *c, int64_t deadline, struct err *e)
{
        size_t n = 0;
        if (!dial_read(c->dial, c->read, sizeof(c->read), &n, deadline, e))
                return false;
        if (n == 0)
                return err_set(e, "the server closed the connection");
        ssize_t taken = nghttp2_session_mem_recv(c->session, c->read, n);
        mem_wipe(c->read, n);
        if (c->in_result != GRPC_FRAME_OK)
                return err_set(e, "a message of the server %s", frame_problem(c->in_result));
        return taken >= 0 || err_set(e, "HTTP/2: %s", nghttp2_strerror((int)taken));
}

bool grpc_client_receive(struct grpc_client *c, const uint8_t **p, size_t *n, int64_t deadline, struct err *e)
{
        message_free(c->current);
        c->current = NULL;
        while (!c->messages) {
                if (c->ended)
                        return say_end(c, e);
                if (!flush(c, deadline, e) || !read_more(c, deadline, e))
                        return false;
        }
        c->current = c->messages;
        DL_DELETE(c->messages, c->current);
        *p = (const uint8_t *)buf_data(c->current->bytes);
        *n = buf_len(c->current->bytes);
        return true;
}
