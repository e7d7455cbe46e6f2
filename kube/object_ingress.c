/* SPDX-License-Identifier: Apache-2.0 */
/* Ingress and IngressClass (Kubernetes API reference, networking.k8s.io/v1; v1beta1's form of backends too). */
#include "kube/decode.h"

/* ---- backends ---- */

static const struct field port_fields[] = {
        {FIELD_OF("number", FIELD_INT32, ingress_backend, port_number)},
        {FIELD_OF("name", FIELD_STRING, ingress_backend, port_name)},
};
static const struct shape port_shape = {SHAPE_FIELDS(port_fields)};

static const struct field service_fields[] = {
        {FIELD_OF("name", FIELD_STRING, ingress_backend, service)},
        {.name = "port", .type = FIELD_INLINE, .shape = &port_shape},
};
static const struct shape service_shape = {SHAPE_FIELDS(service_fields)};

/* v1beta1: a number or a name. */
static void read_service_port(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct ingress_backend *backend = item;
        if (json_is_string(value))
                decode_string(d, at, value, &backend->port_name);
        else if (json_is_integer(value))
                decode_int32(d, at, value, &backend->port_number);
        else
                decode_problem(d, at, PROBLEM_INVALID, "must be a port's number or name");
}

/* v1 allows one of number and name: the number counts. */
static void finish_backend(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)d;
        (void)at;
        (void)json;
        struct ingress_backend *backend = item;
        if (backend->port_number || (backend->port_name && !*backend->port_name))
                backend->port_name = NULL;
}

static const struct field backend_fields[] = {
        {.name = "service", .type = FIELD_INLINE, .shape = &service_shape},
        {FIELD_OF("serviceName", FIELD_STRING, ingress_backend, service)},
        {.name = "servicePort", .type = FIELD_CUSTOM, .read = read_service_port},
};
static const struct shape backend_shape = {
        .size = sizeof(struct ingress_backend), SHAPE_FIELDS(backend_fields), .finish = finish_backend};

/* ---- rules ---- */

static void read_path_type(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        static const struct {
                const char *name;
                enum path_type type;
        } types[] = {
                {"Prefix", PATH_PREFIX},
                {"Exact", PATH_EXACT},
                {"ImplementationSpecific", PATH_IMPLEMENTATION_SPECIFIC},
        };
        struct ingress_path *path = item;
        for (size_t i = 0; i < COUNT_OF(types); i++) {
                if (!str_equal(json_string_value(value), types[i].name))
                        continue;
                path->type = types[i].type;
                return;
        }
        decode_problem(d, at, PROBLEM_INVALID, "must be Exact, Prefix or ImplementationSpecific");
}

/* What is not given has a default; what is given and unreadable gets none: it must not serve more than it says. */
static void finish_path(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)d;
        (void)at;
        struct ingress_path *path = item;
        if (!path->path || !*path->path)
                path->path = !json || (decode_member(json, "path") && !path->path) ? "" : "/";
        if (!decode_member(json, "pathType"))
                path->type = PATH_IMPLEMENTATION_SPECIFIC;
}

static const struct field path_fields[] = {
        {FIELD_OF("path", FIELD_STRING, ingress_path, path)},
        {.name = "pathType", .type = FIELD_CUSTOM, .read = read_path_type},
        {FIELD_OF("backend", FIELD_INLINE, ingress_path, backend), .shape = &backend_shape},
};
static const struct shape path_shape = {
        .size = sizeof(struct ingress_path), SHAPE_FIELDS(path_fields), .finish = finish_path};

static const struct field http_fields[] = {
        {COUNTED("paths", FIELD_LIST, ingress_rule, paths, path_count), .shape = &path_shape},
};
static const struct shape http_shape = {SHAPE_FIELDS(http_fields)};

static void finish_rule(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)at;
        struct ingress_rule *rule = item;
        if (rule->host && *rule->host)
                rule->host = decode_host(d, rule->host);
        else
                rule->host = json && (rule->host || !decode_member(json, "host")) ? "*" : "";
}

static const struct field rule_fields[] = {
        {FIELD_OF("host", FIELD_STRING, ingress_rule, host)},
        {.name = "http", .type = FIELD_INLINE, .shape = &http_shape},
};
static const struct shape rule_shape = {
        .size = sizeof(struct ingress_rule), SHAPE_FIELDS(rule_fields), .finish = finish_rule};

/* ---- TLS ---- */

static void finish_tls(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)at;
        (void)json;
        struct ingress_tls *tls = item;
        if (tls->host_count == 0)
                return;
        const char **hosts = (const char **)(uintptr_t)tls->hosts;
        for (size_t i = 0; i < tls->host_count; i++)
                hosts[i] = decode_host(d, hosts[i]);
}

static const struct field tls_fields[] = {
        {COUNTED("hosts", FIELD_STRINGS, ingress_tls, hosts, host_count)},
        {FIELD_OF("secretName", FIELD_STRING, ingress_tls, secret_name)},
};
static const struct shape tls_shape = {
        .size = sizeof(struct ingress_tls), SHAPE_FIELDS(tls_fields), .finish = finish_tls};

/* ---- Ingress ---- */

static const struct field spec_fields[] = {
        {FIELD_OF("ingressClassName", FIELD_STRING, ingress, class_name)},
        {FIELD_OF("backend", FIELD_OBJECT, ingress, default_backend), .shape = &backend_shape},
        {FIELD_OF("defaultBackend", FIELD_OBJECT, ingress, default_backend), .shape = &backend_shape},
        {COUNTED("rules", FIELD_LIST, ingress, rules, rule_count), .shape = &rule_shape},
        {COUNTED("tls", FIELD_LIST, ingress, tls, tls_count), .shape = &tls_shape},
};
static const struct shape spec_shape = {SHAPE_FIELDS(spec_fields)};
static const struct field ingress_fields[] = {{.name = "spec", .type = FIELD_INLINE, .shape = &spec_shape}};
static const struct shape ingress_shape = {SHAPE_FIELDS(ingress_fields)};

void decode_ingress(struct decode *d, const json_t *json, struct object *o)
{
        struct ingress *ingress = arena_alloc(d->arena, sizeof(*ingress));
        decode_shape(d, NULL, &ingress_shape, json, ingress);
        ingress->addresses = decode_load_balancer(d, json, &ingress->address_count);
        o->ingress = ingress;
}

/* ---- IngressClass ---- */

static const struct field class_spec_fields[] = {{FIELD_OF("controller", FIELD_STRING, ingressclass, controller)}};
static const struct shape class_spec_shape = {SHAPE_FIELDS(class_spec_fields)};
static const struct field class_fields[] = {{.name = "spec", .type = FIELD_INLINE, .shape = &class_spec_shape}};
static const struct shape class_shape = {SHAPE_FIELDS(class_fields)};

void decode_ingressclass(struct decode *d, const json_t *json, struct object *o)
{
        struct ingressclass *class = arena_alloc(d->arena, sizeof(*class));
        decode_shape(d, NULL, &class_shape, json, class);
        if (!class->controller)
                class->controller = "";
        const char *is_default = object_annotation(o, "ingressclass.kubernetes.io/is-default-class");
        class->is_default = str_equal(is_default, "true");
        o->ingressclass = class;
}
