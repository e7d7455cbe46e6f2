/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_internal.h"

#include <assert.h>
#include <string.h>

static struct grpc_call *call_get(nghttp2_session *session, int32_t id)
{
        return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
        struct grpc_connection *k = user;
        memset(&k->request, 0, sizeof(k->request));
        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        struct grpc_call *c = grpc_call_new(k, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(session, c->id, c);
        return 0;
}

static bool is(const uint8_t *p, size_t n, const char *text)
{
        return n == strlen(text) && memcmp(p, text, n) == 0;
}

/* "application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8". */
static bool is_grpc(const uint8_t *p, size_t n)
{
        static const char type[] = "application/grpc";
        size_t length = sizeof(type) - 1;
        return n >= length && memcmp(p, type, length) == 0 && (n == length || p[length] == '+' || p[length] == ';');
}

/*
 * grpc-timeout is not looked at: it is the client that gives up and resets the stream at its deadline, and one that
 * cannot even do that is noticed by GRPC_STALL_WAIT and TCP's keepalive. A discovery stream is meant to last.
 */
static void take_header(struct grpc_request *r, const uint8_t *name, size_t name_len, const uint8_t *value, size_t n)
{
        if (is(name, name_len, ":method")) {
                r->post = is(value, n, "POST");
        } else if (is(name, name_len, "content-type")) {
                r->grpc = is_grpc(value, n);
        } else if (is(name, name_len, "grpc-encoding")) {
                r->encoded = !is(value, n, "identity");
        } else if (is(name, name_len, ":path") && n < sizeof(r->path)) {
                /* A longer path is none of ours: it stays empty. */
                memcpy(r->path, value, n);
                r->path[n] = '\0';
        }
}

/* Headers beyond the limits are read on, for HPACK's sake, and not looked at. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t n, uint8_t flags, void *user)
{
        (void)session;
        (void)frame;
        (void)flags;
        struct grpc_connection *k = user;
        struct grpc_request *r = &k->request;
        r->count++;
        r->bytes += name_len + n + 32;
        r->too_much = r->too_much || r->count > GRPC_HEADERS_MAX || r->bytes > GRPC_HEADER_BYTES_MAX;
        if (!r->too_much)
                take_header(r, name, name_len, value, n);
        return 0;
}

static bool carries_nothing(const nghttp2_frame *f)
{
        if (f->hd.type == NGHTTP2_DATA)
                return f->hd.length == f->data.padlen && !(f->hd.flags & NGHTTP2_FLAG_END_STREAM);
        return f->hd.type == NGHTTP2_PRIORITY;
}

static void count_frame(struct grpc_connection *k, const nghttp2_frame *f)
{
        int64_t now = k->server->clock();
        bool ack = f->hd.flags & NGHTTP2_FLAG_ACK;
        if (f->hd.type == NGHTTP2_PING && !ack && !grpc_rate_take(&k->pings, GRPC_PINGS_BURST, GRPC_PINGS_RATE, now))
                grpc_connection_refuse(k, NGHTTP2_ENHANCE_YOUR_CALM, "too many PINGs");
        if (f->hd.type == NGHTTP2_SETTINGS && !ack) {
                k->prefaced = true;
                if (!grpc_rate_take(&k->settings, GRPC_SETTINGS_BURST, GRPC_SETTINGS_RATE, now))
                        grpc_connection_refuse(k, NGHTTP2_ENHANCE_YOUR_CALM, "too many SETTINGS");
        }
        if (carries_nothing(f) && !grpc_rate_take(&k->empty, GRPC_EMPTY_BURST, GRPC_EMPTY_RATE, now))
                grpc_connection_refuse(k, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames that carry nothing");
}

/* A stream of a higher number ends the idle ones below it (RFC 9113, 5.1.1). */
static bool was_skipped(struct grpc_connection *k, int32_t id)
{
        if (id <= k->last_id)
                return id >= k->skipped_from && id < k->skipped_to;
        if (id - k->last_id > 2) {
                k->skipped_from = k->last_id + 1;
                k->skipped_to = id;
        }
        k->last_id = id;
        return false;
}

/* Of streams that have ended nghttp2 knows itself: it keeps as many of them as may be open. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
        (void)session;
        struct grpc_connection *k = user;
        if (hd->type == NGHTTP2_HEADERS && was_skipped(k, hd->stream_id))
                grpc_connection_refuse(k, NGHTTP2_PROTOCOL_ERROR, "a new stream's number is below the last one's");
        return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *user)
{
        struct grpc_connection *k = user;
        count_frame(k, f);
        if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
                return 0;
        struct grpc_call *c = call_get(session, f->hd.stream_id);
        if (!c)
                return 0;
        if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST)
                grpc_call_begin(c);
        if (f->hd.flags & NGHTTP2_FLAG_END_STREAM)
                grpc_call_half_close(c);
        return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
        (void)flags;
        (void)user;
        struct grpc_call *c = call_get(session, id);
        if (c)
                grpc_call_read(c, p, n);
        return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
        (void)code;
        (void)user;
        struct grpc_call *c = call_get(session, id);
        if (c)
                grpc_call_close(c, GRPC_CLOSE_CANCELLED);
        return 0;
}

/* RFC 9113, 8.1: whoever has answered and wants no more of the request says so with RST_STREAM, NO_ERROR. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *f, void *user)
{
        struct grpc_connection *k = user;
        if (f->hd.type == NGHTTP2_RST_STREAM &&
            !grpc_rate_take(&k->own_resets, GRPC_OWN_RESETS_BURST, GRPC_OWN_RESETS_RATE, k->server->clock()))
                grpc_connection_refuse(k, NGHTTP2_ENHANCE_YOUR_CALM, "too many streams that had to be reset");
        if (f->hd.type != NGHTTP2_HEADERS || !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
                return 0;
        struct grpc_call *c = call_get(session, f->hd.stream_id);
        if (c)
                c->told = true;
        if (nghttp2_session_get_stream_remote_close(session, f->hd.stream_id) == 0)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, f->hd.stream_id, NGHTTP2_NO_ERROR);
        return 0;
}

void grpc_session_prepare(struct grpc_server *s)
{
        int failed = nghttp2_session_callbacks_new(&s->callbacks) | nghttp2_option_new(&s->option);
        assert(!failed);
        (void)failed;
        nghttp2_session_callbacks_set_on_begin_frame_callback(s->callbacks, on_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(s->callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(s->callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(s->callbacks, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(s->callbacks, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(s->callbacks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(s->callbacks, on_sent);
        /* Its default answers an Envoy that drops many streams at once with GOAWAY. */
        nghttp2_option_set_stream_reset_rate_limit(s->option, GRPC_RESETS_BURST, GRPC_RESETS_RATE);
        nghttp2_option_set_max_outbound_ack(s->option, GRPC_ACKS_MAX);
        nghttp2_option_set_max_deflate_dynamic_table_size(s->option, GRPC_HEADER_TABLE_BYTES);
}

void grpc_session_open(struct grpc_connection *k)
{
        /* No NO_RFC7540_PRIORITIES: nghttp2 would not look at PRIORITY then, and a broken one must end the connection.
         */
        static const nghttp2_settings_entry settings[] = {
                {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS_MAX},
                {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADER_BYTES_MAX},
                {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, GRPC_HEADER_TABLE_BYTES},
        };
        int failed = nghttp2_session_server_new2(&k->session, k->server->callbacks, k, k->server->option);
        assert(!failed);
        (void)failed;
        nghttp2_submit_settings(k->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
}
