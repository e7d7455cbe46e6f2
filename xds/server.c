/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/server.h"

#include "base/json_text.h"
#include "base/log.h"
#include "xds/discovery.h"
#include "xds/grpc_health.h"
#include "xds/server_meter.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

/* How exactly stream_due() is kept; its waits are of seconds. */
#define SWEEP (100 * DURATION_MILLISECOND)

struct method {
        const char *path;
        enum stream_variant variant;
        int type; /* enum resource_type; AGGREGATED: all */
};
enum { AGGREGATED = -1 };

#define SERVICE "/envoy.service."
static const struct method METHODS[] = {
        {SERVICE "discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", STREAM_SOTW, AGGREGATED},
        {SERVICE "discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", STREAM_DELTA, AGGREGATED},
        {SERVICE "listener.v3.ListenerDiscoveryService/StreamListeners", STREAM_SOTW, RESOURCE_LISTENER},
        {SERVICE "listener.v3.ListenerDiscoveryService/DeltaListeners", STREAM_DELTA, RESOURCE_LISTENER},
        {SERVICE "route.v3.RouteDiscoveryService/StreamRoutes", STREAM_SOTW, RESOURCE_ROUTE_CONFIGURATION},
        {SERVICE "route.v3.RouteDiscoveryService/DeltaRoutes", STREAM_DELTA, RESOURCE_ROUTE_CONFIGURATION},
        {SERVICE "cluster.v3.ClusterDiscoveryService/StreamClusters", STREAM_SOTW, RESOURCE_CLUSTER},
        {SERVICE "cluster.v3.ClusterDiscoveryService/DeltaClusters", STREAM_DELTA, RESOURCE_CLUSTER},
        {SERVICE "endpoint.v3.EndpointDiscoveryService/StreamEndpoints", STREAM_SOTW, RESOURCE_CLUSTER_LOAD_ASSIGNMENT},
        {SERVICE "endpoint.v3.EndpointDiscoveryService/DeltaEndpoints", STREAM_DELTA, RESOURCE_CLUSTER_LOAD_ASSIGNMENT},
        {SERVICE "secret.v3.SecretDiscoveryService/StreamSecrets", STREAM_SOTW, RESOURCE_SECRET},
        {SERVICE "secret.v3.SecretDiscoveryService/DeltaSecrets", STREAM_DELTA, RESOURCE_SECRET},
};
static const char *const HEALTH_NAMES[] = {"envoy.service.discovery.v3.AggregatedDiscoveryService"};

/* What a client has been told of one type; made with the first response. */
struct told {
        char nonce[STREAM_NONCE_SIZE]; /* of the last response */
        char sent[RESOURCE_VERSION_LENGTH + 1], accepted[RESOURCE_VERSION_LENGTH + 1];
        int64_t refused_at;
};

/* One call. Idle ones are many: what is not always needed is allocated when it is. */
struct xds_stream {
        struct xds_stream *prev, *next;           /* all, the oldest first */
        struct xds_stream *busy_prev, *busy_next; /* those that wait for something */
        struct xds_server *server;
        const struct method *method;
        struct grpc_call *call;
        struct stream *stream;
        struct told *told[RESOURCE_SERVED_TYPES];
        char *node, *cluster;
        int64_t since;
        int64_t changed_at;                /* when we saw the change that is being told; 0: none is */
        int64_t message_from;              /* the same of the message on its way */
        struct discovery_message *message; /* the one on its way, or NULL */
        bool is_busy, complained;
};

struct xds_server {
        struct grpc_server *grpc;
        struct grpc_health *health;
        struct cache *cache;
        int64_t (*clock)(void);
        void (*answered)(enum resource_type type, const struct stream_outcome *outcome, int64_t now, void *arg);
        void *arg;
        struct server_meter *meter;
        struct event *sweep;
        struct xds_stream *streams, *busy;
        size_t count;
        bool serving;                    /* the health service has said so */
        struct stream_response response; /* reused for all */
        struct grpc_service services[COUNT_OF(METHODS)];
        struct service_of {
                struct xds_server *server;
                const struct method *method;
        } owners[COUNT_OF(METHODS)];
};

