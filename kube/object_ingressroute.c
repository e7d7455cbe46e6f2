/* SPDX-License-Identifier: Apache-2.0 */
/* IngressRoute (spec/api.md). */
#include "kube/decode.h"

#include "base/time.h"

#include <string.h>

static const struct field health_check_fields[] = {
        {FIELD_OF("path", FIELD_STRING, ir_health_check, path)},
        {FIELD_OF("host", FIELD_STRING, ir_health_check, host)},
        {FIELD_OF("intervalSeconds", FIELD_INT64, ir_health_check, interval)},
        {FIELD_OF("timeoutSeconds", FIELD_INT64, ir_health_check, timeout)},
        {FIELD_OF("unhealthyThresholdCount", FIELD_INT64, ir_health_check, unhealthy)},
        {FIELD_OF("healthyThresholdCount", FIELD_INT64, ir_health_check, healthy)},
};
static const struct shape health_check_shape = {
        .size = sizeof(struct ir_health_check), .strict = true, SHAPE_FIELDS(health_check_fields)};

static const struct field validation_fields[] = {
        {FIELD_OF("caSecret", FIELD_STRING, ir_validation, ca_secret)},
        {FIELD_OF("subjectName", FIELD_STRING, ir_validation, subject_name)},
};
static const struct shape validation_shape = {
        .size = sizeof(struct ir_validation), .strict = true, SHAPE_FIELDS(validation_fields)};

static const struct field service_fields[] = {
        {FIELD_OF("name", FIELD_STRING, ir_service, name)},
        {FIELD_OF("port", FIELD_INT64, ir_service, port)},
        {FIELD_OF("weight", FIELD_INT64, ir_service, weight), .flagged = true,
         .flag = offsetof(struct ir_service, has_weight)},
        {FIELD_OF("strategy", FIELD_STRING, ir_service, strategy)},
        {FIELD_OF("healthCheck", FIELD_OBJECT, ir_service, health_check), .shape = &health_check_shape},
        {FIELD_OF("validation", FIELD_OBJECT, ir_service, validation), .shape = &validation_shape, .closed = true},
};
static const struct shape service_shape = {
        .size = sizeof(struct ir_service), .strict = true, SHAPE_FIELDS(service_fields)};

static const struct field delegate_fields[] = {
        {FIELD_OF("name", FIELD_STRING, ir_delegate, name)},
        {FIELD_OF("namespace", FIELD_STRING, ir_delegate, namespace)},
};

static void finish_delegate(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)at;
        (void)json;
        struct ir_delegate *delegate = item;
        if (!delegate->namespace || !*delegate->namespace)
                delegate->namespace = d->namespace;
}

static const struct shape delegate_shape = {
        .size = sizeof(struct ir_delegate), .strict = true, SHAPE_FIELDS(delegate_fields), .finish = finish_delegate};

static const struct field timeout_fields[] = {
        {FIELD_OF("request", FIELD_STRING, ir_route, request_timeout)},
};
static const struct shape timeout_shape = {.strict = true, SHAPE_FIELDS(timeout_fields)};

static const struct field retry_fields[] = {
        {FIELD_OF("count", FIELD_INT64, ir_retry, count)},
        {FIELD_OF("perTryTimeout", FIELD_STRING, ir_retry, per_try_timeout)},
};
static const struct shape retry_shape = {.size = sizeof(struct ir_retry), .strict = true, SHAPE_FIELDS(retry_fields)};

static const struct field route_fields[] = {
        {FIELD_OF("match", FIELD_STRING, ir_route, match)},
        {COUNTED("services", FIELD_LIST, ir_route, services, service_count), .shape = &service_shape},
        {FIELD_OF("delegate", FIELD_OBJECT, ir_route, delegate), .shape = &delegate_shape},
        {FIELD_OF("enableWebsockets", FIELD_BOOL, ir_route, enable_websockets)},
        {FIELD_OF("permitInsecure", FIELD_BOOL, ir_route, permit_insecure)},
        {FIELD_OF("prefixRewrite", FIELD_STRING, ir_route, prefix_rewrite)},
        {.name = "timeoutPolicy", .type = FIELD_INLINE, .shape = &timeout_shape},
        {FIELD_OF("retryPolicy", FIELD_OBJECT, ir_route, retry), .shape = &retry_shape},
};
static const struct shape route_shape = {.size = sizeof(struct ir_route), .strict = true, SHAPE_FIELDS(route_fields)};

static const struct field tcpproxy_fields[] = {
        {COUNTED("services", FIELD_LIST, ir_tcpproxy, services, service_count), .shape = &service_shape},
        {FIELD_OF("delegate", FIELD_OBJECT, ir_tcpproxy, delegate), .shape = &delegate_shape},
};
static const struct shape tcpproxy_shape = {
        .size = sizeof(struct ir_tcpproxy), .strict = true, SHAPE_FIELDS(tcpproxy_fields)};

