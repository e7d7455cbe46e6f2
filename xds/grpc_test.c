/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_plain_testing.h"

/* ---- what a service sees ---- */

static void echo__two_messages__come_back_one_by_one(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "one");
        WAIT(f->base, f->stream.got == GRPC_FRAME_HEAD + 3);
        assert_memory_equal(f->stream.text, "\0\0\0\0\3one", 8);
        stream_send(&f->stream, &f->client, "end");
        expect_end(f, "200", "3");
        assert_string_equal(f->stream.message, "100%25 %C3%A4");
        WAIT(f->base, seen.closed[GRPC_CLOSE_ENDED] == 1);
        assert_int_equal(seen.released, 2);
}

static void half_close__nothing_pending__trailers_say_ok(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        half_close(f);
        expect_end(f, "200", "0");
}

static void reset__by_the_client__the_service_is_told(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        WAIT(f->base, seen.opened == 1);
        nghttp2_submit_rst_stream(f->client.session, NGHTTP2_FLAG_NONE, f->stream.id, NGHTTP2_CANCEL);
        client_flush(&f->client);
        WAIT(f->base, seen.closed[GRPC_CLOSE_CANCELLED] == 1);
        assert_int_equal(grpc_server_counts(f->server).calls, 0);
}

static void connection_lost__the_service_is_told(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        WAIT(f->base, seen.opened == 1);
        client_done(&f->client);
        WAIT(f->base, seen.closed[GRPC_CLOSE_CONNECTION] == 1);
        assert_int_equal(grpc_server_counts(f->server).connections, 0);
}

/* ---- requests that are refused ---- */

static void request__wrong_content_type__415(void **state)
{
        struct fixture *f = *state;
        stream_start_with(&f->stream, &f->client, "POST", ECHO, "application/grpcx", NULL, 0);
        half_close(f);
        expect_end(f, "415", "13");
        assert_string_equal(f->stream.text, "this is gRPC: the content-type is application/grpc");
        assert_int_equal(seen.opened, 0);
}

static void request__not_a_post__405(void **state)
{
        struct fixture *f = *state;
        stream_start_with(&f->stream, &f->client, "PUT", ECHO, "application/grpc+proto", NULL, 0);
        half_close(f);
        expect_end(f, "405", "13");
        assert_string_equal(f->stream.text, "this is gRPC: a request is a POST");
}

static void request__no_grpc_and_without_end__is_answered_after_30_s(void **state)
{
        struct fixture *f = *state;
        stream_start_with(&f->stream, &f->client, "GET", ECHO, "text/html", NULL, 0);
        stream_send(&f->stream, &f->client, "endless");
        WAIT(f->base, grpc_server_counts(f->server).calls == 1);
        skew = GRPC_MESSAGE_WAIT;
        grpc_server_tick(f->server);
        expect_end(f, "405", "8");
        assert_int_equal(grpc_server_counts(f->server).calls, 0);
}

static void request__grpc_timeout__is_the_clients_to_keep(void **state)
{
        struct fixture *f = *state;
        const nghttp2_nv more = NV("grpc-timeout", "1S");
        stream_start_with(&f->stream, &f->client, "POST", ECHO, "application/grpc", &more, 1);
        WAIT(f->base, seen.opened == 1);
        skew = 5 * DURATION_SECOND;
        grpc_server_tick(f->server);
        stream_send(&f->stream, &f->client, "end");
        expect_end(f, "200", "3");
}

static void request__unknown_path__unimplemented(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/test.Service/Other");
        expect_end(f, "200", "12");
}

static void headers__too_many__resource_exhausted_and_the_connection_goes_on(void **state)
{
        struct fixture *f = *state;
        nghttp2_nv more[GRPC_HEADERS_MAX];
        for (size_t i = 0; i < COUNT_OF(more); i++)
                more[i] = (nghttp2_nv)NV("x", "y");
        stream_start_with(&f->stream, &f->client, "POST", ECHO, "application/grpc", more, COUNT_OF(more));
        expect_end(f, "200", "8");
        stream_done(&f->stream);
        stream_start_with(&f->stream, &f->client, "POST", ECHO, "application/grpc", more, COUNT_OF(more) - 6);
        stream_send(&f->stream, &f->client, "end");
        expect_end(f, "200", "3");
}