/* ---- who waits ---- */

static void be_busy(struct xds_stream *x)
{
        struct xds_server *s = x->server;
        if (x->is_busy)
                return;
        x->is_busy = true;
        if (!s->busy)
                event_add(s->sweep, &(struct timeval){.tv_usec = SWEEP / DURATION_MICROSECOND});
        DL_APPEND2(s->busy, x, busy_prev, busy_next);
}

static void be_idle(struct xds_stream *x)
{
        if (x->is_busy)
                DL_DELETE2(x->server->busy, x, busy_prev, busy_next);
        x->is_busy = false;
}

/* There may be something to send: on_next() follows when the connection has room. */
static void wake(struct xds_stream *x)
{
        be_busy(x);
        grpc_call_wake(x->call);
}

static void look_at(struct xds_stream *x, int64_t now)
{
        if (stream_is_stalled(x->stream, now)) {
                log_warn("xDS: a client has not answered for 60 s, its stream ends", "node", x->node ? x->node : "",
                         "peer", grpc_call_peer(x->call), NULL);
                be_idle(x);
                grpc_call_end(x->call, GRPC_UNAVAILABLE, "no answer to a response for 60 s");
        } else if (stream_due(x->stream) <= now) {
                grpc_call_wake(x->call);
        }
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct xds_server *s = arg;
        int64_t now = s->clock();
        struct xds_stream *x = NULL, *next = NULL;
        DL_FOREACH_SAFE2(s->busy, x, next, busy_next)
        {
                look_at(x, now);
        }
        if (s->busy)
                event_add(s->sweep, &(struct timeval){.tv_usec = SWEEP / DURATION_MICROSECOND});
}

void xds_server_cache_changed(struct xds_server *s, int64_t seen)
{
        for (struct stream *ready; (ready = stream_take_ready(s->cache)) != NULL;) {
                struct xds_stream *x = stream_owner(ready);
                if (!x->changed_at)
                        x->changed_at = seen;
                wake(x);
        }
        server_meter_resources(s->meter, s->cache);
        if (s->serving || !cache_is_open(s->cache))
                return;
        s->serving = true;
        grpc_health_set(s->health, true);
}

/* ---- requests ---- */

/* At most XDS_NODE_MAX bytes of a valid text, whole characters. */
static char *copy_name(const char *text)
{
        size_t n = 0;
        for (size_t step; (step = json_text_character(text + n)) != 0 && n + step <= XDS_NODE_MAX;)
                n += step;
        return mem_strndup(text, n);
}

/* The first request of a stream says who it is; later ones may leave it out. */
static void note_node(struct xds_stream *x, const struct discovery_request *r)
{
        if (x->node || !*r->node_id)
                return;
        x->node = copy_name(r->node_id);
        x->cluster = copy_name(r->node_cluster);
        log_info("xDS: an Envoy has come", "node", x->node, "peer", grpc_call_peer(x->call), NULL);
}

/* False when the request is not to be looked at any further. */
static bool take_type(struct xds_stream *x, struct discovery_request *r)
{
        if (x->method->type != AGGREGATED && !*r->type_url) { /* discovery.proto: implied by the service */
                r->request.type = (enum resource_type)x->method->type;
                return true;
        }
        if (r->type_known)
                return true; /* stream_request() knows which service takes which */
        if (x->method->type != AGGREGATED || !*r->type_url) {
                grpc_call_end(x->call, GRPC_INVALID_ARGUMENT, "the request is of no type that this service knows");
                return false;
        }
        /* An Envoy may be configured to ask for more than we have (runtime, virtual hosts): the rest goes on. */
        if (!x->complained)
                log_info("xDS: requests of a type that is not served are ignored", "type", r->type_url, "node",
                         x->node ? x->node : "", NULL);
        x->complained = true;
        return false;
}

static void note_nack(struct xds_stream *x, enum resource_type type)
{
        struct stream_info info = {0};
        stream_describe(x->stream, type, &info);
        log_warn("xDS: an Envoy refuses a response", "node", x->node ? x->node : "", "peer", grpc_call_peer(x->call),
                 "type", resource_type_name(type), "reason", info.refused ? info.refused : "", NULL);
        if (x->told[type])
                x->told[type]->refused_at = time_now_micros();
}

