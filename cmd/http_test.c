/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

enum { ANSWER_BYTES = 64 * 1024, TIMEOUT_SECONDS = 10 };

static void serve_hello(const struct http_request *r, struct http_answer *answer, void *arg)
{
        const char *name = http_query(r, "name");
        buf_printf(answer->body, "%s %s\n", (const char *)arg, name ? name : "nobody");
}

static void serve_thing(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r, (void)arg;
        answer->content_type = "application/json";
        answer->status = 503;
        buf_append_str(answer->body, "{}");
}

static void take_thing(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)arg;
        buf_printf(answer->body, "%s %zu %s", r->method, r->body_len, r->body);
}

static int set_up(void **state)
{
        static const struct http_route routes[] = {
                {"GET", "/hello", serve_hello, "hello"},
                {"GET", "/thing", serve_thing, NULL},
                {"PUT", "/thing", take_thing, NULL},
        };
        struct err e = {0};
        *state = http_start("127.0.0.1", 0, routes, COUNT_OF(routes), &e);
        return *state ? 0 : -1;
}

static int tear_down(void **state)
{
        http_free(*state);
        return 0;
}

static int dial(const struct http *h)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_port(h))};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        return fd;
}

static void say(int fd, const char *text)
{
        size_t n = strlen(text);
        while (n) {
                ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
                if (sent <= 0)
                        return; /* the server has cut us off: what it said is still to be read */
                text += sent;
                n -= (size_t)sent;
        }
}

/* All until the server closes. */
static char *hear(int fd)
{
        char *text = mem_zalloc(ANSWER_BYTES);
        size_t n = 0;
        for (ssize_t got; n + 1 < ANSWER_BYTES && (got = recv(fd, text + n, ANSWER_BYTES - 1 - n, 0)) > 0;)
                n += (size_t)got;
        return text;
}

static char *exchange(const struct http *h, const char *request)
{
        int fd = dial(h);
        say(fd, request);
        char *answer = hear(fd);
        close(fd);
        return answer;
}

static void expect(const struct http *h, const char *request, const char *const words[])
{
        AUTO_STR *answer = exchange(h, request);
        for (; *words; words++) {
                if (!strstr(answer, *words))
                        fail_msg("\"%.60s\" is answered by \"%.400s\", which lacks \"%s\"", request, answer, *words);
        }
}
#define EXPECT(h, request, ...) expect((h), (request), (const char *const[]){__VA_ARGS__, NULL})

#define END " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void get__known_path__handler_answers(void **state)
{
        EXPECT(*state, "GET /hello" END, "HTTP/1.1 200", "Content-Type: text/plain", "\r\n\r\nhello nobody\n");
        EXPECT(*state, "GET /hello?name=a%20b&x=1" END, "\r\n\r\nhello a b\n");
        EXPECT(*state, "GET /thing" END, "HTTP/1.1 503", "Content-Type: application/json", "\r\n\r\n{}");
}

static void head__known_path__headers_without_body(void **state)
{
        AUTO_STR *answer = exchange(*state, "HEAD /hello" END);
        assert_non_null(strstr(answer, "HTTP/1.1 200"));
        assert_non_null(strstr(answer, "Content-Length: 13"));
        assert_null(strstr(answer, "nobody"));
}

static void request__unknown_path_or_method__404_and_405(void **state)
{
        EXPECT(*state, "GET /hell" END, "HTTP/1.1 404");
        EXPECT(*state, "GET /hello/" END, "HTTP/1.1 404");
        EXPECT(*state, "PUT /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
               "HTTP/1.1 405", "Allow: GET, HEAD\r\n");
        EXPECT(*state, "POST /thing HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
               "HTTP/1.1 405", "Allow: GET, HEAD, PUT\r\n");
        EXPECT(*state, "OPTIONS /thing" END, "HTTP/1.1 405");
}

static void put__small_body__handler_reads_it(void **state)
{
        EXPECT(*state, "PUT /thing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
               "HTTP/1.1 200", "\r\n\r\nPUT 5 hello");
        EXPECT(*state,
               "PUT /thing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
               "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
               "\r\n\r\nPUT 5 hello");
}

static void put__body_beyond_the_limit__413(void **state)
{
        AUTO(buf) *request = buf_new(1 << 20);
        buf_printf(request, "PUT /thing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
                   HTTP_BODY_MAX + 1);
        for (int i = 0; i <= HTTP_BODY_MAX; i++)
                buf_append_char(request, 'x');
        EXPECT(*state, buf_data(request), "HTTP/1.1 413");
}

