/* SPDX-License-Identifier: Apache-2.0 */
/* serve_meter - counts what the client does. */
#include "cmd/serve_internal.h"

#include "base/metric.h"

#include <stdio.h>

static const struct metric_def requests_def = {
        .name = "gatehouse_kube_requests_total",
        .type = METRIC_COUNTER,
        .help = "Answers of the API server; code 0: there was none.",
        .labels = {"verb", "resource", "code"},
};
METRIC_LIST(&requests_def, 1);
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
