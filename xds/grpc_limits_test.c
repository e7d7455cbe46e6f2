/* SPDX-License-Identifier: Apache-2.0 */
/* Who breaks a limit of xds/grpc_limits.h or a rule of HTTP/2, and what that costs. */
#include "xds/grpc_plain_testing.h"

#include <sys/resource.h>

/* ---- frames that cost us and say nothing ---- */

static void pings__burst_is_answered__one_more_ends_the_connection(void **state)
{
        struct fixture *f = *state;
        for (int i = 0; i < GRPC_PINGS_BURST; i++)
                nghttp2_submit_ping(f->client.session, NGHTTP2_FLAG_NONE, NULL);
        client_flush(&f->client);
        WAIT(f->base, f->client.pongs == GRPC_PINGS_BURST);
        assert_false(f->client.goaway);
        for (int i = 0; i < GRPC_PINGS_BURST; i++)
                nghttp2_submit_ping(f->client.session, NGHTTP2_FLAG_NONE, NULL);
        client_flush(&f->client);
        expect_calm(f);
}

static void settings__too_many__end_the_connection(void **state)
{
        struct fixture *f = *state;
        for (int i = 0; i < GRPC_SETTINGS_BURST; i++)
                nghttp2_submit_settings(f->client.session, NGHTTP2_FLAG_NONE, NULL, 0);
        client_flush(&f->client);
        expect_calm(f);
}

static void empty_data__too_many__end_the_connection(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        WAIT(f->base, seen.opened == 1);
        for (int i = 0; i < GRPC_EMPTY_BURST; i++)
                raw_frame(&f->client, NGHTTP2_DATA, 0, f->stream.id, NULL, 0);
        stream_send(&f->stream, &f->client, "x");
        WAIT(f->base, f->stream.got > 0);
        for (int i = 0; i < GRPC_EMPTY_BURST; i++)
                raw_frame(&f->client, NGHTTP2_DATA, 0, f->stream.id, NULL, 0);
        expect_calm(f);
}

static void priority__too_many__end_the_connection(void **state)
{
        struct fixture *f = *state;
        for (int i = 0; i < 2 * GRPC_EMPTY_BURST; i++)
                raw_frame(&f->client, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\3\1", 5);
        expect_calm(f);
}

/* Each stream is opened and dropped in one go: "rapid reset". */
static void open_and_reset(struct client *c, size_t count)
{
        static struct stream s;
        for (size_t i = 0; i < count; i++) {
                stream_start(&s, c, "/x");
                nghttp2_session_set_stream_user_data(c->session, s.id, NULL);
                nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s.id, NGHTTP2_CANCEL);
                client_flush(c);
                stream_done(&s);
        }
}

static void resets__as_many_as_streams_at_once__are_an_envoys_right(void **state)
{
        struct fixture *f = *state;
        open_and_reset(&f->client, GRPC_RESETS_BURST - 1);
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "end");
        expect_end(f, "200", "3");
        assert_false(f->client.goaway);
}

static void resets__more__end_the_connection(void **state)
{
        struct fixture *f = *state;
        open_and_reset(&f->client, 2 * GRPC_RESETS_BURST);
        WAIT(f->base, f->client.goaway || f->client.down);
        WAIT(f->base, grpc_server_counts(f->server).connections == 0);
}

static void stream__number_below_the_last_one__protocol_error(void **state)
{
        struct fixture *f = *state;
        raw_get(&f->client, 5, NGHTTP2_FLAG_END_STREAM);
        raw_get(&f->client, 3, NGHTTP2_FLAG_END_STREAM);
        expect_goaway(f, NGHTTP2_PROTOCOL_ERROR);
}

static void stream__used_again_after_its_end__stream_closed(void **state)
{
        struct fixture *f = *state;
        raw_get(&f->client, 1, NGHTTP2_FLAG_END_STREAM);
        raw_get(&f->client, 3, NGHTTP2_FLAG_END_STREAM);
        raw_get(&f->client, 1, NGHTTP2_FLAG_END_STREAM);
        expect_goaway(f, NGHTTP2_STREAM_CLOSED);
}

static void preface__nothing_for_10_s__connection_is_closed(void **state)
{
        struct fixture *f = *state;
        struct client mute;
        client_start(&mute, f->base, grpc_server_port(f->server), NULL, false);
        WAIT(f->base, mute.up && grpc_server_counts(f->server).connections == 2);
        stream_start(&f->stream, &f->client, ECHO);
        WAIT(f->base, seen.opened == 1);
        skew = GRPC_HANDSHAKE_WAIT;
        grpc_server_tick(f->server);
        assert_int_equal(grpc_server_counts(f->server).connections, 1);
        WAIT(f->base, mute.down);
        client_done(&mute);
}

