/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 200 clients that come, ask, answer, break the protocol and vanish as a seed has it, while resources change and a
 * third thread reads the metrics. SOAK_SEED and SOAK_STEPS in the environment repeat or lengthen a run.
 */
#include "base/metric.h"
#include "xds/grpc_testing.h"
#include "xds/server.h"

#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <google/rpc/status.pb-c.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { CLIENTS = 200, STEPS = 24000, NAMES = 24, ROUNDS_A_STEP = 2 };
#define ADS "/envoy.service.discovery.v3.AggregatedDiscoveryService/"

/* ---- the server's thread: the loop, and resources that change every millisecond ---- */

struct served {
        struct event_base *base;
        struct cache *cache;
        struct xds_server *server;
        struct event *change;
        uint64_t random;
        atomic_bool ending, gone;
        atomic_size_t clients, changes;
};

static uint64_t roll(uint64_t *random, uint64_t below)
{
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        return *random % below;
}

static void change_one(struct served *s)
{
        enum resource_type type = (enum resource_type)roll(&s->random, RESOURCE_SERVED_TYPES);
        AUTO_STR *name = mem_printf("n%u", (unsigned)roll(&s->random, NAMES));
        if (roll(&s->random, 4) == 0) {
                cache_remove(s->cache, type, name);
                return;
        }
        uint8_t bytes[4096];
        size_t n = 1 + roll(&s->random, sizeof(bytes));
        memset(bytes, (int)roll(&s->random, 256), n);
        struct resource *r = resource_new(type, name, bytes, n);
        cache_set(s->cache, r, type == RESOURCE_CLUSTER ? name : NULL);
        resource_unref(r);
}

static void on_change(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct served *s = arg;
        for (uint64_t n = roll(&s->random, 5); n > 0; n--)
                change_one(s);
        atomic_fetch_add(&s->changes, cache_commit(s->cache, time_monotonic()));
        xds_server_cache_changed(s->server, time_monotonic());
        atomic_store(&s->clients, xds_server_clients(s->server));
        if (atomic_load(&s->ending))
                event_base_loopbreak(s->base);
}

static void *serve(void *arg)
{
        struct served *s = arg;
        event_base_dispatch(s->base);
        atomic_store(&s->gone, true);
        return NULL;
}

static void *scrape(void *arg)
{
        struct served *s = arg;
        while (!atomic_load(&s->gone)) {
                AUTO(buf) *text = buf_new(1 << 20);
                metric_render(text);
        }
        return NULL;
}

static void quiet(const char *line)
{
        (void)line;
}

static void begin(struct served *s, uint64_t seed)
{
        struct err e = {0};
        *s = (struct served){.base = event_base_new(), .cache = cache_new(), .random = seed};
        const struct xds_server_options options = {
                .base = s->base, .cache = s->cache, .address = "127.0.0.1", .clock = skewed_clock};
        s->server = xds_server_new(&options, &e);
        if (!s->server)
                fail_msg("%s", e.text);
        cache_open(s->cache, time_monotonic());
        s->change = event_new(s->base, -1, EV_PERSIST, on_change, s);
        event_add(s->change, &(struct timeval){.tv_usec = 1000});
}

static void end(struct served *s)
{
        xds_server_free(s->server);
        cache_free(s->cache);
        event_free(s->change);
        event_base_free(s->base);
}

/* ---- the clients ---- */

struct soul {
        struct client client;
        struct stream stream;
        bool here, asks, delta;
};

struct crowd {
        struct event_base *base;
        uint16_t port;
        uint64_t random;
        struct soul souls[CLIENTS];
        size_t came, asked, cut;
};

static void leave(struct soul *u)
{
        client_done(&u->client);
        stream_done(&u->stream);
        *u = (struct soul){0};
}

static void send_message(struct soul *u, const ProtobufCMessage *m)
{
        uint8_t bytes[2048];
        size_t n = protobuf_c_message_get_packed_size(m);
        assert_true(n + GRPC_FRAME_HEAD <= sizeof(bytes));
        grpc_frame_head(bytes, (uint32_t)n);
        protobuf_c_message_pack(m, bytes + GRPC_FRAME_HEAD);
        stream_bytes(&u->stream, &u->client, bytes, GRPC_FRAME_HEAD + n);
}

/* A request of any type, with some names, often with a nonce that was or will be given, sometimes as a NACK. */
static void ask(struct crowd *w, struct soul *u)
{
        Envoy__Node node = ENVOY__NODE__INIT;
        Google__Status status = GOOGLE__STATUS__INIT;
        node.id = "soul";
        char names[3][8], nonce[8];
        const char *list[] = {names[0], names[1], names[2]};
        for (size_t i = 0; i < COUNT_OF(names); i++)
                snprintf(names[i], sizeof(names[i]), roll(&w->random, 8) ? "n%u" : "*",
                         (unsigned)roll(&w->random, NAMES));
        snprintf(nonce, sizeof(nonce), "%u", (unsigned)roll(&w->random, 12));
        const char *url = resource_type_url((enum resource_type)roll(&w->random, RESOURCE_SERVED_TYPES));
        bool refuses = roll(&w->random, 6) == 0, answers = refuses || roll(&w->random, 2) == 0;
        if (u->delta) {
                Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
                m.node = &node;
                m.type_url = url;
                m.response_nonce = answers ? nonce : "";
                m.error_detail = refuses ? &status : NULL;
                m.n_resource_names_subscribe = roll(&w->random, 4);
                m.resource_names_subscribe = list;
                m.n_resource_names_unsubscribe = roll(&w->random, 2);
                m.resource_names_unsubscribe = list;
                send_message(u, &m.base);
        } else {
                Envoy__DiscoveryRequest m = ENVOY__DISCOVERY_REQUEST__INIT;
                m.node = &node;
                m.type_url = url;
                m.response_nonce = answers ? nonce : "";
                m.error_detail = refuses ? &status : NULL;
                m.n_resource_names = roll(&w->random, 4);
                m.resource_names = list;
                send_message(u, &m.base);
        }
        w->asked++;
}