static void note_outcome(struct xds_stream *x, const struct stream_request *r, const struct stream_outcome *outcome)
{
        struct told *told = x->told[r->type];
        switch (outcome->reply) {
        case STREAM_ASKS:
        case STREAM_STALE:
                return;
        case STREAM_ACKS:
                if (told && str_equal(r->nonce, told->nonce))
                        memcpy(told->accepted, told->sent, sizeof(told->accepted));
                server_meter_answer(x->server->meter, r->type, true);
                return;
        case STREAM_NACKS:
                server_meter_answer(x->server->meter, r->type, false);
                note_nack(x, r->type);
                return;
        }
}

static void on_message(struct grpc_call *c, void *state, const uint8_t *p, size_t n)
{
        struct xds_stream *x = state;
        struct xds_server *s = x->server;
        AUTO(arena) *a = arena_new(1024);
        struct discovery_request read;
        struct stream_outcome outcome;
        struct err e = {0};
        int64_t now = s->clock();
        bool fine = discovery_decode(x->method->variant, p, n, a, &read, &e);
        if (fine) {
                note_node(x, &read);
                if (!take_type(x, &read))
                        return;
                fine = stream_request(x->stream, &read.request, now, &outcome, &e);
        }
        if (!fine) {
                grpc_call_end(c, e.code == ENOSPC ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT, e.text);
                return;
        }
        note_outcome(x, &read.request, &outcome);
        wake(x);
        if ((outcome.tracked || outcome.culprit) && s->answered) {
                s->answered(read.request.type, &outcome, now, s->arg);
                xds_server_cache_changed(s, now);
        }
}

static void on_half_close(struct grpc_call *c, void *state)
{
        (void)state;
        grpc_call_end(c, GRPC_OK, NULL);
}

/* ---- responses ---- */

static void note_push(struct xds_stream *x, const struct stream_response *r)
{
        struct told **told = &x->told[r->type];
        if (!*told)
                *told = mem_zalloc(sizeof(**told));
        memcpy((*told)->nonce, r->nonce, sizeof(r->nonce));
        memcpy((*told)->sent, r->version, sizeof(r->version));
        server_meter_push(x->server->meter, r->type);
}

static void on_sent(void *owner)
{
        struct xds_stream *x = owner;
        discovery_message_free(mem_take(&x->message));
        if (x->message_from)
                server_meter_latency(x->server->meter, x->server->clock() - x->message_from);
}

static bool on_next(struct grpc_call *c, void *state, struct grpc_message *out)
{
        (void)c;
        struct xds_stream *x = state;
        struct stream_response *r = &x->server->response;
        if (!stream_next(x->stream, x->server->clock(), r)) {
                x->changed_at = 0;
                if (stream_due(x->stream) == INT64_MAX)
                        be_idle(x);
                return false;
        }
        note_push(x, r);
        x->message = discovery_encode(x->method->variant, r);
        x->message_from = x->changed_at;
        *out = (struct grpc_message){x->message->parts, x->message->part_count, on_sent, x};
        return true;
}

static void on_progress(void *state)
{
        struct xds_stream *x = state;
        stream_progress(x->stream, x->server->clock());
}

/* ---- life of a stream ---- */

static void *on_open(struct grpc_call *c, void *arg)
{
        const struct service_of *of = arg;
        struct xds_server *s = of->server;
        struct xds_stream *x = mem_zalloc(sizeof(*x));
        x->server = s;
        x->method = of->method;
        x->call = c;
        x->since = time_now_micros();
        x->stream = of->method->type == AGGREGATED
                            ? stream_new(s->cache, of->method->variant, x, s->clock())
                            : stream_new_single(s->cache, of->method->variant, (enum resource_type)of->method->type, x,
                                                s->clock());
        DL_APPEND(s->streams, x);
        server_meter_streams(s->meter, ++s->count);
        return x;
}

