/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include "base/map.h"
#include "base/time.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Upper bounds in nanoseconds: a review takes 100 us to a few ms, a watch event to a push about 1 to 100 ms. */
static const int64_t bucket_bounds[] = {
        50 * DURATION_MICROSECOND,  100 * DURATION_MICROSECOND, 250 * DURATION_MICROSECOND,
        500 * DURATION_MICROSECOND, 1 * DURATION_MILLISECOND,   2500 * DURATION_MICROSECOND,
        5 * DURATION_MILLISECOND,   10 * DURATION_MILLISECOND,  25 * DURATION_MILLISECOND,
        50 * DURATION_MILLISECOND,  100 * DURATION_MILLISECOND, 250 * DURATION_MILLISECOND,
        500 * DURATION_MILLISECOND, 1 * DURATION_SECOND,        2500 * DURATION_MILLISECOND,
        5 * DURATION_SECOND,        10 * DURATION_SECOND,
};
enum {
        BUCKETS = COUNT_OF(bucket_bounds) + 1, /* the last one is +Inf */
        LABEL_VALUE_MAX = 512,                 /* a host name has 253 bytes */
        LABEL_BYTES_MAX = 2 * LABEL_VALUE_MAX + 128,
};

struct metric_cell {
        _Atomic int64_t value; /* of a histogram: the sum in nanoseconds */
        _Atomic bool is_double;
        _Atomic double real;
        _Atomic int64_t *buckets; /* BUCKETS of them for a histogram, else NULL */
};

struct metric {
        const struct metric_def *def;
        struct map *cells; /* rendered labels -> struct metric_cell */
};

/* Guards the tables against rendering; a cell's value needs no lock. */
static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map *families; /* name -> struct metric */

struct metric *metric_new(const struct metric_def *def)
{
        pthread_mutex_lock(&tables_lock);
        if (!families)
                families = map_new();
        struct metric *m = map_get(families, def->name);
        if (!m) {
                m = mem_zalloc(sizeof(*m));
                m->def = def;
                m->cells = map_new();
                map_set(families, def->name, m);
        }
        pthread_mutex_unlock(&tables_lock);
        return m;
}

/* Label values: backslash, quote and newline are escaped; what is too long is cut, so that the line stays whole. */
static void append_label(struct buf *b, const char *name, const char *value)
{
        buf_printf(b, "%s%s=\"", buf_len(b) ? "," : "", name);
        for (size_t i = 0; *value && i < LABEL_VALUE_MAX; value++, i++) {
                if (*value == '\\' || *value == '"')
                        buf_printf(b, "\\%c", *value);
                else if (*value == '\n')
                        buf_append_str(b, "\\n");
                else
                        buf_append_char(b, *value);
        }
        buf_append_char(b, '"');
}

struct metric_cell *metric_cell(struct metric *m, const char *v0, const char *v1, const char *v2)
{
        const char *values[METRIC_LABELS_MAX] = {v0, v1, v2};
        AUTO(buf) *labels = buf_new((size_t)METRIC_LABELS_MAX * LABEL_BYTES_MAX);
        for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
                assert(!m->def->labels[i] == !values[i]);
                if (values[i])
                        append_label(labels, m->def->labels[i], values[i]);
        }
        pthread_mutex_lock(&tables_lock);
        struct metric_cell *c = map_get(m->cells, buf_data(labels));
        if (!c) {
                c = mem_zalloc(sizeof(*c));
                if (m->def->type == METRIC_HISTOGRAM)
                        c->buckets = mem_calloc(BUCKETS, sizeof(*c->buckets));
                map_set(m->cells, buf_data(labels), c);
        }
        pthread_mutex_unlock(&tables_lock);
        return c;
}

static void free_cell(const char *key, void *value, void *arg)
{
        (void)key;
        (void)arg;
        struct metric_cell *c = value;
        mem_free((void *)c->buckets);
        mem_free(c);
}

void metric_clear(struct metric *m)
{
        pthread_mutex_lock(&tables_lock);
        map_each(m->cells, free_cell, NULL);
        map_free(m->cells);
        m->cells = map_new();
        pthread_mutex_unlock(&tables_lock);
}