static void come(struct crowd *w, struct soul *u)
{
        client_start(&u->client, w->base, w->port, NULL, true);
        u->here = true;
        u->client.deaf = roll(&w->random, 8) == 0;
        w->came++;
}

static void call(struct crowd *w, struct soul *u)
{
        u->delta = roll(&w->random, 2) == 0;
        u->asks = true;
        stream_start(&u->stream, &u->client,
                     u->delta ? ADS "DeltaAggregatedResources" : ADS "StreamAggregatedResources");
        ask(w, u);
}

static void hang_up(struct soul *u)
{
        nghttp2_session_set_stream_user_data(u->client.session, u->stream.id, NULL);
        nghttp2_submit_rst_stream(u->client.session, NGHTTP2_FLAG_NONE, u->stream.id, NGHTTP2_CANCEL);
        client_flush(&u->client);
        stream_done(&u->stream);
        u->asks = false;
}

static void act(struct crowd *w, struct soul *u)
{
        static const uint8_t garbage[64] = {0xff, 0, 1, 2};
        if (u->client.down) {
                w->cut++;
                leave(u);
                return;
        }
        uint64_t what = roll(&w->random, 100);
        if (!u->asks)
                call(w, u);
        else if (what < 70)
                ask(w, u);
        else if (what < 80)
                hang_up(u);
        else if (what < 84)
                stream_bytes(&u->stream, &u->client, "\0\0\0\1\0half", 9);
        else if (what < 86)
                stream_bytes(&u->stream, &u->client, garbage, sizeof(garbage));
        else if (what < 88)
                bufferevent_write(u->client.bev, garbage, sizeof(garbage));
        else
                leave(u);
}

static void run(struct crowd *w, size_t steps)
{
        for (size_t i = 0; i < steps; i++) {
                struct soul *u = &w->souls[roll(&w->random, CLIENTS)];
                if (u->here)
                        act(w, u);
                else
                        come(w, u);
                for (int n = 0; n < ROUNDS_A_STEP; n++)
                        event_base_loop(w->base, EVLOOP_NONBLOCK);
        }
}

/* After all that an honest client still gets its answers. */
static void expect_service(struct crowd *w)
{
        struct soul u = {0};
        client_start(&u.client, w->base, w->port, NULL, true);
        u.delta = true;
        const char *star[] = {"*"};
        stream_start(&u.stream, &u.client, ADS "DeltaAggregatedResources");
        Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
        m.type_url = resource_type_url(RESOURCE_CLUSTER);
        m.n_resource_names_subscribe = 1;
        m.resource_names_subscribe = star;
        send_message(&u, &m.base);
        WAIT(w->base, u.stream.got > GRPC_FRAME_HEAD);
        leave(&u);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        return text ? strtoull(text, NULL, 10) : otherwise;
}

static void soak__clients_come_and_vanish_at_random__server_serves_on_and_keeps_nothing(void **state)
{
        (void)state;
        static struct served s;
        static struct crowd w;
        uint64_t seed = number_from("SOAK_SEED", (uint64_t)time(NULL));
        print_message("SOAK_SEED=%llu\n", (unsigned long long)seed);
        log_set_sink(quiet);
        begin(&s, (seed * UINT64_C(0x9e3779b97f4a7c15)) | 1);
        w = (struct crowd){.base = event_base_new(), .port = xds_server_port(s.server), .random = s.random + 2};
        pthread_t server, scraper;
        assert_int_equal(pthread_create(&server, NULL, serve, &s), 0);
        assert_int_equal(pthread_create(&scraper, NULL, scrape, &s), 0);
        run(&w, number_from("SOAK_STEPS", STEPS));
        expect_service(&w);
        for (size_t i = 0; i < CLIENTS; i++)
                leave(&w.souls[i]);
        /* libevent closes what is freed from within its loop. */
        int64_t deadline = time_monotonic() + PATIENCE;
        while (atomic_load(&s.clients) > 0 && time_monotonic() < deadline)
                event_base_loop(w.base, EVLOOP_NONBLOCK);
        assert_int_equal(atomic_load(&s.clients), 0);
        print_message("%zu came, %zu were cut, %zu requests, %zu changes\n", w.came, w.cut, w.asked,
                      atomic_load(&s.changes));
        assert_true(w.came > CLIENTS / 2 && w.asked > 0 && atomic_load(&s.changes) > 0);
        atomic_store(&s.ending, true);
        pthread_join(server, NULL);
        pthread_join(scraper, NULL);
        end(&s);
        event_base_free(w.base);
        log_set_sink(NULL);
}

int main(void)
{
        signal(SIGPIPE, SIG_IGN); /* libevent writes to what the other side may have closed */
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(soak__clients_come_and_vanish_at_random__server_serves_on_and_keeps_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
