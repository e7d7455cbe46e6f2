/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/route.h"

#include "base/time.h"
#include "dag/service.h"
#include "dag/syntax.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_COUNT_MAX = 100, RETRY_COUNT_DEFAULT = 1 };

#define TIMEOUT_MIN DURATION_MILLISECOND
#define TIMEOUT_MAX (24 * DURATION_HOUR)

static const char *check_match(const struct check *c, size_t index, const char *match)
{
        const char *problem = match ? syntax_path_problem(match) : NULL;
        if (match && !problem)
                return syntax_path_normalise(c->scratch, match);
        if (match)
                check_add(c, RULE_PathInvalid, place_route(index), "match", match, "Invalid value: %s: %s",
                          check_quote(c, match), problem);
        else
                check_add(c, RULE_PathInvalid, place_route(index), "match", "", "Required value: a path prefix");
        return NULL;
}

static enum route_kind check_action(const struct check *c, size_t index, const struct ir_route *r)
{
        if (r->delegate && r->service_count) {
                check_add(c, RULE_RouteActionConflict, place_route(index), NULL, r->match,
                          "Invalid value: has both services and delegate: use one of them");
                return ROUTE_CUT_OFF;
        }
        if (!r->delegate && !r->service_count) {
                check_add(c, RULE_RouteActionMissing, place_route(index), NULL, r->match,
                          "Required value: services or delegate");
                return ROUTE_CUT_OFF;
        }
        return r->delegate ? ROUTE_DELEGATES : ROUTE_SERVES;
}

struct indexed_match {
        const char *match;
        size_t index;
};

static int by_match(const void *x, const void *y)
{
        const struct indexed_match *a = x;
        const struct indexed_match *b = y;
        int order = strcmp(a->match, b->match);
        return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Of routes with the same match the first one stays. */
static void drop_duplicates(const struct check *c, struct planned_route *plan, size_t n)
{
        struct indexed_match *sorted = arena_calloc(c->scratch, n, sizeof(*sorted));
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
                if (plan[i].match)
                        sorted[count++] = (struct indexed_match){plan[i].match, i};
        }
        qsort(sorted, count, sizeof(*sorted), by_match);
        for (size_t i = 1, first = 0; i < count; i++) {
                if (strcmp(sorted[i].match, sorted[first].match)) {
                        first = i;
                        continue;
                }
                size_t index = sorted[i].index;
                check_add(c, RULE_PathDuplicate, place_route(index), "match", sorted[i].match,
                          "Duplicate value: %s: spec.routes[%zu] has it already", check_quote(c, sorted[i].match),
                          sorted[first].index);
                plan[index] = (struct planned_route){.kind = ROUTE_DROPPED};
        }
}

const struct planned_route *route_plan(const struct check *c)
{
        const struct ingressroute *ir = c->about->ingressroute;
        size_t n = ir->route_count;
        struct planned_route *plan = arena_calloc(c->scratch, n, sizeof(*plan));
        for (size_t i = 0; i < n; i++) {
                plan[i].match = check_match(c, i, ir->routes[i].match);
                enum route_kind kind = check_action(c, i, &ir->routes[i]);
                plan[i].kind = !plan[i].match ? ROUTE_DROPPED : i < ROUTES_PER_OBJECT_MAX ? kind : ROUTE_CUT_OFF;
        }
        if (n > ROUTES_PER_OBJECT_MAX)
                check_add(c, RULE_DelegationTooLarge, place_object, "spec.routes", "spec.routes",
                          "Too many: %zu: must have at most %d routes", n, ROUTES_PER_OBJECT_MAX);
        if (n > 1)
                drop_duplicates(c, plan, n);
        return plan;
}

bool route_parse_timeout(const char *text, int64_t *timeout)
{
        int64_t nanos;
        if (str_equal(text, "infinity"))
                nanos = TIMEOUT_INFINITY;
        else if (!duration_parse(text, &nanos, NULL) || (nanos != 0 && (nanos < TIMEOUT_MIN || nanos > TIMEOUT_MAX)))
                return false;
        *timeout = nanos;
        return true;
}

static bool check_timeout(const struct check *c, size_t index, const char *text, int64_t *timeout)
{
        *timeout = TIMEOUT_DEFAULT;
        if (!text || route_parse_timeout(text, timeout))
                return true;
        check_add(c, RULE_TimeoutInvalid, place_route(index), "timeoutPolicy.request", text,
                  "Invalid value: %s: must be a duration of 1ms to 24h such as 30s, or \"infinity\"",
                  check_quote(c, text));
        return false;
}

static bool check_retry(const struct check *c, size_t index, const struct ir_retry *retry, struct route *out)
{
        if (!retry)
                return true;
        bool fine = true;
        if (retry->count < 0 || retry->count > RETRY_COUNT_MAX) {
                if (c->list)
                        check_add(c, RULE_RetryInvalid, place_route(index), "retryPolicy.count",
                                  arena_printf(c->scratch, "%" PRId64, retry->count),
                                  "Invalid value: %" PRId64 ": must be 0-%d", retry->count, RETRY_COUNT_MAX);
                fine = false;
        }
        const char *text = retry->per_try_timeout;
        int64_t per_try = 0;
        if (text && (!duration_parse(text, &per_try, NULL) ||
                     (per_try != 0 && (per_try < TIMEOUT_MIN || per_try > TIMEOUT_MAX)))) {
                check_add(c, RULE_RetryInvalid, place_route(index), "retryPolicy.perTryTimeout", text,
                          "Invalid value: %s: must be a duration of 1ms to 24h such as 150ms", check_quote(c, text));
                fine = false;
        }
        if (!fine)
                return false;
        out->retry_count = retry->count ? (uint32_t)retry->count : RETRY_COUNT_DEFAULT;
        out->retry_on = "5xx";
        out->per_try_timeout = per_try;
        return true;
}

static bool check_rewrite(const struct check *c, size_t index, const char *rewrite)
{
        const char *problem = rewrite && *rewrite ? syntax_path_problem(rewrite) : NULL;
        if (!problem)
                return true;
        check_add(c, RULE_PrefixRewriteInvalid, place_route(index), "prefixRewrite", rewrite, "Invalid value: %s: %s",
                  check_quote(c, rewrite), problem);
        return false;
}

bool route_is_insecure(const struct policy *policy, const struct ir_route *r)
{
        return r->permit_insecure && !policy->disable_permit_insecure;
}

void route_resolve(const struct check *c, size_t index, struct arena *result, struct route *out)
{
        const struct ir_route *r = &c->about->ingressroute->routes[index];
        struct route route = {
                .websockets = r->enable_websockets,
                .insecure = route_is_insecure(c->policy, r),
        };
        bool fine = check_timeout(c, index, r->request_timeout, &route.timeout);
        fine &= check_retry(c, index, r->retry, &route);
        fine &= check_rewrite(c, index, r->prefix_rewrite);
        struct upstreams upstreams;
        service_resolve(c, place_route(index), r->services, r->service_count, result, &upstreams);
        if (!result)
                return;
        if (!fine || upstreams.broken) {
                *out = (struct route){
                        .action = ROUTE_UNAVAILABLE, .insecure = route.insecure, .timeout = TIMEOUT_DEFAULT};
                return;
        }
        route.action = ROUTE_FORWARD;
        route.clusters = upstreams.clusters;
        route.cluster_count = upstreams.count;
        if (r->prefix_rewrite && *r->prefix_rewrite)
                route.prefix_rewrite = arena_strdup(result, r->prefix_rewrite);
        *out = route;
}
