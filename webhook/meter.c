/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/meter.h"

#include "base/metric.h"

#include <stdio.h>

static const struct metric_def TOTAL = {
        "gatehouse_admission_total",
        METRIC_COUNTER,
        "Admission reviews; the verdict is allowed, warned, denied, patched or unpatched.",
        {"operation", "kind", "verdict"},
};
METRIC_LIST(&TOTAL, 1);
static const struct metric_def DURATION = {
        "gatehouse_admission_duration_seconds",
        METRIC_HISTOGRAM,
        "From the last byte of a review to its answer, waiting for the store included.",
        {0},
};
METRIC_LIST(&DURATION, 1);
static const struct metric_def FINDINGS = {
        "gatehouse_admission_findings_total",
        METRIC_COUNTER,
        "Findings told in answers, by rule.",
        {"rule"},
};
METRIC_LIST(&FINDINGS, 1);
static const struct metric_def REFUSED = {
        "gatehouse_admission_bad_requests_total",
        METRIC_COUNTER,
        "Requests that were no usable AdmissionReview, by HTTP status.",
        {"code"},
};
METRIC_LIST(&REFUSED, 1);

static const unsigned STATUSES[] = {400, 404, 405, 413, 415, 503};

/* The kinds that the manifests send; the rest is "other". */
static const enum kind LABELLED[] = {KIND_INGRESSROUTE, KIND_TLSCERTIFICATEDELEGATION, KIND_INGRESS, KIND_SERVICE,
                                     KIND_NAMESPACE};
enum { KINDS = COUNT_OF(LABELLED) + 1 };

struct meter {
        struct metric_cell *total[OPERATION_COUNT][KINDS][METER_VERDICTS];
        struct metric_cell *duration;
        struct metric_cell *findings[RULE_COUNT];
        struct metric_cell *refused[COUNT_OF(STATUSES)];
};

static const char *const VERDICTS[METER_VERDICTS] = {"allowed", "warned", "denied", "patched", "unpatched"};

static const char *kind_label(size_t i)
{
        return i < COUNT_OF(LABELLED) ? kind_info(LABELLED[i])->name : "other";
}

static size_t kind_index(const struct candidate *c)
{
        size_t i = 0;
        while (i < COUNT_OF(LABELLED) && !(c->kind_known && LABELLED[i] == c->kind))
                i++;
        return i;
}

struct meter *meter_new(void)
{
        struct meter *m = mem_zalloc(sizeof(*m));
        struct metric *total = metric_new(&TOTAL), *findings = metric_new(&FINDINGS), *refused = metric_new(&REFUSED);
        for (size_t o = 0; o < OPERATION_COUNT; o++)
                for (size_t k = 0; k < KINDS; k++)
                        for (size_t v = 0; v < METER_VERDICTS; v++)
                                m->total[o][k][v] = metric_cell(total, operation_name((enum operation)o), kind_label(k),
                                                                VERDICTS[v]);
        for (size_t r = 0; r < RULE_COUNT; r++)
                m->findings[r] = metric_cell(findings, rule_info((enum rule)r)->name, NULL, NULL);
        for (size_t s = 0; s < COUNT_OF(STATUSES); s++) {
                char code[8];
                snprintf(code, sizeof(code), "%u", STATUSES[s]);
                m->refused[s] = metric_cell(refused, code, NULL, NULL);
        }
        m->duration = metric_cell(metric_new(&DURATION), NULL, NULL, NULL);
        return m;
}

void meter_free(struct meter *m)
{
        mem_free(m);
}

void meter_review(struct meter *m, const struct candidate *c, enum meter_verdict verdict, int64_t nanos)
{
        metric_add(m->total[c->operation][kind_index(c)][verdict], 1);
        metric_observe(m->duration, nanos);
}

void meter_findings(struct meter *m, const enum rule *rules, size_t count)
{
        for (size_t i = 0; i < count; i++)
                metric_add(m->findings[rules[i]], 1);
}

void meter_refused(struct meter *m, unsigned status)
{
        for (size_t s = 0; s < COUNT_OF(STATUSES); s++) {
                if (STATUSES[s] == status)
                        metric_add(m->refused[s], 1);
        }
}
