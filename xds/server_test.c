/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/server.h"

#include "base/metric.h"
#include "xds/grpc_testing.h"

#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <google/rpc/status.pb-c.h>

#define ADS "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
#define LOG_MAX (64 * 1024)

/* Of gcc's sanitizer: what the process holds, to the byte. */
size_t __sanitizer_get_current_allocated_bytes(void);

struct fixture {
        struct event_base *base;
        struct cache *cache;
        struct xds_server *server;
        struct client client;
        struct stream stream;
        size_t answers; /* with a tracked resource */
        struct stream_outcome outcome;
};

static struct buf *log_lines;

static void keep_line(const char *line)
{
        buf_printf(log_lines, "%s\n", line);
}

static void note_answer(enum resource_type type, const struct stream_outcome *outcome, int64_t now, void *arg)
{
        struct fixture *f = arg;
        (void)type;
        (void)now;
        f->answers++;
        f->outcome = *outcome;
}

static int setup(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        struct err e = {0};
        skew = 0;
        log_lines = buf_new(LOG_MAX);
        log_set_sink(keep_line);
        f->base = event_base_new();
        f->cache = cache_new();
        f->server = xds_server_new(&(struct xds_server_options){.base = f->base,
                                                                .cache = f->cache,
                                                                .address = "127.0.0.1",
                                                                .clock = skewed_clock,
                                                                .answered = note_answer,
                                                                .arg = f},
                                   &e);
        if (!f->server)
                fail_msg("%s", e.text);
        client_start(&f->client, f->base, xds_server_port(f->server), NULL, true);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        client_done(&f->client);
        stream_done(&f->stream);
        xds_server_free(f->server);
        cache_free(f->cache);
        event_base_free(f->base);
        log_set_sink(NULL);
        buf_free(log_lines);
        metric_reset_all();
        mem_free(f);
        return 0;
}

/* ---- the cache ---- */

static void put(struct fixture *f, enum resource_type type, const char *name, const char *content)
{
        struct resource *r = resource_new(type, name, content, strlen(content));
        cache_set(f->cache, r, NULL);
        resource_unref(r);
        cache_commit(f->cache, skewed_clock());
        xds_server_cache_changed(f->server, skewed_clock());
}

static void open_cache(struct fixture *f)
{
        cache_open(f->cache, skewed_clock());
        xds_server_cache_changed(f->server, 0);
}

/* ---- a client ---- */

static void send_message(struct fixture *f, const ProtobufCMessage *m)
{
        uint8_t bytes[4096];
        size_t n = protobuf_c_message_get_packed_size(m);
        assert_true(n + GRPC_FRAME_HEAD <= sizeof(bytes));
        grpc_frame_head(bytes, (uint32_t)n);
        protobuf_c_message_pack(m, bytes + GRPC_FRAME_HEAD);
        stream_bytes(&f->stream, &f->client, bytes, GRPC_FRAME_HEAD + n);
}

/* The first request of a type, of everything; type_url NULL: left out. */
static void ask(struct fixture *f, enum stream_variant variant, const char *type_url)
{
        const char *star[] = {"*"};
        Envoy__Node node = ENVOY__NODE__INIT;
        node.id = "edge-1";
        if (variant == STREAM_DELTA) {
                Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
                m.node = &node;
                m.type_url = type_url ? type_url : "";
                m.n_resource_names_subscribe = 1;
                m.resource_names_subscribe = star;
                send_message(f, &m.base);
        } else {
                Envoy__DiscoveryRequest m = ENVOY__DISCOVERY_REQUEST__INIT;
                m.node = &node;
                m.type_url = type_url ? type_url : "";
                m.n_resource_names = 1;
                m.resource_names = star;
                send_message(f, &m.base);
        }
}

static void answer(struct fixture *f, enum resource_type type, const char *nonce, const char *refused)
{
        Google__Status status = GOOGLE__STATUS__INIT;
        Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
        m.type_url = resource_type_url(type);
        m.response_nonce = nonce;
        status.message = refused ? refused : "";
        m.error_detail = refused ? &status : NULL;
        send_message(f, &m.base);
}

/* A whole message is there. */
static bool has_message(const struct stream *s)
{
        if (s->got < GRPC_FRAME_HEAD)
                return false;
        const uint8_t *p = (const uint8_t *)s->text;
        return s->got >= GRPC_FRAME_HEAD + ((size_t)p[3] << 8 | p[4]);
}