static void headers__too_large__resource_exhausted(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *value = mem_zalloc(GRPC_HEADER_BYTES_MAX + 1);
        memset(value, 'v', GRPC_HEADER_BYTES_MAX);
        const nghttp2_nv more = NV("x", value);
        stream_start_with(&f->stream, &f->client, "POST", ECHO, "application/grpc", &more, 1);
        expect_end(f, "200", "8");
}

static void message__compressed_without_encoding__internal(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        stream_bytes(&f->stream, &f->client, "\1\0\0\0\1x", 6);
        expect_end(f, "200", "13");
        assert_int_equal(seen.messages, 0);
}

static void message__compressed_with_encoding__unimplemented(void **state)
{
        struct fixture *f = *state;
        const nghttp2_nv more = NV("grpc-encoding", "gzip");
        stream_start_with(&f->stream, &f->client, "POST", ECHO, "application/grpc", &more, 1);
        stream_bytes(&f->stream, &f->client, "\1\0\0\0\1x", 6);
        expect_end(f, "200", "12");
}

static void message__over_long__resource_exhausted_by_its_head(void **state)
{
        struct fixture *f = *state;
        uint8_t head[GRPC_FRAME_HEAD];
        grpc_frame_head(head, GRPC_MESSAGE_MAX + 1);
        stream_start(&f->stream, &f->client, ECHO);
        stream_bytes(&f->stream, &f->client, head, sizeof(head));
        expect_end(f, "200", "8");
}

static void message__largest__is_taken(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *bytes = mem_zalloc(GRPC_FRAME_HEAD + GRPC_MESSAGE_MAX);
        grpc_frame_head((uint8_t *)bytes, GRPC_MESSAGE_MAX);
        stream_start(&f->stream, &f->client, ECHO);
        stream_bytes(&f->stream, &f->client, bytes, GRPC_FRAME_HEAD + GRPC_MESSAGE_MAX);
        WAIT(f->base, seen.messages == 1);
        assert_int_equal(seen.bytes, GRPC_MESSAGE_MAX);
}

static void message__not_whole_after_30_s__resource_exhausted(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "x");
        stream_bytes(&f->stream, &f->client, "\0\0\0\0\5abc", 8);
        WAIT(f->base, f->stream.got > 0);
        skew = GRPC_MESSAGE_WAIT - 2 * DURATION_SECOND;
        grpc_server_tick(f->server);
        stream_bytes(&f->stream, &f->client, "d", 1);
        assert_string_equal(f->stream.status, "");
        skew = GRPC_MESSAGE_WAIT;
        grpc_server_tick(f->server);
        expect_end(f, "200", "8");
}

/* ---- slow readers, many streams, the end ---- */

static void reader__takes_nothing_for_60_s__is_cut_and_costs_nobody_else(void **state)
{
        struct fixture *f = *state;
        struct client slow;
        struct stream stuck;
        client_start(&slow, f->base, grpc_server_port(f->server), NULL, true);
        slow.deaf = true;
        stream_start(&stuck, &slow, FLOOD);
        WAIT(f->base, stuck.got >= NGHTTP2_INITIAL_WINDOW_SIZE);
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "quick");
        WAIT(f->base, f->stream.got > 0);
        skew = GRPC_STALL_WAIT - 5 * DURATION_SECOND;
        grpc_server_tick(f->server);
        assert_int_equal(grpc_server_counts(f->server).stalled, 0);
        skew = GRPC_STALL_WAIT;
        grpc_server_tick(f->server);
        WAIT(f->base, stuck.closed && seen.closed[GRPC_CLOSE_STALLED] == 1);
        assert_int_equal(grpc_server_counts(f->server).stalled, 1);
        stream_send(&f->stream, &f->client, "end");
        expect_end(f, "200", "3");
        client_done(&slow);
        stream_done(&stuck);
}

