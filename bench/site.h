/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site - N hosts from objects in memory to an xDS server, wired as cmd/serve_xds.c does it, and a crowd that comes.
 *
 * For bench/xds.c. Objects go in as JSON, as a watch brings them.
 */
#pragma once

#include "base/json_text.h"
#include "certs/issue.h"
#include "cmd/inspector.h"
#include "controller/pipeline.h"
#include "bench/crowd.h"
#include "xds/publisher.h"
#include "xds/server.h"

#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <event2/event.h>

enum { TEAM = 50 }; /* hosts a namespace */

struct site {
        unsigned hosts;
        bool tls;
        pthread_rwlock_t lock;
        struct policy policy;
        struct event_base *base;
        struct store *store;
        struct pipeline *pipeline;
        struct cache *cache;
        struct publisher *publisher;
        struct xds_server *server;
        struct event *news;
        int crowd;
        struct crowd_report report;
        bool reported;
        int64_t seen;
        uint64_t version;
};

static _Noreturn void give_up(const char *what)
{
        fprintf(stderr, "bench/xds: %s\n", what);
        exit(1);
}

/* ---- objects, as a watch brings them ---- */

static void put(struct site *s, enum kind kind, const char *text)
{
        struct err e = {0};
        json_t *json = json_loads(text, 0, NULL);
        struct object *o =
                object_decode(kind, json, &(struct object_options){.inspector = &inspector, .keep_keys = true}, &e);
        json_decref(json);
        if (!o)
                give_up(e.text);
        pipeline_put(s->pipeline, o, 0);
}

static void put_root(struct site *s, unsigned i, unsigned timeout)
{
        AUTO_STR *text = mem_printf(
                "{\"metadata\":{\"name\":\"site-%u\",\"namespace\":\"team-%u\",\"uid\":\"u%u\",\"resourceVersion\":\"%"
                "llu\","
                "\"creationTimestamp\":\"2026-11-21T09:00:00Z\"},\"spec\":{\"virtualhost\":{\"fqdn\":"
                "\"site-%u.example.com\"%s},\"routes\":[{\"match\":\"/\",\"timeoutPolicy\":{\"request\":\"%us\"},"
                "\"services\":[{\"name\":\"web-%u\",\"port\":80}]}]}}",
                i, i / TEAM, i, (unsigned long long)++s->version, i,
                s->tls ? ",\"tls\":{\"secretName\":\"wildcard\"}" : "", timeout, i);
        put(s, KIND_INGRESSROUTE, text);
}

static void put_slice(struct site *s, unsigned i, unsigned address)
{
        AUTO_STR *text = mem_printf(
                "{\"metadata\":{\"name\":\"web-%u-x\",\"namespace\":\"team-%u\",\"resourceVersion\":\"%llu\","
                "\"labels\":{"
                "\"kubernetes.io/service-name\":\"web-%u\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\","
                "\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"10.0.%u.%u\"]},{\"addresses\":["
                "\"10.1.0.2\"]},{\"addresses\":[\"10.1.0.3\"]}]}",
                i, i / TEAM, (unsigned long long)++s->version, i, address >> 8 & 255, address & 255);
        put(s, KIND_ENDPOINTSLICE, text);
}

static void put_service(struct site *s, unsigned i)
{
        AUTO_STR *text = mem_printf(
                "{\"metadata\":{\"name\":\"web-%u\",\"namespace\":\"team-%u\",\"resourceVersion\":\"%llu\"},\"spec\":{"
                "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":8080}]}}",
                i, i / TEAM, (unsigned long long)++s->version);
        put(s, KIND_SERVICE, text);
}

/* One Secret a namespace, all of the same pair. */
static void put_secret(struct site *s, unsigned team, const struct pair *pair)
{
        json_t *json =
                json_pack("{s:{s:s,s:s,s:s},s:s,s:{s:o,s:o}}", "metadata", "name", "wildcard", "namespace", "x",
                          "resourceVersion", "1", "type", "kubernetes.io/tls", "stringData", "tls.crt",
                          json_stringn(pair->crt, pair->crt_len), "tls.key", json_stringn(pair->key, pair->key_len));
        AUTO_STR *namespace = mem_printf("team-%u", team);
        json_object_set_new(json_object_get(json, "metadata"), "namespace", json_string(namespace));
        char *text = json_dumps(json, JSON_COMPACT);
        put(s, KIND_SECRET, text);
        free(text);
        json_decref(json);
}

