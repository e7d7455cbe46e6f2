/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlice (discovery.k8s.io/v1 and v1beta1) and Endpoints (v1), as the Kubernetes API reference has them. */
#include "kube/decode.h"

#include <string.h>

static const struct field port_fields[] = {
        {FIELD_OF("name", FIELD_STRING, endpoint_port, name)},
        {FIELD_OF("port", FIELD_INT32, endpoint_port, port)},
};

static void finish_port(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)d;
        (void)at;
        (void)json;
        struct endpoint_port *port = item;
        if (!port->name)
                port->name = "";
}

static const struct shape port_shape = {
        .size = sizeof(struct endpoint_port), SHAPE_FIELDS(port_fields), .finish = finish_port};

/* ---- EndpointSlice ---- */

/* Conditions that are not given: ready is true, serving follows ready, terminating is false. */
static void read_conditions(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct endpoint *endpoint = item;
        if (!json_is_object(value)) {
                decode_problem(d, at, PROBLEM_INVALID, "must be an object");
                return;
        }
        endpoint->ready = true;
        struct place member = {.parent = at, .key = "ready"};
        const json_t *given = decode_member(value, member.key);
        if (given)
                decode_bool(d, &member, given, &endpoint->ready);
        endpoint->serving = endpoint->ready;
        member.key = "serving";
        given = decode_member(value, member.key);
        if (given)
                decode_bool(d, &member, given, &endpoint->serving);
        member.key = "terminating";
        given = decode_member(value, member.key);
        if (given)
                decode_bool(d, &member, given, &endpoint->terminating);
}

/* v1beta1 kept the zone among topology labels. */
static const struct field topology_fields[] = {
        {FIELD_OF("topology.kubernetes.io/zone", FIELD_STRING, endpoint, zone)},
};
static const struct shape topology_shape = {SHAPE_FIELDS(topology_fields)};

static void finish_endpoint(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        (void)d;
        (void)at;
        struct endpoint *endpoint = item;
        if (json && !decode_member(json, "conditions"))
                endpoint->ready = endpoint->serving = true;
}

static const struct field endpoint_fields[] = {
        {COUNTED("addresses", FIELD_STRINGS, endpoint, addresses, address_count)},
        {.name = "conditions", .type = FIELD_CUSTOM, .read = read_conditions},
        {.name = "topology", .type = FIELD_INLINE, .shape = &topology_shape},
        {FIELD_OF("zone", FIELD_STRING, endpoint, zone)},
};
static const struct shape endpoint_shape = {
        .size = sizeof(struct endpoint), SHAPE_FIELDS(endpoint_fields), .finish = finish_endpoint};

static void read_address_type(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        static const char *const names[] = {[ADDRESS_IPV4] = "IPv4", [ADDRESS_IPV6] = "IPv6", [ADDRESS_FQDN] = "FQDN"};
        struct endpoint_group *group = item;
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                if (!str_equal(json_string_value(value), names[i]))
                        continue;
                group->type = (enum address_type)i;
                return;
        }
        decode_problem(d, at, PROBLEM_INVALID, "must be IPv4, IPv6 or FQDN");
}

static const struct field slice_fields[] = {
        {.name = "addressType", .type = FIELD_CUSTOM, .read = read_address_type},
        {COUNTED("endpoints", FIELD_LIST, endpoint_group, endpoints, endpoint_count), .shape = &endpoint_shape},
        {COUNTED("ports", FIELD_LIST, endpoint_group, ports, port_count), .shape = &port_shape},
};
static const struct shape slice_shape = {.size = sizeof(struct endpoint_group), SHAPE_FIELDS(slice_fields)};

void decode_endpointslice(struct decode *d, const json_t *json, struct object *o)
{
        struct endpoint_set *set = arena_alloc(d->arena, sizeof(*set));
        struct endpoint_group *group = arena_alloc(d->arena, sizeof(*group));
        decode_shape(d, NULL, &slice_shape, json, group);
        set->groups = group;
        set->group_count = 1;
        struct place metadata = {.key = "metadata"};
        struct place labels = {.parent = &metadata, .key = "labels"};
        struct place at = {.parent = &labels, .key = "kubernetes.io/service-name"};
        const json_t *label = decode_member(decode_member(decode_member(json, metadata.key), labels.key), at.key);
        if (label)
                decode_string(d, &at, label, &set->service);
        o->endpoint_set = set;
}

/* ---- Endpoints ---- */

struct address {
        const char *ip;
};
static const struct field address_fields[] = {{FIELD_OF("ip", FIELD_STRING, address, ip)}};
static const struct shape address_shape = {SHAPE_FIELDS(address_fields)};

static size_t list_size(const json_t *subset, const char *key)
{
        return json_array_size(decode_member(subset, key));
}

/* Appends the addresses of one list, each as an endpoint. */
static void read_addresses(struct decode *d, const struct place *subset, const json_t *list, const char *key,
                           bool ready, struct endpoint *endpoints, const char **ips, size_t *count)
{
        struct place at = {.parent = subset, .key = key};
        if (!list || !decode_is_array(d, &at, list))
                return;
        for (size_t i = 0; i < json_array_size(list); i++) {
                struct place element = {.parent = &at, .index = i};
                struct address address = {0};
                decode_shape(d, &element, &address_shape, json_array_get(list, i), &address);
                if (!address.ip)
                        continue;
                ips[*count] = address.ip;
                endpoints[*count] = (struct endpoint){
                        .addresses = &ips[*count], .address_count = 1, .ready = ready, .serving = ready};
                (*count)++;
        }
}

static void finish_subset(struct decode *d, const struct place *at, const json_t *json, void *item)
{
        struct endpoint_group *group = item;
        size_t n = list_size(json, "addresses") + list_size(json, "notReadyAddresses");
        if (n == 0 && !decode_member(json, "addresses") && !decode_member(json, "notReadyAddresses"))
                return;
        struct endpoint *endpoints = arena_calloc(d->arena, n, sizeof(*endpoints));
        const char **ips = arena_calloc(d->arena, n, sizeof(*ips));
        size_t count = 0;
        read_addresses(d, at, decode_member(json, "addresses"), "addresses", true, endpoints, ips, &count);
        read_addresses(d, at, decode_member(json, "notReadyAddresses"), "notReadyAddresses", false, endpoints, ips,
                       &count);
        group->endpoints = endpoints;
        group->endpoint_count = count;
        group->type = count && strchr(ips[0], ':') ? ADDRESS_IPV6 : ADDRESS_IPV4;
}

static const struct field subset_fields[] = {
        {COUNTED("ports", FIELD_LIST, endpoint_group, ports, port_count), .shape = &port_shape},
};
static const struct shape subset_shape = {
        .size = sizeof(struct endpoint_group), SHAPE_FIELDS(subset_fields), .finish = finish_subset};

static const struct field endpoints_fields[] = {
        {COUNTED("subsets", FIELD_LIST, endpoint_set, groups, group_count), .shape = &subset_shape},
};
static const struct shape endpoints_shape = {SHAPE_FIELDS(endpoints_fields)};

void decode_endpoints(struct decode *d, const json_t *json, struct object *o)
{
        struct endpoint_set *set = arena_alloc(d->arena, sizeof(*set));
        decode_shape(d, NULL, &endpoints_shape, json, set);
        set->service = o->name;
        o->endpoint_set = set;
}
