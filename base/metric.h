/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric - counters, gauges and histograms in Prometheus text form.
 *
 * A metric is a family with up to METRIC_LABELS_MAX label names; metric_cell() makes (or finds) the cell of one set of
 * label values. Families and cells are made and removed by the loop thread only; a cell lives until it is removed, so
 * threads keep the pointer and change it without a lock. Rendering is callable from every thread.
 * Source: Prometheus, "Exposition formats", text format 0.0.4.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

enum { METRIC_LABELS_MAX = 3 };
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric;
struct metric_cell;

struct metric_def {
        const char *name;
        enum metric_type type;
        const char *help;
        const char *labels[METRIC_LABELS_MAX]; /* unused ones NULL */
};

/*
 * METRIC_LIST(defs, count); at file scope behind the definitions: enters them in the list of all metrics that this
 * program can show, registered or not. The linker gathers the entries.
 */
struct metric_list {
        const struct metric_def *defs;
        size_t count;
};
#define METRIC_LIST(defs, count) METRIC_LIST_NAMED(defs, count, __COUNTER__)
#define METRIC_LIST_NAMED(defs, count, n) METRIC_LIST_ENTRY(defs, count, n)
#define METRIC_LIST_ENTRY(defs, count, n)                                                                              \
        static const struct metric_list metric_list_##n                                                                \
                __attribute__((used, section("metric_lists"), aligned(sizeof(void *)))) = {defs, count}

/* All that are listed, by name; the array (not the definitions) is the caller's. */
const struct metric_def **metric_listed(size_t *count);
/* "counter", "gauge" or "histogram". */
const char *metric_type_name(enum metric_type type);

/* Registers a family for the life of the process; def's strings are borrowed for ever. */
struct metric *metric_new(const struct metric_def *def) __attribute__((returns_nonnull));

/* The cell of these label values (as many as the family has labels; others NULL). Values are copied. */
struct metric_cell *metric_cell(struct metric *m, const char *v0, const char *v1, const char *v2)
        __attribute__((returns_nonnull));
/* Removes every cell of the family: for gauges that are computed anew from a snapshot. */
void metric_clear(struct metric *m);

/* Counter and gauge. */
void metric_add(struct metric_cell *c, int64_t n);
/* Gauge. */
void metric_set(struct metric_cell *c, int64_t n);
void metric_set_double(struct metric_cell *c, double value);
/* Histogram of seconds, buckets 50 us to 10 s. */
void metric_observe(struct metric_cell *c, int64_t nanos);
/* The present value of a counter or gauge; a histogram's count. */
int64_t metric_get(const struct metric_cell *c);

/* All families by name, cells by label values. */
void metric_render(struct buf *out);

/* The lines # HELP and # TYPE, for a family that is written without cells. */
void metric_render_head(struct buf *out, const struct metric_def *def);

/* Forgets every family: for tests. */
void metric_reset_all(void);
