/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_gauges - /metrics: what is counted when somebody asks, above all Contour's gauges of IngressRoutes, on the
 * leader only. The loop counts in slices, so that a scrape of a hundred thousand objects holds nothing up.
 */
#include "cmd/serve_internal.h"

#include "base/map.h"
#include "base/metric.h"
#include "base/time.h"
#include "cmd/endpoint.h"
#include "cmd/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SLICE (2 * DURATION_MILLISECOND)

enum gauge { GAUGE_TOTAL, GAUGE_ROOT, GAUGE_ORPHANED, GAUGE_VALID, GAUGE_INVALID };
enum { GAUGES = GAUGE_INVALID + 1 };

#define BY_NAMESPACE                                                                                                   \
        {                                                                                                              \
                "namespace"                                                                                            \
        }
#define BY_HOST                                                                                                        \
        {                                                                                                              \
                "namespace", "vhost"                                                                                   \
        }
static const struct metric_def gauges[GAUGES] = {
        [GAUGE_TOTAL] = {"contour_ingressroute_total", METRIC_GAUGE, "IngressRoutes.", BY_NAMESPACE},
        [GAUGE_ROOT] = {"contour_ingressroute_root_total", METRIC_GAUGE, "IngressRoutes that are roots.", BY_NAMESPACE},
        [GAUGE_ORPHANED] = {"contour_ingressroute_orphaned_total", METRIC_GAUGE, "IngressRoutes that no root reaches.",
                            BY_NAMESPACE},
        [GAUGE_VALID] = {"contour_ingressroute_valid_total", METRIC_GAUGE, "Valid IngressRoutes.", BY_HOST},
        [GAUGE_INVALID] = {"contour_ingressroute_invalid_total", METRIC_GAUGE, "Invalid IngressRoutes.", BY_HOST},
};
METRIC_LIST(gauges, GAUGES);

enum { ONE_REBUILD, ONE_READY, ONE_LEADER, ONES };
static const struct metric_def ones[ONES] = {
        [ONE_REBUILD] = {"contour_ingressroute_dagrebuild_timestamp",
                         METRIC_GAUGE,
                         "When the graph was last changed, in seconds since 1970.",
                         {0}},
        [ONE_READY] = {"gatehouse_ready", METRIC_GAUGE, "1 when /readyz answers 200, else 0.", {0}},
        [ONE_LEADER] = {"gatehouse_leader", METRIC_GAUGE, "1 on the replica that writes status, 0 on the others.", {0}},
};
METRIC_LIST(ones, ONES);

struct scrape {
        struct server *server;
        bool leading, complete;
        int64_t compiled_at;
        struct pipeline_cursor cursor;
        struct arena *arena;
        struct map *counts[GAUGES]; /* labels -> count */
};

/* ---- on the loop ---- */

static void count(struct scrape *s, enum gauge gauge, const char *namespace, const char *vhost)
{
        char labels[1024];
        int n = snprintf(labels, sizeof(labels), "namespace=\"%s\"", namespace);
        if (vhost)
                snprintf(labels + n, sizeof(labels) - (size_t)n, ",vhost=\"%s\"", vhost);
        uintptr_t before = (uintptr_t)map_get(s->counts[gauge], labels);
        map_set(s->counts[gauge], labels, (void *)(before + 1));
}

/* A label must not break the line: what is no host name has no host. */
static const char *vhost_of(const struct object *o, const struct object_state *state)
{
        if (state->virtual_host_count)
                return state->virtual_hosts[0];
        const char *host = o->ingressroute->fqdn_host;
        return host && host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0' && strlen(host) < 256 ? host
                                                                                                                  : "";
}

void serve_state(const struct server *s, const struct object *o, struct arena *a, struct object_state *state)
{
        const struct object *same;
        /* With a change still to be compiled, what is known is shown. */
        if (pipeline_state(s->pipeline, o->namespace, o->name, a, state, &same) != PIPELINE_READY)
                pipeline_findings(s->pipeline, o, false, a, state);
}

static void count_object(const struct object *o, void *arg)
{
        struct scrape *s = arg;
        struct object_state state;
        arena_reset(s->arena);
        serve_state(s->server, o, s->arena, &state);
        if (!state.ours)
                return;
        count(s, GAUGE_TOTAL, o->namespace, NULL);
        if (o->ingressroute->is_root)
                count(s, GAUGE_ROOT, o->namespace, NULL);
        switch (state.status) {
        case STATUS_NOTICE:
                count(s, GAUGE_VALID, o->namespace, vhost_of(o, &state));
                return;
        case STATUS_INVALID:
                count(s, GAUGE_INVALID, o->namespace, vhost_of(o, &state));
                return;
        case STATUS_ORPHANED:
                count(s, GAUGE_ORPHANED, o->namespace, NULL);
                return;
        }
}

static void count_slice(void *arg)
{
        struct scrape *s = arg;
        s->leading = leader_is_writing(s->server->leader);
        s->compiled_at = pipeline_compiled_at(s->server->pipeline);
        s->complete = !s->leading ||
                      pipeline_each_object(s->server->pipeline, &s->cursor, time_monotonic() + SLICE, count_object, s);
}

/* ---- on the listener's thread ---- */

static void append_gauge(struct buf *out, const struct scrape *s, enum gauge gauge)
{
        metric_render_head(out, &gauges[gauge]);
        struct map_entry *sorted = map_sorted(s->counts[gauge]);
        for (size_t i = 0; i < map_count(s->counts[gauge]); i++)
                buf_printf(out, "%s{%s} %" PRIuPTR "\n", gauges[gauge].name, sorted[i].key, (uintptr_t)sorted[i].value);
        mem_free(sorted);
}

static void append_one(struct buf *out, int one, int64_t value)
{
        metric_render_head(out, &ones[one]);
        buf_printf(out, "%s %" PRId64 "\n", ones[one].name, value);
}

static void append_all(struct buf *out, const struct scrape *s)
{
        for (int i = 0; i < GAUGES; i++)
                append_gauge(out, s, (enum gauge)i);
        append_one(out, ONE_REBUILD, s->compiled_at / TIME_MICROS_PER_SECOND);
}

void serve_metrics(const struct http_request *r, struct http_answer *answer, void *arg)
{
        struct scrape s = {.server = arg, .arena = arena_new(4096)};
        for (int i = 0; i < GAUGES; i++)
                s.counts[i] = map_new();
        endpoint_metrics(r, answer, NULL);
        process_metrics(answer->body);
        append_one(answer->body, ONE_READY, health_is_ready(s.server->health));
        while (!s.complete && loop_call(s.server->calls, count_slice, &s))
                ;
        /* Without an answer from the loop the other metrics are told all the same. */
        if (s.complete && serve_is_enabled(s.server, DISABLE_STATUS))
                append_one(answer->body, ONE_LEADER, s.leading);
        if (s.complete && s.leading)
                append_all(answer->body, &s);
        for (int i = 0; i < GAUGES; i++)
                map_free(s.counts[i]);
        arena_free(s.arena);
}