static void reader__socket_is_never_read__output_is_bounded_and_the_connection_cut(void **state)
{
        struct fixture *f = *state;
        struct client dead;
        struct stream stuck;
        client_start(&dead, f->base, grpc_server_port(f->server), NULL, true);
        nghttp2_session_set_local_window_size(dead.session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
        const nghttp2_settings_entry wide = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
        nghttp2_submit_settings(dead.session, NGHTTP2_FLAG_NONE, &wide, 1);
        WAIT(f->base, dead.up);
        stream_start(&stuck, &dead, FLOOD);
        bufferevent_disable(dead.bev, EV_READ);
        WAIT(f->base, seen.opened == 1);
        size_t before = __sanitizer_get_current_allocated_bytes();
        for (int i = 0; i < 200; i++)
                event_base_loop(f->base, EVLOOP_NONBLOCK);
        assert_true(__sanitizer_get_current_allocated_bytes() < before + 4 * (size_t)GRPC_OUTPUT_HIGH);
        stream_start(&f->stream, &f->client, ECHO);
        stream_send(&f->stream, &f->client, "quick");
        WAIT(f->base, f->stream.got > 0);
        skew = GRPC_STALL_WAIT + DURATION_SECOND;
        grpc_server_tick(f->server);
        assert_int_equal(seen.closed[GRPC_CLOSE_CONNECTION], 1);
        assert_int_equal(grpc_server_counts(f->server).stalled, 1);
        client_done(&dead);
        stream_done(&stuck);
}

static void streams__a_thousand_on_one_connection__each_is_answered_and_idle_ones_are_small(void **state)
{
        enum { MANY = 1000 };
        struct fixture *f = *state;
        static struct stream streams[MANY];
        for (size_t i = 0; i < MANY; i++)
                stream_start(&streams[i], &f->client, ECHO);
        WAIT(f->base, seen.opened == MANY);
        assert_int_equal(grpc_server_counts(f->server).calls, MANY);
        for (size_t i = 0; i < MANY; i++)
                stream_send(&streams[i], &f->client, "hi");
        for (size_t i = 0; i < MANY; i++)
                WAIT(f->base, streams[i].got == GRPC_FRAME_HEAD + 2);
        /* The server goes first: what that frees is its own, not the client's. */
        size_t before = __sanitizer_get_current_allocated_bytes();
        grpc_server_free(mem_take(&f->server));
        size_t each = (before - __sanitizer_get_current_allocated_bytes()) / MANY;
        print_message("%zu bytes a stream, connection and server shared out\n", each);
        assert_true(each < 1024);
        assert_int_equal(seen.closed[GRPC_CLOSE_CONNECTION], MANY);
        for (size_t i = 0; i < MANY; i++)
                stream_done(&streams[i]);
}

static void mark_done(void *arg)
{
        *(bool *)arg = true;
}

static void drain__streams_end_at_their_own_times__then_the_connection(void **state)
{
        enum { SOME = 40 };
        struct fixture *f = *state;
        struct stream streams[SOME];
        bool done = false;
        for (size_t i = 0; i < SOME; i++)
                stream_start(&streams[i], &f->client, ECHO);
        WAIT(f->base, seen.opened == SOME);
        grpc_server_drain(f->server, mark_done, &done);
        WAIT(f->base, f->client.goaway);
        assert_int_equal(f->client.goaway_code, NGHTTP2_NO_ERROR);
        assert_int_equal(seen.closed[GRPC_CLOSE_ENDED], 0);
        skew = GRPC_DRAIN_NOTICE + (GRPC_DRAIN_SPREAD - GRPC_DRAIN_NOTICE) / 2;
        WAIT(f->base, seen.closed[GRPC_CLOSE_ENDED] > 0);
        assert_true(seen.closed[GRPC_CLOSE_ENDED] < SOME);
        skew = GRPC_DRAIN_SPREAD;
        WAIT(f->base, done);
        assert_int_equal(grpc_server_counts(f->server).connections, 0);
        for (size_t i = 0; i < SOME; i++) {
                WAIT(f->base, streams[i].closed);
                assert_string_equal(streams[i].status, "14");
                stream_done(&streams[i]);
        }
}

/* ---- turns ---- */

static int64_t stepping;

/* Each look takes as long as a turn may. */
static int64_t stepping_clock(void)
{
        return stepping += GRPC_FLUSH_MAX;
}

static struct {
        struct grpc_call *calls[8];
        size_t count, pulled, pulled_before_timer;
} turns;

static void *turns_open(struct grpc_call *c, void *arg)
{
        (void)arg;
        turns.calls[turns.count++] = c;
        return &turns;
}

static bool turns_next(struct grpc_call *c, void *state, struct grpc_message *out)
{
        (void)c;
        (void)state;
        (void)out;
        turns.pulled++;
        return false;
}

static void turns_close(void *state, enum grpc_close reason)
{
        (void)state;
        (void)reason;
}

static void turns_timer(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        (void)arg;
        turns.pulled_before_timer = turns.pulled;
}

static void flush__takes_long__gives_way_between_connections(void **state)
{
        enum { SOME = 6 };
        struct fixture *f = *state;
        struct err e = {0};
        static const struct grpc_service service = {
                .path = "/test.Service/Turns", .open = turns_open, .next = turns_next, .close = turns_close};
        struct client clients[SOME];
        struct stream streams[SOME];
        memset(&turns, 0, sizeof(turns));
        AUTO(grpc_server) *server = grpc_server_new(
                &(struct grpc_options){.base = f->base, .address = "127.0.0.1", .clock = stepping_clock}, &e);
        assert_non_null(server);
        grpc_server_add(server, &service);
        for (size_t i = 0; i < SOME; i++) {
                client_start(&clients[i], f->base, grpc_server_port(server), NULL, true);
                stream_start(&streams[i], &clients[i], service.path);
        }
        WAIT(f->base, turns.pulled == SOME);
        for (size_t i = 0; i < SOME; i++)
                grpc_call_wake(turns.calls[i]);
        struct event *timer = evtimer_new(f->base, turns_timer, NULL);
        event_add(timer, &(struct timeval){0});
        WAIT(f->base, turns.pulled == (size_t)2 * SOME);
        assert_in_range(turns.pulled_before_timer, SOME, 2 * SOME - 1);
        event_free(timer);
        grpc_server_free(mem_take(&server));
        for (size_t i = 0; i < SOME; i++) {
                client_done(&clients[i]);
                stream_done(&streams[i]);
        }
}

static void listen__plain_and_not_loopback__refused(void **state)
{
        struct fixture *f = *state;
        struct err e = {0};
        const struct grpc_options options = {.base = f->base, .address = "0.0.0.0"};
        assert_null(grpc_server_new(&options, &e));
        assert_non_null(strstr(e.text, "not a loopback address"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(echo__two_messages__come_back_one_by_one),
                CASE(half_close__nothing_pending__trailers_say_ok),
                CASE(reset__by_the_client__the_service_is_told),
                CASE(connection_lost__the_service_is_told),
                CASE(request__wrong_content_type__415),
                CASE(request__not_a_post__405),
                CASE(request__no_grpc_and_without_end__is_answered_after_30_s),
                CASE(request__grpc_timeout__is_the_clients_to_keep),
                CASE(request__unknown_path__unimplemented),
                CASE(headers__too_many__resource_exhausted_and_the_connection_goes_on),
                CASE(headers__too_large__resource_exhausted),
                CASE(message__compressed_without_encoding__internal),
                CASE(message__compressed_with_encoding__unimplemented),
                CASE(message__over_long__resource_exhausted_by_its_head),
                CASE(message__largest__is_taken),
                CASE(message__not_whole_after_30_s__resource_exhausted),
                CASE(reader__takes_nothing_for_60_s__is_cut_and_costs_nobody_else),
                CASE(reader__socket_is_never_read__output_is_bounded_and_the_connection_cut),
                CASE(streams__a_thousand_on_one_connection__each_is_answered_and_idle_ones_are_small),
                CASE(drain__streams_end_at_their_own_times__then_the_connection),
                CASE(flush__takes_long__gives_way_between_connections),
                CASE(listen__plain_and_not_loopback__refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