/* Waits for the next Delta response, which must be of that type, and forgets it: the number of its resources. */
static size_t expect(struct fixture *f, enum resource_type type, char nonce[STREAM_NONCE_SIZE])
{
        WAIT(f->base, has_message(&f->stream));
        Envoy__DeltaDiscoveryResponse *m = envoy__delta_discovery_response__unpack(
                NULL, f->stream.got - GRPC_FRAME_HEAD, (const uint8_t *)f->stream.text + GRPC_FRAME_HEAD);
        assert_non_null(m);
        assert_string_equal(m->type_url, resource_type_url(type));
        size_t n = m->n_resources;
        snprintf(nonce, STREAM_NONCE_SIZE, "%s", m->nonce);
        envoy__delta_discovery_response__free_unpacked(m, NULL);
        f->stream.got = 0;
        return n;
}

static void expect_end(struct fixture *f, const char *status)
{
        WAIT(f->base, f->stream.closed);
        assert_string_equal(f->stream.status, status);
}

/* Of a sample as it stands in /metrics; -1: there is none. */
static int64_t metric_of(const char *sample)
{
        AUTO(buf) *text = buf_new(1 << 20);
        metric_render(text);
        AUTO_STR *line = mem_printf("\n%s", sample);
        const char *at = strstr(buf_data(text), line);
        return at ? strtoll(at + strlen(line), NULL, 10) : -1;
}

/* ---- services ---- */

static void methods__each_of_twelve__serves_its_type(void **state)
{
        static const struct {
                const char *service, *method;
                enum resource_type type;
        } rows[] = {
                {"discovery.v3.AggregatedDiscoveryService", "AggregatedResources", RESOURCE_CLUSTER},
                {"listener.v3.ListenerDiscoveryService", "Listeners", RESOURCE_LISTENER},
                {"route.v3.RouteDiscoveryService", "Routes", RESOURCE_ROUTE_CONFIGURATION},
                {"cluster.v3.ClusterDiscoveryService", "Clusters", RESOURCE_CLUSTER},
                {"endpoint.v3.EndpointDiscoveryService", "Endpoints", RESOURCE_CLUSTER_LOAD_ASSIGNMENT},
                {"secret.v3.SecretDiscoveryService", "Secrets", RESOURCE_SECRET},
        };
        struct fixture *f = *state;
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++)
                put(f, (enum resource_type)i, "a", "1");
        open_cache(f);
        for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
                const bool delta = i % 2;
                char path[160];
                snprintf(path, sizeof(path), "/envoy.service.%s/%s%s", rows[i / 2].service, delta ? "Delta" : "Stream",
                         rows[i / 2].method);
                stream_start(&f->stream, &f->client, path);
                ask(f, delta ? STREAM_DELTA : STREAM_SOTW, i < 2 ? resource_type_url(rows[i / 2].type) : NULL);
                WAIT(f->base, has_message(&f->stream));
                assert_non_null(memmem(f->stream.text, f->stream.got, resource_type_url(rows[i / 2].type),
                                       strlen(resource_type_url(rows[i / 2].type))));
                f->stream.ending = true;
                nghttp2_session_resume_data(f->client.session, f->stream.id);
                client_flush(&f->client);
                expect_end(f, "0");
                stream_done(&f->stream);
        }
        WAIT(f->base, xds_server_clients(f->server) == 0);
}

static void request__type_of_another_service__invalid_argument(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters");
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_SECRET));
        expect_end(f, "3");
}

static void request__no_message__invalid_argument(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ADS);
        stream_send(&f->stream, &f->client, "\xff\xff\xff");
        expect_end(f, "3");
}

static void request__unknown_type_among_all__is_passed_over_and_told_once(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        put(f, RESOURCE_CLUSTER, "a", "1");
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, "type.googleapis.com/envoy.service.runtime.v3.Runtime");
        ask(f, STREAM_DELTA, "type.googleapis.com/envoy.service.runtime.v3.Runtime");
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        assert_int_equal(expect(f, RESOURCE_CLUSTER, nonce), 1);
        const char *first = strstr(buf_data(log_lines), "v3.Runtime");
        assert_non_null(first);
        assert_null(strstr(first + 1, "v3.Runtime"));
}

static void request__no_type_among_all__invalid_argument(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, NULL);
        expect_end(f, "3");
}

/* ---- answers ---- */

static void cache__not_open__nothing_is_sent_until_it_is(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        WAIT(f->base, xds_server_clients(f->server) == 1 && strstr(buf_data(log_lines), "edge-1"));
        assert_int_equal(metric_of("gatehouse_xds_streams "), 1);
        put(f, RESOURCE_CLUSTER, "a", "1");
        skew = 10 * GRPC_STALL_WAIT; /* waiting for us is no fault of the client's */
        assert_int_equal(f->stream.got, 0);
        open_cache(f);
        assert_int_equal(expect(f, RESOURCE_CLUSTER, nonce), 1);
}

