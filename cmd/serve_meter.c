/* SPDX-License-Identifier: Apache-2.0 */
/* serve_meter - counts what the client does, and looks after the certificates. */
#include "cmd/serve_internal.h"

#include "base/metric.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>

#define CERTIFICATE_WARNING (14 * 24 * 3600 * TIME_MICROS_PER_SECOND)

static const struct metric_def requests_def = {
        .name = "gatehouse_kube_requests_total",
        .type = METRIC_COUNTER,
        .help = "Answers of the API server; code 0: there was none.",
        .labels = {"verb", "resource", "code"},
};
METRIC_LIST(&requests_def, 1);
static const struct metric_def expiry_def = {
        .name = "gatehouse_certificate_expiry_seconds",
        .type = METRIC_GAUGE,
        .help = "Time until the certificate in use (webhook, xds) expires.",
        .labels = {"name"},
};
METRIC_LIST(&expiry_def, 1);
static const struct metric_def refused_def = {
        .name = "gatehouse_certificate_refused",
        .type = METRIC_GAUGE,
        .help = "1 while the files of a certificate cannot be used and the one before them is, else 0.",
        .labels = {"name"},
};
METRIC_LIST(&refused_def, 1);

static void count_request(const char *verb, const char *resource, int code, void *arg)
{
        char text[16];
        snprintf(text, sizeof(text), "%d", code);
        metric_add(metric_cell(arg, verb, resource, text), 1);
}

void serve_observe_client(struct server *s)
{
        client_observe(s->client, count_request, metric_new(&requests_def));
}

static void check_certificate(struct server *s, const char *name, struct keypair *k)
{
        int64_t now = time_now_micros();
        keypair_poll(k, now);
        int64_t left = keypair_not_after(k) - now;
        metric_set(metric_cell(metric_new(&expiry_def), name, NULL, NULL), left / TIME_MICROS_PER_SECOND);
        char problem[ERR_TEXT_MAX], until[TIME_TEXT_MAX], part[64], text[ERR_TEXT_MAX + 64];
        keypair_problem(k, problem);
        time_format_seconds(keypair_not_after(k), until);
        metric_set(metric_cell(metric_new(&refused_def), name, NULL, NULL), problem[0] != '\0');
        if (problem[0])
                snprintf(text, sizeof(text), "the files are not used: %s", problem);
        else
                snprintf(text, sizeof(text), "good until %s", until);
        bool warn = problem[0] || left < CERTIFICATE_WARNING;
        snprintf(part, sizeof(part), "certificate %s", name);
        health_report(s->health, part, warn ? HEALTH_WARNING : HEALTH_GOOD, text);
}

void serve_check_certificates(struct server *s)
{
        if (s->keypair)
                check_certificate(s, "webhook", s->keypair);
        if (s->xds_keypair)
                check_certificate(s, "xds", s->xds_keypair);
}
