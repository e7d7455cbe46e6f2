/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/server_meter.h"

#include "base/metric.h"

static const struct metric_def STREAMS = {
        "gatehouse_xds_streams",
        METRIC_GAUGE,
        "Discovery streams that are open.",
        {0},
};
METRIC_LIST(&STREAMS, 1);
static const struct metric_def RESOURCES = {
        "gatehouse_xds_resources",
        METRIC_GAUGE,
        "Resources that Envoys can ask for.",
        {"type"},
};
METRIC_LIST(&RESOURCES, 1);
static const struct metric_def PUSHES = {
        "gatehouse_xds_pushes_total",
        METRIC_COUNTER,
        "Responses sent.",
        {"type"},
};
METRIC_LIST(&PUSHES, 1);
static const struct metric_def ACKS = {
        "gatehouse_xds_acks_total",
        METRIC_COUNTER,
        "Responses that were accepted.",
        {"type"},
};
METRIC_LIST(&ACKS, 1);
static const struct metric_def NACKS = {
        "gatehouse_xds_nacks_total",
        METRIC_COUNTER,
        "Responses that were refused.",
        {"type"},
};
METRIC_LIST(&NACKS, 1);
static const struct metric_def LATENCY = {
        "gatehouse_xds_push_latency_seconds",
        METRIC_HISTOGRAM,
        "From seeing a change to handing the last byte of a response about it to the connection.",
        {0},
};
METRIC_LIST(&LATENCY, 1);

struct server_meter {
        struct metric_cell *streams, *latency;
        struct metric_cell *resources[RESOURCE_SERVED_TYPES], *pushes[RESOURCE_SERVED_TYPES];
        struct metric_cell *acks[RESOURCE_SERVED_TYPES], *nacks[RESOURCE_SERVED_TYPES];
};

static void by_type(const struct metric_def *def, struct metric_cell *cells[RESOURCE_SERVED_TYPES])
{
        struct metric *family = metric_new(def);
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++)
                cells[i] = metric_cell(family, resource_type_name((enum resource_type)i), NULL, NULL);
}

struct server_meter *server_meter_new(void)
{
        struct server_meter *m = mem_zalloc(sizeof(*m));
        m->streams = metric_cell(metric_new(&STREAMS), NULL, NULL, NULL);
        m->latency = metric_cell(metric_new(&LATENCY), NULL, NULL, NULL);
        by_type(&RESOURCES, m->resources);
        by_type(&PUSHES, m->pushes);
        by_type(&ACKS, m->acks);
        by_type(&NACKS, m->nacks);
        return m;
}

void server_meter_free(struct server_meter *m)
{
        mem_free(m);
}

void server_meter_streams(struct server_meter *m, size_t count)
{
        metric_set(m->streams, (int64_t)count);
}

void server_meter_resources(struct server_meter *m, const struct cache *c)
{
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++)
                metric_set(m->resources[i], (int64_t)cache_count(c, (enum resource_type)i));
}

void server_meter_push(struct server_meter *m, enum resource_type type)
{
        metric_add(m->pushes[type], 1);
}

void server_meter_answer(struct server_meter *m, enum resource_type type, bool accepted)
{
        metric_add(accepted ? m->acks[type] : m->nacks[type], 1);
}

void server_meter_latency(struct server_meter *m, int64_t nanos)
{
        metric_observe(m->latency, nanos);
}
