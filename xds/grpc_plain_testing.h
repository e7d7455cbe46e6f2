/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_plain_testing - the fixture of tests over plain HTTP/2: one server, one client that is connected. */
#pragma once

#include "xds/grpc_testing.h"

/* Of gcc's sanitizer: what the process holds, to the byte. */
size_t __sanitizer_get_current_allocated_bytes(void);

struct fixture {
        struct event_base *base;
        struct grpc_server *server;
        struct client client;
        struct stream stream;
};

TESTING_UNUSED static void quiet(const char *line)
{
        (void)line;
}

TESTING_UNUSED static int setup(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        struct err e = {0};
        memset(&seen, 0, sizeof(seen));
        skew = 0;
        log_set_sink(quiet);
        f->base = event_base_new();
        const struct grpc_options options = {.base = f->base, .address = "127.0.0.1", .clock = skewed_clock};
        f->server = grpc_server_new(&options, &e);
        if (!f->server)
                fail_msg("%s", e.text);
        grpc_server_add(f->server, &echo_service);
        grpc_server_add(f->server, &flood_service);
        client_start(&f->client, f->base, grpc_server_port(f->server), NULL, true);
        WAIT(f->base, f->client.up);
        *state = f;
        return 0;
}

TESTING_UNUSED static int teardown(void **state)
{
        struct fixture *f = *state;
        client_done(&f->client);
        stream_done(&f->stream);
        grpc_server_free(f->server);
        event_base_free(f->base);
        log_set_sink(NULL);
        mem_free(f);
        return 0;
}

TESTING_UNUSED static void expect_end(struct fixture *f, const char *http, const char *status)
{
        WAIT(f->base, f->stream.closed);
        assert_string_equal(f->stream.http, http);
        assert_string_equal(f->stream.status, status);
        assert_int_equal(f->stream.code, NGHTTP2_NO_ERROR);
}

TESTING_UNUSED static void raw_frame(struct client *c, uint8_t type, uint8_t flags, int32_t id, const void *p,
                                     uint8_t n)
{
        const uint8_t head[] = {0, 0, n, type, flags, 0, (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
        bufferevent_write(c->bev, head, sizeof(head));
        if (n > 0)
                bufferevent_write(c->bev, p, n);
}

TESTING_UNUSED static void half_close(struct fixture *f)
{
        f->stream.ending = true;
        nghttp2_session_resume_data(f->client.session, f->stream.id);
        client_flush(&f->client);
}

/* GET / of the host "a" by HPACK's static table (RFC 7541, A). */
TESTING_UNUSED static void raw_get(struct client *c, int32_t id, uint8_t flags)
{
        raw_frame(c, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, "\x82\x84\x86\1\1a", 6);
}

/* The server says why, and is gone. */
TESTING_UNUSED static void expect_goaway(struct fixture *f, uint32_t code)
{
        WAIT(f->base, f->client.goaway || f->client.down);
        assert_true(f->client.goaway);
        assert_int_equal(f->client.goaway_code, code);
        WAIT(f->base, grpc_server_counts(f->server).connections == 0);
}

TESTING_UNUSED static void expect_calm(struct fixture *f)
{
        expect_goaway(f, NGHTTP2_ENHANCE_YOUR_CALM);
        assert_int_equal(grpc_server_counts(f->server).refused, 1);
}
