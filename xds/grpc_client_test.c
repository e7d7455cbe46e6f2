/* SPDX-License-Identifier: Apache-2.0 */
/* The client blocks, so it has a thread of its own. TLS is asked for by e2e/test_cli.py. */
#include "xds/grpc_client.h"

#include "xds/grpc_testing.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct talker {
        struct dial_options dial;
        const char *path;
        const char *const *send; /* ended by NULL */
        int64_t patience;
        size_t wanted; /* messages to receive */
        char got[64];  /* of those that came, joined */
        size_t bytes, count;
        struct err e; /* how it ended; "" when all came */
        atomic_bool done;
};

static void *talk(void *arg)
{
        struct talker *t = arg;
        const int64_t deadline = time_monotonic() + t->patience;
        AUTO(grpc_client) *c = grpc_client_open(&t->dial, t->path, deadline, &t->e);
        bool fine = c != NULL;
        for (size_t i = 0; fine && t->send[i]; i++)
                fine = grpc_client_send(c, t->send[i], strlen(t->send[i]), deadline, &t->e);
        while (fine && t->count < t->wanted) {
                const uint8_t *p;
                size_t n;
                fine = grpc_client_receive(c, &p, &n, deadline, &t->e);
                if (!fine)
                        break;
                t->count++;
                t->bytes += n;
                size_t have = strlen(t->got);
                snprintf(t->got + have, sizeof(t->got) - have, "%.*s", n < 32 ? (int)n : 32, (const char *)p);
        }
        t->done = true;
        return NULL;
}

static struct event_base *base;
static struct grpc_server *server;

static void quiet(const char *line)
{
        (void)line;
}

static int setup(void **state)
{
        (void)state;
        struct err e = {0};
        log_set_sink(quiet);
        base = event_base_new();
        server = grpc_server_new(&(struct grpc_options){.base = base, .address = "127.0.0.1", .clock = skewed_clock},
                                 &e);
        if (!server)
                fail_msg("%s", e.text);
        grpc_server_add(server, &echo_service);
        grpc_server_add(server, &flood_service);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        grpc_server_free(server);
        event_base_free(base);
        log_set_sink(NULL);
        return 0;
}

/* Runs the server until the talker has ended. */
static void run(struct talker *t)
{
        pthread_t thread;
        t->dial.host = "127.0.0.1";
        t->dial.port = t->dial.port ? t->dial.port : grpc_server_port(server);
        t->patience = t->patience ? t->patience : PATIENCE;
        assert_int_equal(pthread_create(&thread, NULL, talk, t), 0);
        const int64_t deadline = time_monotonic() + 2 * PATIENCE;
        const struct timeval pause = {.tv_usec = 1000};
        while (!t->done && time_monotonic() < deadline) {
                event_base_loopexit(base, &pause);
                event_base_dispatch(base);
        }
        assert_true(t->done);
        pthread_join(thread, NULL);
}

static void call__messages__come_back(void **state)
{
        (void)state;
        static const char *const words[] = {"hello", NULL};
        struct talker t = {.path = ECHO, .send = words, .wanted = 1};
        run(&t);
        assert_string_equal(t.e.text, "");
        assert_string_equal(t.got, "hello");
}

static void call__ended_by_the_server__status_and_message_in_words(void **state)
{
        (void)state;
        static const char *const words[] = {"end", NULL};
        struct talker t = {.path = ECHO, .send = words, .wanted = 2};
        run(&t);
        assert_string_equal(t.got, "end");
        assert_non_null(strstr(t.e.text, "with status 3: 100%25"));
}

static void call__no_such_method__unimplemented(void **state)
{
        (void)state;
        static const char *const nothing[] = {NULL};
        struct talker t = {.path = "/who.Knows/This", .send = nothing, .wanted = 1};
        run(&t);
        assert_non_null(strstr(t.e.text, "with status 12"));
}

/* More than the windows, in pieces that lie across reads. */
static void call__a_flood__every_message_whole(void **state)
{
        (void)state;
        static const char *const words[] = {"go", NULL};
        struct talker t = {.path = FLOOD, .send = words, .wanted = 100};
        run(&t);
        assert_string_equal(t.e.text, "");
        assert_int_equal(t.bytes, 100 * 65536);
}