static struct pair *wildcard(void)
{
        static const char *const names[] = {"*.example.com"};
        struct err e = {0};
        int64_t now = time_now_micros(), year = INT64_C(365) * 86400 * 1000000;
        struct pair *ca = issue_ca(now - year, now + year, &e);
        struct issue_request r = {.common_name = "bench",
                                  .names = names,
                                  .name_count = 1,
                                  .server = true,
                                  .not_before = now - year / 2,
                                  .not_after = now + year / 2};
        struct pair *leaf = ca ? issue_leaf(&r, ca->crt, ca->crt_len, ca->key, ca->key_len, &e) : NULL;
        if (!leaf)
                give_up(e.text);
        pair_unref(ca);
        return leaf;
}

/* ---- the wiring of cmd/serve_xds.c ---- */

static void on_stored(const struct object *old, const struct object *new, void *arg)
{
        struct site *s = arg;
        publisher_stored(s->publisher, old, new);
}

static void on_host_changed(const struct host *old, const struct host *new, void *arg)
{
        struct site *s = arg;
        publisher_host_changed(s->publisher, old, new);
}

static void tell(struct site *s, size_t changed)
{
        if (changed && s->server)
                xds_server_cache_changed(s->server, s->seen);
}

static void on_store_changed(void *arg)
{
        struct site *s = arg;
        tell(s, publisher_flush_endpoints(s->publisher, time_monotonic()));
}

static void on_settled(void *arg)
{
        struct site *s = arg;
        tell(s, publisher_open(s->publisher, time_monotonic()));
}

static void on_answered(enum resource_type type, const struct stream_outcome *outcome, int64_t now, void *arg)
{
        struct site *s = arg;
        publisher_answered(s->publisher, type, outcome, now);
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
        (void)what;
        struct site *s = arg;
        if (read((int)fd, &s->report, sizeof(s->report)) != sizeof(s->report))
                give_up("the crowd is gone");
        s->reported = true;
        event_base_loopbreak(s->base);
}