static void preface__another_protocol__connection_is_closed(void **state)
{
        struct fixture *f = *state;
        struct client other;
        client_start(&other, f->base, grpc_server_port(f->server), NULL, false);
        static const char http1[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        bufferevent_write(other.bev, http1, sizeof(http1) - 1);
        WAIT(f->base, other.down);
        client_done(&other);
}

/*
 * CVE-2023-44487 the other way round: each stream gets a window beyond 2^31 - 1, which we have to answer with a reset
 * (RFC 9113, 6.9.1).
 */
static void make_it_reset(struct client *c, int32_t first, int32_t count)
{
        for (int32_t id = first; id < first + 2 * count; id += 2) {
                raw_get(c, id, 0);
                raw_frame(c, NGHTTP2_WINDOW_UPDATE, 0, id, "\x7f\xff\xff\xff", 4);
        }
}

/* The client's library does not know of these streams, and would end the connection itself over their resets. */
static void forget_library(struct client *c)
{
        nghttp2_session_del(mem_take(&c->session));
}

/* What the server has said at the start is acknowledged; stream 1 is open. */
static void take_settings(struct fixture *f)
{
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "x");
        WAIT(f->base, f->stream.got > 0);
}

static void own_resets__as_many_as_streams_at_once__connection_goes_on(void **state)
{
        struct fixture *f = *state;
        take_settings(f);
        forget_library(&f->client);
        make_it_reset(&f->client, 3, GRPC_OWN_RESETS_BURST);
        WAIT(f->base, !evbuffer_get_length(bufferevent_get_output(f->client.bev)));
        WAIT(f->base, grpc_server_counts(f->server).calls == 1);
        assert_int_equal(grpc_server_counts(f->server).refused, 0);
        assert_int_equal(grpc_server_counts(f->server).connections, 1);
}

static void own_resets__more__end_the_connection(void **state)
{
        struct fixture *f = *state;
        take_settings(f);
        forget_library(&f->client);
        make_it_reset(&f->client, 3, 2 * GRPC_OWN_RESETS_BURST);
        WAIT(f->base, grpc_server_counts(f->server).connections == 0);
        assert_int_equal(grpc_server_counts(f->server).refused, 1);
}

static char last_line[1024];

static void keep_line(const char *line)
{
        snprintf(last_line, sizeof(last_line), "%s", line);
}

/* Until the server can send no more. */
static void fill_up(struct fixture *f)
{
        for (size_t before = 0; before == 0 || seen.floods > before;) {
                before = seen.floods;
                for (int i = 0; i < 100; i++)
                        event_base_loop(f->base, EVLOOP_NONBLOCK);
        }
}