static void call__no_answer__ends_at_the_deadline(void **state)
{
        (void)state;
        static const char *const nothing[] = {NULL};
        struct talker t = {.path = ECHO, .send = nothing, .wanted = 1, .patience = 50 * DURATION_MILLISECOND};
        run(&t);
        assert_int_equal(t.e.code, ETIMEDOUT);
}

/* ---- a server that says what a test wants: after its SETTINGS, some bytes, and the end ---- */

struct stranger {
        int listener;
        const uint8_t *bytes;
        size_t n;
};

static void *answer(void *arg)
{
        const struct stranger *s = arg;
        static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
        uint8_t ignored[4096];
        int fd = accept(s->listener, NULL, NULL);
        bool sent = recv(fd, ignored, sizeof(ignored), 0) > 0 && write(fd, settings, sizeof(settings)) > 0 &&
                    write(fd, s->bytes, s->n) >= 0;
        shutdown(fd, SHUT_WR);
        while (sent && recv(fd, ignored, sizeof(ignored), 0) > 0)
                ;
        close(fd);
        return NULL;
}

static int listen_on(uint16_t *port)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 1) == 0);
        getsockname(fd, (struct sockaddr *)&at, &size);
        *port = ntohs(at.sin_port);
        return fd;
}

static void expect_words(const uint8_t *bytes, size_t n, const char *words)
{
        static const char *const nothing[] = {NULL};
        struct talker t = {.path = ECHO, .send = nothing, .wanted = 1};
        struct stranger s = {.bytes = bytes, .n = n};
        pthread_t thread;
        s.listener = listen_on(&t.dial.port);
        assert_int_equal(pthread_create(&thread, NULL, answer, &s), 0);
        run(&t);
        pthread_join(thread, NULL);
        close(s.listener);
        if (!strstr(t.e.text, words))
                fail_msg("\"%s\" does not say \"%s\"", t.e.text, words);
}

#define HEADERS_200 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88
#define DATA_OF(n) 0, 0, (n), 0, 0, 0, 0, 0, 1

static void call__broken_answers__each_in_words(void **state)
{
        (void)state;
        static const uint8_t compressed[] = {HEADERS_200, DATA_OF(5), 1, 0, 0, 0, 1};
        static const uint8_t long_message[] = {HEADERS_200, DATA_OF(5), 0, 0x04, 0, 0, 1};
        static const uint8_t unknown_flag[] = {HEADERS_200, DATA_OF(5), 7, 0, 0, 0, 1};
        static const uint8_t cut[] = {HEADERS_200, DATA_OF(5), 0, 0, 0, 0, 9};
        static const uint8_t not_found[] = {0, 0, 1, 1, 5, 0, 0, 0, 1, 0x8d};
        static const uint8_t no_status[] = {0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88};
        static const uint8_t reset[] = {0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7};
        static const uint8_t no_frame[] = {0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1};
        expect_words(compressed, sizeof(compressed), "is compressed");
        expect_words(long_message, sizeof(long_message), "is too long");
        expect_words(unknown_flag, sizeof(unknown_flag), "a flag that gRPC does not know");
        expect_words(cut, sizeof(cut), "closed the connection");
        expect_words(not_found, sizeof(not_found), "HTTP status 404");
        expect_words(no_status, sizeof(no_status), "without a status");
        expect_words(reset, sizeof(reset), "REFUSED_STREAM");
        expect_words(no_frame, sizeof(no_frame), "closed the connection");
        expect_words(no_frame, 0, "closed the connection");
}

int main(void)
{
        signal(SIGPIPE, SIG_IGN);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(call__messages__come_back),
                TEST(call__ended_by_the_server__status_and_message_in_words),
                TEST(call__no_such_method__unimplemented),
                TEST(call__a_flood__every_message_whole),
                TEST(call__no_answer__ends_at_the_deadline),
                TEST(call__broken_answers__each_in_words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