void metric_add(struct metric_cell *c, int64_t n)
{
        atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

void metric_set(struct metric_cell *c, int64_t n)
{
        atomic_store_explicit(&c->value, n, memory_order_relaxed);
}

void metric_set_double(struct metric_cell *c, double value)
{
        atomic_store(&c->real, value);
        atomic_store(&c->is_double, true);
}

void metric_observe(struct metric_cell *c, int64_t nanos)
{
        size_t i = 0;
        while (i < COUNT_OF(bucket_bounds) && nanos > bucket_bounds[i])
                i++;
        atomic_fetch_add_explicit(&c->buckets[i], 1, memory_order_relaxed);
        metric_add(c, nanos);
}

int64_t metric_get(const struct metric_cell *c)
{
        if (!c->buckets)
                return atomic_load(&c->value);
        int64_t count = 0;
        for (size_t i = 0; i < BUCKETS; i++)
                count += atomic_load(&c->buckets[i]);
        return count;
}

/* ---- text ---- */

const char *metric_type_name(enum metric_type type)
{
        switch (type) {
        case METRIC_COUNTER:
                return "counter";
        case METRIC_GAUGE:
                return "gauge";
        case METRIC_HISTOGRAM:
                return "histogram";
        }
        __builtin_unreachable();
}

void metric_render_head(struct buf *out, const struct metric_def *def)
{
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", def->name, def->help, def->name, metric_type_name(def->type));
}

static void render_histogram(struct buf *out, const char *name, const char *labels, const struct metric_cell *c)
{
        const char *comma = *labels ? "," : "";
        int64_t count = 0;
        for (size_t i = 0; i < COUNT_OF(bucket_bounds); i++) {
                count += atomic_load(&c->buckets[i]);
                buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", name, labels, comma,
                           (double)bucket_bounds[i] / 1e9, count);
        }
        count += atomic_load(&c->buckets[BUCKETS - 1]);
        buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", name, labels, comma, count);
        const char *open = *labels ? "{" : "";
        const char *close = *labels ? "}" : "";
        buf_printf(out, "%s_sum%s%s%s %.9f\n", name, open, labels, close, (double)atomic_load(&c->value) / 1e9);
        buf_printf(out, "%s_count%s%s%s %" PRId64 "\n", name, open, labels, close, count);
}

static void render_cell(struct buf *out, const struct metric *m, const char *labels, const struct metric_cell *c)
{
        if (c->buckets) {
                render_histogram(out, m->def->name, labels, c);
                return;
        }
        buf_append_str(out, m->def->name);
        if (*labels)
                buf_printf(out, "{%s}", labels);
        if (atomic_load(&c->is_double))
                buf_printf(out, " %.17g\n", atomic_load(&c->real));
        else
                buf_printf(out, " %" PRId64 "\n", atomic_load(&c->value));
}

static void render_family(struct buf *out, const struct metric *m)
{
        metric_render_head(out, m->def);
        struct map_entry *cells = map_sorted(m->cells);
        for (size_t i = 0; i < map_count(m->cells); i++)
                render_cell(out, m, cells[i].key, cells[i].value);
        mem_free(cells);
}

void metric_render(struct buf *out)
{
        pthread_mutex_lock(&tables_lock);
        if (families) {
                struct map_entry *all = map_sorted(families);
                for (size_t i = 0; i < map_count(families); i++)
                        render_family(out, all[i].value);
                mem_free(all);
        }
        pthread_mutex_unlock(&tables_lock);
}

static void free_family(const char *key, void *value, void *arg)
{
        (void)key;
        (void)arg;
        struct metric *m = value;
        map_each(m->cells, free_cell, NULL);
        map_free(m->cells);
        mem_free(m);
}

/* ---- the list ---- */

/* The ends of the section are the linker's; weak, because a program may list nothing. */
extern const struct metric_list __start_metric_lists[] __attribute__((weak));
extern const struct metric_list __stop_metric_lists[] __attribute__((weak));

static int compare_names(const void *a, const void *b)
{
        const struct metric_def *const *x = a, *const *y = b;
        return strcmp((*x)->name, (*y)->name);
}

const struct metric_def **metric_listed(size_t *count)
{
        const struct metric_list *lists = __start_metric_lists;
        size_t list_count = ((uintptr_t)__stop_metric_lists - (uintptr_t)lists) / sizeof(*lists);
        size_t total = 0, n = 0;
        for (size_t i = 0; i < list_count; i++)
                total += lists[i].count;
        const struct metric_def **all = mem_calloc(total + 1, sizeof(*all));
        for (size_t i = 0; i < list_count; i++)
                for (size_t j = 0; j < lists[i].count; j++)
                        all[n++] = &lists[i].defs[j];
        qsort(all, n, sizeof(*all), compare_names);
        *count = n;
        return all;
}

void metric_reset_all(void)
{
        pthread_mutex_lock(&tables_lock);
        if (families)
                map_each(families, free_family, NULL);
        map_free(families);
        families = NULL;
        pthread_mutex_unlock(&tables_lock);
}