static void change__is_pushed_counted_and_measured(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        assert_int_equal(expect(f, RESOURCE_CLUSTER, nonce), 0);
        answer(f, RESOURCE_CLUSTER, nonce, NULL);
        WAIT(f->base, metric_of("gatehouse_xds_acks_total{type=\"Cluster\"} ") == 1);
        assert_int_equal(metric_of("gatehouse_xds_push_latency_seconds_count "), 0);
        put(f, RESOURCE_CLUSTER, "a", "1");
        assert_int_equal(expect(f, RESOURCE_CLUSTER, nonce), 1);
        assert_int_equal(metric_of("gatehouse_xds_pushes_total{type=\"Cluster\"} "), 2);
        assert_int_equal(metric_of("gatehouse_xds_push_latency_seconds_count "), 1);
        assert_int_equal(metric_of("gatehouse_xds_resources{type=\"Cluster\"} "), 1);
}

struct seen_client {
        size_t count;
        struct xds_client_type cluster;
        bool has_secrets;
};

static void see(const struct xds_client *c, void *arg)
{
        struct seen_client *s = arg;
        s->count++;
        assert_string_equal(c->node, "edge-1");
        assert_string_equal(c->service, "aggregated");
        assert_memory_equal(c->peer, "127.0.0.1:", strlen("127.0.0.1:"));
        assert_true(xds_client_describe(c, RESOURCE_CLUSTER, &s->cluster));
        s->has_secrets = xds_client_describe(c, RESOURCE_SECRET, &(struct xds_client_type){0});
}

static struct seen_client look(struct fixture *f)
{
        struct seen_client s = {0};
        xds_server_each(f->server, see, &s);
        assert_int_equal(s.count, 1);
        return s;
}

static void nack__is_logged_counted_told_on_and_shown(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        cache_track(f->cache, RESOURCE_CLUSTER, "a");
        put(f, RESOURCE_CLUSTER, "a", "1");
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        expect(f, RESOURCE_CLUSTER, nonce);
        answer(f, RESOURCE_CLUSTER, nonce, NULL);
        WAIT(f->base, f->answers == 1);
        assert_int_equal(f->outcome.reply, STREAM_ACKS);
        struct seen_client before = look(f);
        assert_int_equal(strlen(before.cluster.accepted), RESOURCE_VERSION_LENGTH);
        assert_string_equal(before.cluster.accepted, before.cluster.sent);
        assert_null(before.cluster.refused);
        assert_false(before.has_secrets);
        AUTO_STR *accepted = mem_strdup(before.cluster.accepted);

        put(f, RESOURCE_CLUSTER, "a", "2");
        expect(f, RESOURCE_CLUSTER, nonce);
        answer(f, RESOURCE_CLUSTER, nonce, "no such \"thing\"");
        WAIT(f->base, f->answers == 2);
        assert_int_equal(f->outcome.reply, STREAM_NACKS);
        assert_int_equal(metric_of("gatehouse_xds_nacks_total{type=\"Cluster\"} "), 1);
        assert_non_null(strstr(buf_data(log_lines), "no such \\\"thing\\\""));
        struct seen_client after = look(f);
        assert_string_equal(after.cluster.accepted, accepted);
        assert_string_not_equal(after.cluster.sent, accepted);
        assert_string_equal(after.cluster.refused, "no such \"thing\"");
        assert_true(after.cluster.refused_at > 0);
}

static void client__answers_nothing_for_60_s__is_cut(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        put(f, RESOURCE_CLUSTER, "a", "1");
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        expect(f, RESOURCE_CLUSTER, nonce);
        skew = GRPC_STALL_WAIT + DURATION_SECOND;
        expect_end(f, "14");
        assert_non_null(strstr(buf_data(log_lines), "edge-1"));
}

static void client__has_nothing_to_answer__is_left_alone(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        put(f, RESOURCE_CLUSTER, "a", "1");
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        expect(f, RESOURCE_CLUSTER, nonce);
        answer(f, RESOURCE_CLUSTER, nonce, NULL);
        WAIT(f->base, metric_of("gatehouse_xds_acks_total{type=\"Cluster\"} ") == 1);
        skew = 10 * GRPC_STALL_WAIT;
        put(f, RESOURCE_CLUSTER, "a", "2");
        assert_int_equal(expect(f, RESOURCE_CLUSTER, nonce), 1);
}

/* Obligation 7: listeners wait for the ACK of clusters, and not longer than that. */
static void listeners__clusters_never_acknowledged__are_sent_after_the_wait(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        put(f, RESOURCE_CLUSTER, "a", "1");
        put(f, RESOURCE_LISTENER, "l", "1");
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        expect(f, RESOURCE_CLUSTER, nonce);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_LISTENER));
        skew = STREAM_ORDER_WAIT + DURATION_SECOND;
        assert_int_equal(expect(f, RESOURCE_LISTENER, nonce), 1);
}

/* ---- many, and the end ---- */

