/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_internal.h"

#include <stdio.h>
#include <string.h>

struct grpc_plain {
        const char *http_status;
        struct iovec why;
};
#define PLAIN(status, text)                                                                                            \
        {                                                                                                              \
                status,                                                                                                \
                {                                                                                                      \
                        (void *)(uintptr_t)(text), sizeof(text) - 1                                                    \
                }                                                                                                      \
        }
static const struct grpc_plain no_post = PLAIN("405", "this is gRPC: a request is a POST");
static const struct grpc_plain no_grpc = PLAIN("415", "this is gRPC: the content-type is application/grpc");

enum { STATUS_TEXT = 4, MESSAGE_TEXT = 3 * GRPC_STATUS_MESSAGE_MAX + 1 };

#define HEADER(n, v)                                                                                                   \
        (nghttp2_nv)                                                                                                   \
        {                                                                                                              \
                (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE       \
        }

static int64_t clock_of(const struct grpc_call *c)
{
        return c->connection->server->clock();
}

struct grpc_call *grpc_call_new(struct grpc_connection *k, int32_t id)
{
        struct grpc_call *c = mem_zalloc(sizeof(*c));
        c->connection = k;
        c->id = id;
        DL_APPEND(k->calls, c);
        k->server->counts.calls++;
        return c;
}

/* ---- lists by time ---- */

static void stop_reading(struct grpc_call *c)
{
        if (c->is_reading)
                DL_DELETE2(c->connection->reading, c, reading_prev, reading_next);
        c->is_reading = false;
}

static void start_reading(struct grpc_call *c)
{
        stop_reading(c);
        c->message_since = clock_of(c);
        DL_APPEND2(c->connection->reading, c, reading_prev, reading_next);
        c->is_reading = true;
}

static void stop_sending(struct grpc_call *c)
{
        if (c->is_sending)
                DL_DELETE2(c->connection->sending, c, sending_prev, sending_next);
        c->is_sending = false;
}

static void start_sending(struct grpc_call *c)
{
        stop_sending(c);
        c->sent_at = clock_of(c);
        DL_APPEND2(c->connection->sending, c, sending_prev, sending_next);
        c->is_sending = true;
}

/* ---- the end ---- */

static void release_message(struct grpc_call *c)
{
        if (c->message_out && c->out.release)
                c->out.release(c->out.owner);
        c->message_out = false;
}

static void drop_input(struct grpc_call *c)
{
        c->connection->buffered -= grpc_frame_held(&c->in);
        grpc_frame_done(&c->in);
        stop_reading(c);
}

void grpc_call_close(struct grpc_call *c, enum grpc_close reason)
{
        struct grpc_connection *k = c->connection;
        release_message(c);
        drop_input(c);
        stop_sending(c);
        DL_DELETE(k->calls, c);
        k->server->counts.calls--;
        if (c->stalled)
                reason = GRPC_CLOSE_STALLED;
        else if (c->told && reason == GRPC_CLOSE_CANCELLED)
                reason = GRPC_CLOSE_ENDED;
        if (c->service)
                c->service->close(c->state, reason);
        mem_free(c->end_message);
        mem_free(c);
}

/* Percent-encoding as "Status-Message" of gRPC over HTTP/2 has it. */
static void encode_message(const char *message, char text[MESSAGE_TEXT])
{
        static const char hex[] = "0123456789ABCDEF";
        size_t n = 0;
        for (size_t i = 0; i < GRPC_STATUS_MESSAGE_MAX && message[i]; i++) {
                unsigned char byte = (unsigned char)message[i];
                if (byte >= ' ' && byte <= '~' && byte != '%') {
                        text[n++] = (char)byte;
                } else {
                        text[n++] = '%';
                        text[n++] = hex[byte >> 4];
                        text[n++] = hex[byte & 15];
                }
        }
        text[n] = '\0';
}

static size_t end_headers(const struct grpc_call *c, char status[STATUS_TEXT], char message[MESSAGE_TEXT],
                          nghttp2_nv out[3])
{
        size_t n = 0;
        snprintf(status, STATUS_TEXT, "%u", c->status);
        out[n++] = HEADER("grpc-status", status);
        encode_message(c->end_message ? c->end_message : "", message);
        if (message[0])
                out[n++] = HEADER("grpc-message", message);
        /* "Compression" of gRPC over HTTP/2: whoever compressed is told what we take. */
        if (c->encoded && c->status == GRPC_UNIMPLEMENTED)
                out[n++] = HEADER("grpc-accept-encoding", "identity");
        return n;
}

/* An answer without messages: headers and trailers in one ("Trailers-Only"). */
static void answer_at_once(struct grpc_call *c, const char *http_status)
{
        char status[STATUS_TEXT], message[MESSAGE_TEXT];
        nghttp2_nv headers[5] = {HEADER(":status", http_status), HEADER("content-type", "application/grpc")};
        size_t n = 2 + end_headers(c, status, message, headers + 2);
        nghttp2_submit_response(c->connection->session, c->id, headers, n, NULL);
}

static void resume(struct grpc_call *c)
{
        if (c->waiting) {
                c->waiting = false;
                start_sending(c);
                nghttp2_session_resume_data(c->connection->session, c->id);
        }
        grpc_connection_touch(c->connection);
}

static void mark_ended(struct grpc_call *c, enum grpc_status status, const char *message)
{
        c->ended = true;
        c->status = (uint8_t)status;
        c->end_message = mem_strdup(message);
        drop_input(c);
}

void grpc_call_wake(struct grpc_call *c)
{
        if (c->waiting)
                resume(c);
}

const char *grpc_call_peer(const struct grpc_call *c)
{
        return c->connection->peer;
}

void grpc_call_reset_stalled(struct grpc_call *c)
{
        c->stalled = true;
        c->connection->server->counts.stalled++;
        stop_sending(c);
        nghttp2_submit_rst_stream(c->connection->session, NGHTTP2_FLAG_NONE, c->id, NGHTTP2_CANCEL);
        grpc_connection_touch(c->connection);
}

/* ---- sending ---- */

static bool pull(struct grpc_call *c)
{
        if (c->ended || !c->service->next(c, c->state, &c->out))
                return false;
        size_t length = 0;
        for (size_t i = 0; i < c->out.part_count; i++)
                length += c->out.parts[i].iov_len;
        c->message_out = true;
        c->part = c->offset = 0;
        c->head_left = GRPC_FRAME_HEAD;
        grpc_frame_head(c->head, (uint32_t)length);
        return true;
}

/* Copies what fits of the message; releases it behind its last byte. */
static size_t copy_out(struct grpc_call *c, uint8_t *to, size_t room)
{
        size_t n = c->head_left < room ? c->head_left : room;
        memcpy(to, c->head + GRPC_FRAME_HEAD - c->head_left, n);
        c->head_left = (uint8_t)(c->head_left - n);
        while (c->part < c->out.part_count && n < room) {
                const struct iovec *part = &c->out.parts[c->part];
                size_t left = part->iov_len - c->offset;
                size_t took = left < room - n ? left : room - n;
                if (took > 0)
                        memcpy(to + n, (const uint8_t *)part->iov_base + c->offset, took);
                n += took;
                c->offset += took;
                if (c->offset == part->iov_len) {
                        c->part++;
                        c->offset = 0;
                }
        }
        if (c->head_left == 0 && c->part == c->out.part_count)
                release_message(c);
        return n;
}

static void submit_trailers(struct grpc_call *c)
{
        char status[STATUS_TEXT], message[MESSAGE_TEXT];
        nghttp2_nv trailers[3];
        size_t n = end_headers(c, status, message, trailers);
        nghttp2_submit_trailer(c->connection->session, c->id, trailers, n);
}

static ssize_t fill(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *user)
{
        (void)session;
        (void)id;
        (void)user;
        struct grpc_call *c = source->ptr;
        size_t n = 0;
        while (n < room && (c->message_out || pull(c)))
                n += copy_out(c, to + n, room - n);
        if (c->ended && !c->message_out) {
                *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
                submit_trailers(c);
        }
        if (n > 0 || c->ended) {
                start_sending(c);
                if (n > 0 && c->service && c->service->progress)
                        c->service->progress(c->state);
                return (ssize_t)n;
        }
        stop_sending(c);
        c->waiting = true;
        return NGHTTP2_ERR_DEFERRED;
}

/* ---- the request ---- */

static void refuse(struct grpc_call *c, enum grpc_status status, const char *why)
{
        mark_ended(c, status, why);
        answer_at_once(c, "200");
        start_sending(c);
}

static void answer_plain(struct grpc_call *c)
{
        const nghttp2_nv headers[] = {HEADER(":status", c->plain->http_status), HEADER("content-type", "text/plain"),
                                      HEADER("allow", "POST")};
        c->out = (struct grpc_message){.parts = &c->plain->why, .part_count = 1};
        c->part = c->offset = c->head_left = 0;
        c->message_out = true;
        const nghttp2_data_provider provider = {.source.ptr = c, .read_callback = fill};
        nghttp2_submit_response(c->connection->session, c->id, headers, COUNT_OF(headers), &provider);
        start_sending(c);
        grpc_connection_touch(c->connection);
}

void grpc_call_end(struct grpc_call *c, enum grpc_status status, const char *message)
{
        if (c->ended)
                return;
        mark_ended(c, status, message);
        if (c->plain)
                answer_plain(c);
        else
                resume(c);
}

static const struct grpc_service *find_service(const struct grpc_server *s, const char *path)
{
        for (size_t i = 0; i < s->service_count; i++) {
                if (strcmp(s->services[i]->path, path) == 0)
                        return s->services[i];
        }
        return NULL;
}

static void open_call(struct grpc_call *c)
{
        c->state = c->service->open(c, c->service->arg);
        start_sending(c);
        if (c->ended) {
                answer_at_once(c, "200");
                return;
        }
        const nghttp2_nv headers[] = {HEADER(":status", "200"), HEADER("content-type", "application/grpc")};
        const nghttp2_data_provider provider = {.source.ptr = c, .read_callback = fill};
        nghttp2_submit_response(c->connection->session, c->id, headers, COUNT_OF(headers), &provider);
}

/* HTTP, but no gRPC: answered in words, when all of the request is there (at the latest after GRPC_MESSAGE_WAIT). */
static void expect_plain(struct grpc_call *c, const struct grpc_plain *plain)
{
        c->plain = plain;
        start_reading(c);
}

void grpc_call_begin(struct grpc_call *c)
{
        const struct grpc_request *r = &c->connection->request;
        c->encoded = r->encoded;
        if (r->too_much) {
                refuse(c, GRPC_RESOURCE_EXHAUSTED, "the request's headers are too large or too many");
        } else if (!r->post) {
                expect_plain(c, &no_post);
        } else if (!r->grpc) {
                expect_plain(c, &no_grpc);
        } else {
                c->service = find_service(c->connection->server, r->path);
                if (c->service)
                        open_call(c);
                else
                        refuse(c, GRPC_UNIMPLEMENTED, "no such method here");
        }
}

static bool take_message(const uint8_t *p, size_t n, void *arg)
{
        struct grpc_call *c = arg;
        stop_reading(c);
        c->service->message(c, c->state, p, n);
        return !c->ended;
}

static void end_by_frame(struct grpc_call *c, enum grpc_frame_result result)
{
        switch (result) {
        case GRPC_FRAME_OK:
        case GRPC_FRAME_STOPPED:
                return;
        case GRPC_FRAME_TOO_LONG:
                grpc_call_end(c, GRPC_RESOURCE_EXHAUSTED, "the message is larger than 16 MiB");
                return;
        case GRPC_FRAME_COMPRESSED:
                if (c->encoded)
                        grpc_call_end(c, GRPC_UNIMPLEMENTED, "compressed messages are not taken");
                else
                        grpc_call_end(c, GRPC_INTERNAL, "the message is marked as compressed, without grpc-encoding");
                return;
        case GRPC_FRAME_MALFORMED:
                grpc_call_end(c, GRPC_INTERNAL, "the message's first byte is neither 0 nor 1");
                return;
        }
}

void grpc_call_read(struct grpc_call *c, const uint8_t *p, size_t n)
{
        if (c->ended || !c->service)
                return;
        struct grpc_connection *k = c->connection;
        k->buffered -= grpc_frame_held(&c->in);
        enum grpc_frame_result result = grpc_frame_feed(&c->in, p, n, GRPC_MESSAGE_MAX, take_message, c);
        k->buffered += grpc_frame_held(&c->in);
        if (result == GRPC_FRAME_OK && grpc_frame_inside(&c->in) && !c->is_reading)
                start_reading(c);
        if (k->buffered > GRPC_CONNECTION_BUFFERED_MAX)
                grpc_call_end(c, GRPC_RESOURCE_EXHAUSTED, "too many unfinished messages on this connection");
        end_by_frame(c, result);
}

void grpc_call_half_close(struct grpc_call *c)
{
        if (c->plain)
                grpc_call_end(c, GRPC_INTERNAL, c->plain->why.iov_base);
        if (c->ended || !c->service)
                return;
        if (grpc_frame_inside(&c->in))
                grpc_call_end(c, GRPC_INTERNAL, "the request ends inside a message");
        else
                c->service->half_close(c, c->state);
}
