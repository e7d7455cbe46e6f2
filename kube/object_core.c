/* SPDX-License-Identifier: Apache-2.0 */
/* Service and Namespace (Kubernetes API reference, core v1). */
#include "kube/decode.h"

/* ---- load balancers ---- */

const struct lb_address *decode_load_balancer(struct decode *d, const json_t *json, size_t *count)
{
        const json_t *list = decode_member(decode_member(decode_member(json, "status"), "loadBalancer"), "ingress");
        size_t n = json_array_size(list) < LB_ADDRESSES_MAX ? json_array_size(list) : LB_ADDRESSES_MAX;
        struct lb_address *items = n ? arena_calloc(d->arena, n, sizeof(*items)) : NULL;
        *count = 0;
        for (size_t i = 0; i < n; i++) {
                const json_t *ip = decode_member(json_array_get(list, i), "ip");
                const json_t *hostname = decode_member(json_array_get(list, i), "hostname");
                if (json_is_string(ip) && json_string_length(ip))
                        items[(*count)++].ip = decode_keep(d, ip);
                else if (json_is_string(hostname) && json_string_length(hostname))
                        items[(*count)++].hostname = decode_keep(d, hostname);
        }
        return items;
}

/* ---- Service ---- */

static const struct field port_fields[] = {
        {FIELD_OF("name", FIELD_STRING, service_port, name)},
        {FIELD_OF("port", FIELD_INT32, service_port, port)},
        {FIELD_OF("protocol", FIELD_STRING, service_port, protocol)},
        {FIELD_OF("appProtocol", FIELD_STRING, service_port, app_protocol)},
};

static void finish_port(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)d;
        (void)at;
        (void)json;
        struct service_port *port = item;
        if (!port->name)
                port->name = "";
        if (!port->protocol)
                port->protocol = "TCP";
}

static const struct shape port_shape = {
        .size = sizeof(struct service_port), SHAPE_FIELDS(port_fields), .finish = finish_port};

/* externalName means something only for its type. */
static void read_type(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct service *service = item;
        const char *type = "";
        decode_string(d, at, value, &type);
        if (!str_equal(type, "ExternalName"))
                service->external_name = NULL;
        else if (!service->external_name)
                service->external_name = "";
}

static void finish_spec(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)d;
        (void)at;
        struct service *service = item;
        if (!decode_member(json, "type"))
                service->external_name = NULL;
}

static const struct field spec_fields[] = {
        {FIELD_OF("externalName", FIELD_STRING, service, external_name)},
        {.name = "type", .type = FIELD_CUSTOM, .read = read_type},
        {COUNTED("ports", FIELD_LIST, service, ports, port_count), .shape = &port_shape},
};
static const struct shape spec_shape = {SHAPE_FIELDS(spec_fields), .finish = finish_spec};

static const struct field service_fields[] = {{.name = "spec", .type = FIELD_INLINE, .shape = &spec_shape}};
static const struct shape service_shape = {SHAPE_FIELDS(service_fields)};

void decode_service(struct decode *d, const json_t *json, struct object *o)
{
        struct service *service = arena_alloc(d->arena, sizeof(*service));
        decode_shape(d, NULL, &service_shape, json, service);
        service->addresses = decode_load_balancer(d, json, &service->address_count);
        o->service = service;
}

/* ---- Namespace: its name and annotations are all of it ---- */

void decode_namespace(struct decode *d, const json_t *json, struct object *o)
{
        (void)d;
        (void)json;
        (void)o;
}