/* Once the output is full each PING leaves an answer behind; PINGS_RATE alone would let them grow for ever. */
static void acks__peer_lets_none_be_sent__connection_is_closed(void **state)
{
        struct fixture *f = *state;
        nghttp2_session_set_local_window_size(f->client.session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
        const nghttp2_settings_entry wide = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
        nghttp2_submit_settings(f->client.session, NGHTTP2_FLAG_NONE, &wide, 1);
        stream_start(&f->stream, &f->client, FLOOD);
        bufferevent_disable(f->client.bev, EV_READ);
        WAIT(f->base, seen.opened == 1);
        fill_up(f);
        log_set_sink(keep_line);
        /* Of the first round some answers still find room. */
        for (int round = 0; round < 3 && grpc_server_counts(f->server).connections; round++) {
                skew += GRPC_PINGS_BURST * DURATION_SECOND / GRPC_PINGS_RATE;
                for (int i = 0; i < GRPC_PINGS_BURST; i++)
                        raw_frame(&f->client, NGHTTP2_PING, 0, 0, "12345678", 8);
                WAIT(f->base, grpc_server_counts(f->server).connections == 0 ||
                                      !evbuffer_get_length(bufferevent_get_output(f->client.bev)));
                for (int i = 0; i < 100; i++)
                        event_base_loop(f->base, EVLOOP_NONBLOCK);
        }
        WAIT(f->base, grpc_server_counts(f->server).connections == 0);
        assert_non_null(strstr(last_line, nghttp2_strerror(NGHTTP2_ERR_FLOODED)));
}

/* ---- how many ---- */

static void streams__one_more_than_16384__ends_the_connection_and_those_cost_1_kib_each(void **state)
{
        struct fixture *f = *state;
        take_settings(f);
        forget_library(&f->client);
        size_t before = __sanitizer_get_current_allocated_bytes();
        for (int32_t i = 0; i < GRPC_STREAMS_MAX - 1; i++)
                raw_get(&f->client, 2 * i + 3, 0);
        WAIT(f->base, grpc_server_counts(f->server).calls == GRPC_STREAMS_MAX);
        assert_true(__sanitizer_get_current_allocated_bytes() - before < GRPC_STREAMS_MAX * (size_t)1024);
        assert_int_equal(grpc_server_counts(f->server).connections, 1);
        raw_get(&f->client, 2 * GRPC_STREAMS_MAX + 1, 0);
        WAIT(f->base, grpc_server_counts(f->server).connections == 0);
        assert_int_equal(grpc_server_counts(f->server).calls, 0);
}

/* Each stream stays below GRPC_MESSAGE_MAX. */
static void messages__unfinished_ones_of_64_mib__the_stream_that_goes_beyond_ends(void **state)
{
        enum { PIECE = GRPC_MESSAGE_MAX - 1024, FULL = 5 };
        struct fixture *f = *state;
        static struct stream streams[FULL];
        AUTO_STR *bytes = mem_zalloc(PIECE);
        grpc_frame_head((uint8_t *)bytes, GRPC_MESSAGE_MAX);
        for (size_t i = 0; i < FULL; i++) {
                stream_start(&streams[i], &f->client, ECHO);
                stream_bytes(&streams[i], &f->client, bytes, PIECE);
                WAIT(f->base, evbuffer_get_length(streams[i].out) == 0 || streams[i].closed);
        }
        WAIT(f->base, streams[FULL - 1].closed);
        assert_string_equal(streams[FULL - 1].status, "8");
        assert_int_equal(seen.messages, 0);
        memset(bytes, 0, PIECE);
        stream_bytes(&streams[0], &f->client, bytes, GRPC_FRAME_HEAD + GRPC_MESSAGE_MAX - PIECE);
        WAIT(f->base, seen.messages == 1);
        for (size_t i = 0; i < FULL; i++) {
                assert_int_equal(streams[i].closed, i == FULL - 1);
                stream_done(&streams[i]);
        }
}

static int connect_to(uint16_t port)
{
        const struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
        return fd;
}

static void connections__one_more_than_4096__is_closed_and_there_is_room_again_when_one_goes(void **state)
{
        enum { MORE = GRPC_CONNECTIONS_MAX - 1 };
        struct fixture *f = *state;
        struct rlimit files;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
        files.rlim_cur = files.rlim_max;
        if (files.rlim_max < 2 * GRPC_CONNECTIONS_MAX + 64 || setrlimit(RLIMIT_NOFILE, &files) != 0) {
                print_message("a process may have %llu open files here\n", (unsigned long long)files.rlim_max);
                skip();
        }
        static int fds[MORE];
        for (size_t i = 0; i < MORE; i++) {
                fds[i] = connect_to(grpc_server_port(f->server));
                WAIT(f->base, grpc_server_counts(f->server).connections == i + 2);
        }
        int late = connect_to(grpc_server_port(f->server));
        WAIT(f->base, grpc_server_counts(f->server).refused == 1);
        char byte = 0;
        assert_int_equal(read(late, &byte, 1), 0);
        close(late);
        close(fds[0]);
        WAIT(f->base, grpc_server_counts(f->server).connections == GRPC_CONNECTIONS_MAX - 1);
        fds[0] = connect_to(grpc_server_port(f->server));
        WAIT(f->base, grpc_server_counts(f->server).connections == GRPC_CONNECTIONS_MAX);
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "end");
        expect_end(f, "200", "3");
        for (size_t i = 0; i < MORE; i++)
                close(fds[i]);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(pings__burst_is_answered__one_more_ends_the_connection),
                CASE(settings__too_many__end_the_connection),
                CASE(empty_data__too_many__end_the_connection),
                CASE(priority__too_many__end_the_connection),
                CASE(resets__as_many_as_streams_at_once__are_an_envoys_right),
                CASE(resets__more__end_the_connection),
                CASE(stream__number_below_the_last_one__protocol_error),
                CASE(stream__used_again_after_its_end__stream_closed),
                CASE(preface__nothing_for_10_s__connection_is_closed),
                CASE(preface__another_protocol__connection_is_closed),
                CASE(own_resets__as_many_as_streams_at_once__connection_goes_on),
                CASE(own_resets__more__end_the_connection),
                CASE(acks__peer_lets_none_be_sent__connection_is_closed),
                CASE(streams__one_more_than_16384__ends_the_connection_and_those_cost_1_kib_each),
                CASE(messages__unfinished_ones_of_64_mib__the_stream_that_goes_beyond_ends),
                CASE(connections__one_more_than_4096__is_closed_and_there_is_room_again_when_one_goes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