static const struct field tls_fields[] = {
        {FIELD_OF("secretName", FIELD_STRING, ir_tls, secret_name)},
        {FIELD_OF("minimumProtocolVersion", FIELD_STRING, ir_tls, minimum_protocol_version), .closed = true},
        {FIELD_OF("passthrough", FIELD_BOOL, ir_tls, passthrough)},
};
static const struct shape tls_shape = {.size = sizeof(struct ir_tls), .strict = true, SHAPE_FIELDS(tls_fields)};

static const struct field virtualhost_fields[] = {
        {FIELD_OF("fqdn", FIELD_STRING, ingressroute, fqdn)},
        {FIELD_OF("tls", FIELD_OBJECT, ingressroute, tls), .shape = &tls_shape, .closed = true},
};

/* status says the name again, twice. */
static void finish_virtualhost(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)at;
        (void)json;
        struct ingressroute *ir = item;
        if (ir->fqdn)
                d->host = ir->fqdn_host = decode_host(d, ir->fqdn);
}

static const struct shape virtualhost_shape = {
        .strict = true, SHAPE_FIELDS(virtualhost_fields), .finish = finish_virtualhost};

static const struct field spec_fields[] = {
        {.name = "virtualhost",
         .type = FIELD_INLINE,
         .shape = &virtualhost_shape,
         .closed = true,
         .flagged = true,
         .flag = offsetof(struct ingressroute, is_root)},
        {COUNTED("routes", FIELD_LIST, ingressroute, routes, route_count), .shape = &route_shape},
        {FIELD_OF("tcpproxy", FIELD_OBJECT, ingressroute, tcpproxy), .shape = &tcpproxy_shape},
        {FIELD_OF("strategy", FIELD_STRING, ingressroute, strategy)},
        {FIELD_OF("healthCheck", FIELD_OBJECT, ingressroute, health_check), .shape = &health_check_shape},
};
static const struct shape spec_shape = {.strict = true, SHAPE_FIELDS(spec_fields)};

/* ---- status: what we wrote, or what a tenant with too many rights did; unreadable parts are as if never written ----
 */

static const struct field condition_fields[] = {
        {FIELD_OF("status", FIELD_STRING, ir_status, condition_status)},
        {FIELD_OF("reason", FIELD_STRING, ir_status, condition_reason)},
        {FIELD_OF("message", FIELD_STRING, ir_status, condition_message)},
        {FIELD_OF("lastTransitionTime", FIELD_STRING, ir_status, condition_transition)},
};
static const struct shape condition_shape = {SHAPE_FIELDS(condition_fields)};

static void read_conditions(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        size_t i;
        json_t *condition;
        json_array_foreach ((json_t *)(uintptr_t)value, i, condition) {
                if (!str_equal(json_string_value(decode_member(condition, "type")), "Valid"))
                        continue;
                decode_shape(d, at, &condition_shape, condition, item);
                return;
        }
}

/* A claim that lacks its name or its time is none. */
static void read_claim(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct ir_status *status = item;
        struct ir_claim claim = {.by = ""};
        const char *since = json_string_value(decode_member(value, "since"));
        if (!since || !time_parse(since, &claim.since, NULL) ||
            !decode_string(d, at, decode_member(value, "fqdn"), &claim.fqdn))
                return;
        decode_string(d, at, decode_member(value, "by"), &claim.by);
        status->claim = arena_memdup(d->arena, &claim, sizeof(claim));
}

static const struct field status_fields[] = {
        {FIELD_OF("currentStatus", FIELD_STRING, ir_status, current_status)},
        {FIELD_OF("description", FIELD_STRING, ir_status, description)},
        {FIELD_OF("observedGeneration", FIELD_INT64, ir_status, observed_generation)},
        {.name = "conditions", .type = FIELD_CUSTOM, .read = read_conditions},
        {COUNTED("virtualHosts", FIELD_STRINGS, ir_status, virtual_hosts, virtual_host_count)},
        {.name = "claim", .type = FIELD_CUSTOM, .read = read_claim},
};
static const struct shape status_shape = {.size = sizeof(struct ir_status), SHAPE_FIELDS(status_fields)};

static void read_status(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct ingressroute *ir = item;
        if (!json_is_object(value) || json_object_size(value) == 0)
                return;
        struct ir_status *status = arena_alloc(d->arena, sizeof(*status));
        bool silent = d->silent;
        d->silent = true;
        decode_shape(d, at, &status_shape, value, status);
        d->silent = silent;
        ir->status = status;
}

static const struct field top_fields[] = {
        {.name = "apiVersion", .type = FIELD_IGNORED},
        {.name = "kind", .type = FIELD_IGNORED},
        {.name = "metadata", .type = FIELD_IGNORED},
        {.name = "spec", .type = FIELD_INLINE, .shape = &spec_shape},
        {.name = "status", .type = FIELD_CUSTOM, .read = read_status},
};
static const struct shape top_shape = {.strict = true, SHAPE_FIELDS(top_fields)};

void decode_ingressroute(struct decode *d, const json_t *json, struct object *o)
{
        struct ingressroute *ir = arena_alloc(d->arena, sizeof(*ir));
        decode_shape(d, NULL, &top_shape, json, ir);
        o->ingressroute = ir;
}