static void streams__a_thousand_idle__are_small(void **state)
{
        enum { MANY = 1000 };
        struct fixture *f = *state;
        static struct stream streams[MANY];
        for (size_t i = 0; i < MANY; i++)
                stream_start(&streams[i], &f->client, ADS);
        WAIT(f->base, xds_server_clients(f->server) == MANY);
        size_t before = __sanitizer_get_current_allocated_bytes();
        xds_server_free(mem_take(&f->server));
        size_t each = (before - __sanitizer_get_current_allocated_bytes()) / MANY;
        print_message("%zu bytes a stream, connection and server shared out\n", each);
        assert_true(each < 1024);
        for (size_t i = 0; i < MANY; i++)
                stream_done(&streams[i]);
}

static void change__concerns_a_thousand_streams__all_are_told(void **state)
{
        enum { MANY = 1000 };
        struct fixture *f = *state;
        static struct stream streams[MANY];
        open_cache(f);
        for (size_t i = 0; i < MANY; i++) {
                stream_start(&f->stream, &f->client, ADS);
                ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
                streams[i] = f->stream;
                /* The session knows the stream by its address. */
                nghttp2_session_set_stream_user_data(f->client.session, f->stream.id, &streams[i]);
                WAIT(f->base, evbuffer_get_length(streams[i].out) == 0);
                WAIT(f->base, has_message(&streams[i]));
                streams[i].got = 0;
        }
        memset(&f->stream, 0, sizeof(f->stream));
        put(f, RESOURCE_CLUSTER, "a", "1");
        for (size_t i = 0; i < MANY; i++) {
                WAIT(f->base, has_message(&streams[i]));
                stream_done(&streams[i]);
        }
        assert_int_equal(metric_of("gatehouse_xds_push_latency_seconds_count "), MANY);
}

static void mark_done(void *arg)
{
        *(bool *)arg = true;
}

static void obligation_10__drain__streams_go_on_and_end_within_seconds(void **state)
{
        struct fixture *f = *state;
        char nonce[STREAM_NONCE_SIZE];
        bool done = false;
        open_cache(f);
        stream_start(&f->stream, &f->client, ADS);
        ask(f, STREAM_DELTA, resource_type_url(RESOURCE_CLUSTER));
        expect(f, RESOURCE_CLUSTER, nonce);
        xds_server_drain(f->server, mark_done, &done);
        WAIT(f->base, f->client.goaway);
        put(f, RESOURCE_CLUSTER, "a", "1");
        assert_int_equal(expect(f, RESOURCE_CLUSTER, nonce), 1);
        assert_false(done);
        skew = GRPC_DRAIN_SPREAD;
        expect_end(f, "14");
        WAIT(f->base, done);
}

static void health__serving_when_the_cache_is_open_and_until_the_drain(void **state)
{
        struct fixture *f = *state;
        stream_start(&f->stream, &f->client, "/grpc.health.v1.Health/Watch");
        stream_send(&f->stream, &f->client, "");
        WAIT(f->base, f->stream.got == GRPC_FRAME_HEAD + 2);
        assert_memory_equal(f->stream.text + GRPC_FRAME_HEAD, "\x08\2", 2);
        f->stream.got = 0;
        open_cache(f);
        WAIT(f->base, f->stream.got == GRPC_FRAME_HEAD + 2);
        assert_memory_equal(f->stream.text + GRPC_FRAME_HEAD, "\x08\1", 2);
        f->stream.got = 0;
        xds_server_drain(f->server, NULL, NULL);
        put(f, RESOURCE_CLUSTER, "a", "1");
        WAIT(f->base, f->stream.got == GRPC_FRAME_HEAD + 2);
        assert_memory_equal(f->stream.text + GRPC_FRAME_HEAD, "\x08\2", 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(methods__each_of_twelve__serves_its_type),
                CASE(request__type_of_another_service__invalid_argument),
                CASE(request__no_message__invalid_argument),
                CASE(request__unknown_type_among_all__is_passed_over_and_told_once),
                CASE(request__no_type_among_all__invalid_argument),
                CASE(cache__not_open__nothing_is_sent_until_it_is),
                CASE(change__is_pushed_counted_and_measured),
                CASE(nack__is_logged_counted_told_on_and_shown),
                CASE(client__answers_nothing_for_60_s__is_cut),
                CASE(client__has_nothing_to_answer__is_left_alone),
                CASE(listeners__clusters_never_acknowledged__are_sent_after_the_wait),
                CASE(streams__a_thousand_idle__are_small),
                CASE(change__concerns_a_thousand_streams__all_are_told),
                CASE(obligation_10__drain__streams_go_on_and_end_within_seconds),
                CASE(health__serving_when_the_cache_is_open_and_until_the_drain),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