static void put__endless_body__is_cut_off(void **state)
{
        AUTO(buf) *request = buf_new(1 << 20);
        buf_append_str(request, "PUT /thing HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
        for (int i = 0; i < 200000; i++)
                buf_append_char(request, 'x');
        /* Returns at all: the server closes although 300,000 bytes are owed. */
        AUTO_STR *answer = exchange(*state, buf_data(request));
        assert_null(strstr(answer, "HTTP/1.1 200"));
        EXPECT(*state, "GET /hello" END, "HTTP/1.1 200");
}

static void request__headers_beyond_the_limit__431(void **state)
{
        AUTO(buf) *request = buf_new(1 << 20);
        buf_append_str(request, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ");
        for (int i = 0; i < 2 * HTTP_HEADERS_MAX; i++)
                buf_append_char(request, 'x');
        buf_append_str(request, "\r\n\r\n");
        EXPECT(*state, buf_data(request), "HTTP/1.1 431");
}

static void request__no_http__400_and_the_server_stays(void **state)
{
        EXPECT(*state, "what is this\r\n\r\n", "HTTP/1.1 400");
        EXPECT(*state, "GET /hello" END, "HTTP/1.1 200");
}

static void connection__kept_alive__serves_several_requests(void **state)
{
        int fd = dial(*state);
        say(fd, "GET /hello?name=one HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?name=two" END);
        AUTO_STR *answer = hear(fd);
        close(fd);
        char *first = strstr(answer, "hello one\n");
        assert_non_null(first);
        assert_non_null(strstr(first, "hello two\n"));
}

static void connections__too_many__the_longest_idle_gives_way(void **state)
{
        int idle[HTTP_CONNECTIONS_MAX];
        for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
                idle[i] = dial(*state);
        for (int round = 0; round < 8; round++)
                EXPECT(*state, "GET /hello" END, "HTTP/1.1 200");
        char byte;
        assert_int_equal(recv(idle[0], &byte, 1, 0), 0);
        /* The latest one was never in the way. */
        int last = idle[HTTP_CONNECTIONS_MAX - 1];
        say(last, "GET /hello?name=last" END);
        AUTO_STR *answer = hear(last);
        assert_non_null(strstr(answer, "hello last\n"));
        for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
                close(idle[i]);
}

static void connections__many_times_the_limit_at_once__probe_is_answered(void **state)
{
        enum { CROWD = 5 * HTTP_CONNECTIONS_MAX };
        int crowd[CROWD];
        for (int i = 0; i < CROWD; i++) {
                crowd[i] = dial(*state);
                say(crowd[i], "GET /hel"); /* never goes on */
        }
        EXPECT(*state, "GET /hello" END, "HTTP/1.1 200");
        for (int i = 0; i < CROWD; i++)
                close(crowd[i]);
}

static void http_start__port_taken_or_no_address__says_so(void **state)
{
        const struct http *h = *state;
        struct err e = {0};
        assert_null(http_start("127.0.0.1", http_port(h), NULL, 0, &e));
        assert_non_null(strstr(e.text, "listening on 127.0.0.1 port"));
        assert_null(http_start("localhost", 0, NULL, 0, &e));
        assert_string_equal(e.text, "\"localhost\" is no IP address");
}

static void http_free__with_open_connections__ends(void **state)
{
        (void)state;
        struct http_route route = {"GET", "/hello", serve_hello, "hello"};
        struct err e = {0};
        struct http *h = http_start("127.0.0.1", 0, &route, 1, &e);
        assert_non_null(h);
        int fd = dial(h);
        say(fd, "GET /hello HTTP/1.1\r\nHost:");
        http_free(h);
        AUTO_STR *answer = hear(fd);
        assert_null(strstr(answer, "200"));
        close(fd);
}

static void http_start__ipv6__listens(void **state)
{
        (void)state;
        struct http_route route = {"GET", "/hello", serve_hello, "hello"};
        struct err e = {0};
        AUTO(http) *h = http_start("::1", 0, &route, 1, &e);
        if (!h) { /* a machine without IPv6 */
                print_message("skipped: %s\n", e.text);
                skip();
        }
        struct sockaddr_in6 to = {
                .sin6_family = AF_INET6, .sin6_port = htons(http_port(h)), .sin6_addr = in6addr_loopback};
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        say(fd, "GET /hello" END);
        AUTO_STR *answer = hear(fd);
        close(fd);
        assert_non_null(strstr(answer, "hello nobody\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(get__known_path__handler_answers),
                TEST(head__known_path__headers_without_body),
                TEST(request__unknown_path_or_method__404_and_405),
                TEST(put__small_body__handler_reads_it),
                TEST(put__body_beyond_the_limit__413),
                TEST(put__endless_body__is_cut_off),
                TEST(request__headers_beyond_the_limit__431),
                TEST(request__no_http__400_and_the_server_stays),
                TEST(connection__kept_alive__serves_several_requests),
                TEST(connections__too_many__the_longest_idle_gives_way),
                TEST(connections__many_times_the_limit_at_once__probe_is_answered),
                TEST(http_start__port_taken_or_no_address__says_so),
                cmocka_unit_test(http_free__with_open_connections__ends),
                cmocka_unit_test(http_start__ipv6__listens),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
