/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_health.h"
#include "xds/grpc_testing.h"

struct fixture {
        struct event_base *base;
        struct grpc_server *server;
        struct grpc_health *health;
        struct client client;
        struct stream stream;
};

static int setup(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        struct err e = {0};
        skew = 0;
        f->base = event_base_new();
        const struct grpc_options options = {.base = f->base, .address = "127.0.0.1", .clock = skewed_clock};
        f->server = grpc_server_new(&options, &e);
        if (!f->server)
                fail_msg("%s", e.text);
        static const char *const names[] = {"ads"};
        f->health = grpc_health_new(f->server, names, 1);
        grpc_server_add(f->server, &echo_service);
        grpc_server_add(f->server, &flood_service);
        client_start(&f->client, f->base, grpc_server_port(f->server), NULL, true);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        client_done(&f->client);
        stream_done(&f->stream);
        grpc_server_free(f->server);
        grpc_health_free(f->health);
        event_base_free(f->base);
        mem_free(f);
        return 0;
}

static void check__before_and_after_serving__says_so(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/grpc.health.v1.Health/Check");
        stream_send(&f->stream, &f->client, "\n\3ads");
        WAIT(f->base, f->stream.closed);
        assert_string_equal(f->stream.status, "0");
        assert_memory_equal(f->stream.text, "\0\0\0\0\2\x08\2", 7);
        stream_done(&f->stream);
        grpc_health_set(f->health, true);
        stream_start(&f->stream, &f->client, "/grpc.health.v1.Health/Check");
        stream_send(&f->stream, &f->client, "");
        WAIT(f->base, f->stream.closed);
        assert_memory_equal(f->stream.text, "\0\0\0\0\2\x08\1", 7);
}

static void check__unknown_service__not_found(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/grpc.health.v1.Health/Check");
        stream_send(&f->stream, &f->client, "\n\3eds");
        WAIT(f->base, f->stream.closed);
        assert_string_equal(f->stream.status, "5");
        assert_int_equal(f->stream.got, 0);
}

static void check__not_a_request__invalid_argument(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/grpc.health.v1.Health/Check");
        stream_send(&f->stream, &f->client, "\n\x7f");
        WAIT(f->base, f->stream.closed);
        assert_string_equal(f->stream.status, "3");
}

static void watch__state_changes__is_told_each_time(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/grpc.health.v1.Health/Watch");
        stream_send(&f->stream, &f->client, "");
        WAIT(f->base, f->stream.got == 7);
        grpc_health_set(f->health, false);
        grpc_health_set(f->health, true);
        WAIT(f->base, f->stream.got == 14);
        assert_memory_equal(f->stream.text, "\0\0\0\0\2\x08\2\0\0\0\0\2\x08\1", 14);
        assert_false(f->stream.closed);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(check__before_and_after_serving__says_so),
                CASE(check__unknown_service__not_found),
                CASE(check__not_a_request__invalid_argument),
                CASE(watch__state_changes__is_told_each_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