/* The loop as in serve: what is due at once, else what the network brings. */
static void turn(struct site *s)
{
        int64_t due = pipeline_due(s->pipeline);
        if (due <= time_monotonic())
                pipeline_turn(s->pipeline);
        event_base_loop(s->base, due == INT64_MAX ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
}

static void settle(struct site *s)
{
        while (pipeline_is_busy(s->pipeline)) {
                if (pipeline_due(s->pipeline) <= time_monotonic())
                        pipeline_turn(s->pipeline);
        }
}

static void read_report(struct site *s)
{
        for (s->reported = false; !s->reported;)
                turn(s);
}

static void rest(struct site *s, int64_t nanos)
{
        for (int64_t until = time_monotonic() + nanos; time_monotonic() < until;) {
                event_base_loop(s->base, EVLOOP_NONBLOCK);
                usleep(500);
        }
}

static void site_start(struct site *s, bool with_xds)
{
        struct err e = {0};
        pthread_rwlock_init(&s->lock, NULL);
        s->policy = (struct policy){.claim_id = "bench"};
        s->base = event_base_new();
        s->store = store_new();
        s->pipeline = pipeline_new(&(struct pipeline_options){.store = s->store,
                                                              .lock = &s->lock,
                                                              .policy = &s->policy,
                                                              .wall = time_now_micros,
                                                              .monotonic = time_monotonic});
        if (!with_xds)
                return;
        s->cache = cache_new();
        s->publisher = publisher_new(
                &(struct publisher_options){.store = s->store, .cache = s->cache, .options = &xds_options_default});
        pipeline_add_reader(s->pipeline, &(struct pipeline_reader){.stored = on_stored,
                                                                   .store_changed = on_store_changed,
                                                                   .host_changed = on_host_changed,
                                                                   .settled = on_settled,
                                                                   .arg = s});
        s->server = xds_server_new(
                &(struct xds_server_options){
                        .base = s->base, .cache = s->cache, .address = "127.0.0.1", .answered = on_answered, .arg = s},
                &e);
        if (!s->server)
                give_up(e.text);
        s->news = event_new(s->base, s->crowd, EV_READ | EV_PERSIST, on_news, s);
        event_add(s->news, NULL);
}

static void site_fill(struct site *s)
{
        struct pair *pair = s->tls ? wildcard() : NULL;
        for (unsigned i = 0; i < s->hosts; i++) {
                if (pair && i % TEAM == 0)
                        put_secret(s, i / TEAM, pair);
                put_root(s, i, 1);
                put_service(s, i);
                put_slice(s, i, i);
                if (i % 500 == 499)
                        settle(s);
        }
        pair_unref(pair);
        settle(s);
}

static void site_build(struct site *s)
{
        pipeline_start(s->pipeline);
        while (!pipeline_is_built(s->pipeline) || pipeline_is_busy(s->pipeline))
                pipeline_turn(s->pipeline);
}

static void site_end(struct site *s)
{
        if (s->news)
                event_free(s->news);
        xds_server_free(s->server);
        publisher_free(s->publisher);
        cache_free(s->cache);
        pipeline_free(s->pipeline);
        store_free(s->store);
        event_base_free(s->base);
}

static uint64_t all_resources(const struct site *s)
{
        uint64_t n = 0;
        for (unsigned t = 0; t < RESOURCE_SERVED_TYPES; t++)
                n += cache_count(s->cache, (enum resource_type)t);
        return n;
}

/* ---- what clients say first ---- */

static void add_message(struct buf *script, const ProtobufCMessage *m)
{
        size_t n = protobuf_c_message_get_packed_size(m);
        uint8_t *bytes = mem_calloc(n + 5, 1);
        const uint8_t head[5] = {0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        memcpy(bytes, head, sizeof(head));
        protobuf_c_message_pack(m, bytes + 5);
        buf_append(script, bytes, n + 5);
        mem_free(bytes);
}

/* All of every type; with `known` as one who comes back with all that there is. */
static void add_delta(struct buf *script, struct site *s, enum resource_type type, bool known)
{
        typedef Envoy__DeltaDiscoveryRequest__InitialResourceVersionsEntry entry;
        const char *star[] = {"*"};
        size_t n = 0;
        struct cache_name *const *names = cache_list(s->cache, type, &n);
        Envoy__Node node = ENVOY__NODE__INIT;
        Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
        node.id = "crowd";
        m.node = &node;
        m.type_url = resource_type_url(type);
        m.n_resource_names_subscribe = 1;
        m.resource_names_subscribe = star;
        entry *entries = mem_calloc(n + 1, sizeof(*entries));
        entry **list = mem_calloc(n + 1, sizeof(*list));
        for (size_t i = 0; known && i < n; i++) {
                envoy__delta_discovery_request__initial_resource_versions_entry__init(&entries[i]);
                entries[i].key = names[i]->text;
                entries[i].value = names[i]->resource->version;
                list[m.n_initial_resource_versions++] = &entries[i];
        }
        m.initial_resource_versions = list;
        add_message(script, &m.base);
        mem_free(list);
        mem_free(entries);
}

/* Clusters and listeners come by themselves, of the other types each name is asked for. */
static void add_sotw(struct buf *script, struct site *s, enum resource_type type)
{
        size_t n = 0;
        struct cache_name *const *names = cache_list(s->cache, type, &n);
        bool wildcard = type == RESOURCE_CLUSTER || type == RESOURCE_LISTENER;
        const char **list = mem_calloc(n + 1, sizeof(*list));
        Envoy__Node node = ENVOY__NODE__INIT;
        Envoy__DiscoveryRequest m = ENVOY__DISCOVERY_REQUEST__INIT;
        node.id = "crowd";
        m.node = &node;
        m.type_url = resource_type_url(type);
        for (size_t i = 0; !wildcard && i < n; i++)
                list[m.n_resource_names++] = names[i]->text;
        m.resource_names = list;
        if (wildcard || n > 0)
                add_message(script, &m.base);
        mem_free(list);
}

static void wish(struct site *s, const struct crowd_wish *w)
{
        if (write(s->crowd, w, sizeof(*w)) != sizeof(*w))
                give_up("the crowd takes no wishes");
        read_report(s); /* ready */
}

/* Clients come and get everything; known: they have it. */
static void crowd_comes(struct site *s, unsigned clients, bool delta, bool known)
{
        static const enum resource_type order[] = {RESOURCE_CLUSTER, RESOURCE_CLUSTER_LOAD_ASSIGNMENT,
                                                   RESOURCE_LISTENER, RESOURCE_ROUTE_CONFIGURATION, RESOURCE_SECRET};
        AUTO(buf) *script = buf_new((size_t)1 << 30);
        for (size_t i = 0; i < COUNT_OF(order); i++) {
                if (delta)
                        add_delta(script, s, order[i], known);
                else
                        add_sotw(script, s, order[i]);
        }
        struct err e = {0};
        struct crowd_wish w = {
                .verb = CROWD_OPEN, .clients = clients, .delta = delta, .port = xds_server_port(s->server)};
        snprintf(w.script, sizeof(w.script), "/tmp/gatehouse-bench-%d", (int)getpid());
        if (!file_write(w.script, buf_data(script), buf_len(script), 0600, &e))
                give_up(e.text);
        w.resources = known ? 0 : all_resources(s);
        wish(s, &w);
        unlink(w.script);
        read_report(s);
}

static void crowd_goes(struct site *s)
{
        wish(s, &(struct crowd_wish){.verb = CROWD_CLOSE});
        while (xds_server_clients(s->server))
                turn(s);
}