static void on_close(void *state, enum grpc_close reason)
{
        struct xds_stream *x = state;
        struct xds_server *s = x->server;
        if (x->node)
                log_info("xDS: an Envoy has gone", "node", x->node, "reason", grpc_close_name(reason), NULL);
        be_idle(x);
        DL_DELETE(s->streams, x);
        server_meter_streams(s->meter, --s->count);
        stream_free(x->stream);
        for (size_t i = 0; i < RESOURCE_SERVED_TYPES; i++)
                mem_free(x->told[i]);
        mem_free(x->node);
        mem_free(x->cluster);
        mem_free(x);
}

/* ---- the server ---- */

static void add_services(struct xds_server *s)
{
        for (size_t i = 0; i < COUNT_OF(METHODS); i++) {
                s->owners[i] = (struct service_of){s, &METHODS[i]};
                s->services[i] = (struct grpc_service){
                        .path = METHODS[i].path,
                        .open = on_open,
                        .message = on_message,
                        .half_close = on_half_close,
                        .next = on_next,
                        .progress = on_progress,
                        .close = on_close,
                        .arg = &s->owners[i],
                };
                grpc_server_add(s->grpc, &s->services[i]);
        }
        s->health = grpc_health_new(s->grpc, HEALTH_NAMES, COUNT_OF(HEALTH_NAMES));
}

struct xds_server *xds_server_new(const struct xds_server_options *options, struct err *e)
{
        AUTO(xds_server) *s = mem_zalloc(sizeof(*s));
        s->cache = options->cache;
        s->clock = options->clock ? options->clock : time_monotonic;
        s->answered = options->answered;
        s->arg = options->arg;
        s->meter = server_meter_new();
        s->sweep = evtimer_new(options->base, on_sweep, s);
        if (!s->sweep)
                return err_set(e, "xDS: no event from libevent"), NULL;
        s->grpc = grpc_server_new(
                &(struct grpc_options){
                        .base = options->base,
                        .address = options->address,
                        .port = options->port,
                        .keypair = options->keypair,
                        .client_names = options->client_names,
                        .client_name_count = options->client_name_count,
                        .clock = s->clock,
                },
                e);
        if (!s->grpc)
                return NULL;
        add_services(s);
        xds_server_cache_changed(s, 0);
        return mem_take(&s);
}

void xds_server_free(struct xds_server *s)
{
        if (!s)
                return;
        grpc_server_free(s->grpc);
        grpc_health_free(s->health);
        if (s->sweep)
                event_free(s->sweep);
        stream_response_done(&s->response);
        server_meter_free(s->meter);
        mem_free(s);
}

uint16_t xds_server_port(const struct xds_server *s)
{
        return grpc_server_port(s->grpc);
}

void xds_server_drain(struct xds_server *s, void (*done)(void *arg), void *arg)
{
        grpc_health_set(s->health, false);
        grpc_server_drain(s->grpc, done, arg);
}

/* ---- for people ---- */

size_t xds_server_clients(const struct xds_server *s)
{
        return s->count;
}

void xds_server_each(const struct xds_server *s, void (*each)(const struct xds_client *c, void *arg), void *arg)
{
        const struct xds_stream *x = NULL;
        DL_FOREACH (s->streams, x) {
                const struct xds_client client = {
                        .node = x->node ? x->node : "",
                        .cluster = x->cluster ? x->cluster : "",
                        .peer = grpc_call_peer(x->call),
                        .service = x->method->type == AGGREGATED
                                           ? "aggregated"
                                           : resource_type_name((enum resource_type)x->method->type),
                        .variant = x->method->variant,
                        .since = x->since,
                        .stream = x,
                };
                each(&client, arg);
        }
}

bool xds_client_describe(const struct xds_client *c, enum resource_type type, struct xds_client_type *out)
{
        *out = (struct xds_client_type){.sent = "", .accepted = ""};
        if (!stream_describe(c->stream->stream, type, &out->info))
                return false;
        const struct told *told = c->stream->told[type];
        out->refused = out->info.refused;
        if (told) {
                out->sent = told->sent;
                out->accepted = told->accepted;
                out->refused_at = told->refused_at;
        }
        return true;
}
