/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/translate_endpoint.h"

#include "base/names.h"
#include "xds/message.h"

#include <envoy/config/endpoint/v3/endpoint.pb-c.h>
#include <stdlib.h>
#include <string.h>

const char *endpoints_name(struct arena *a, const char *namespace, const char *service, const char *port_name)
{
        return *port_name ? arena_printf(a, "%s/%s/%s", namespace, service, port_name)
                          : arena_printf(a, "%s/%s", namespace, service);
}

/* ---- collecting ---- */

/* The port of that name; 0 when the group has none. */
static uint16_t find_port(const struct endpoint_group *group, const char *port_name)
{
        for (size_t i = 0; i < group->port_count; i++) {
                const struct endpoint_port *p = &group->ports[i];
                if (str_equal(p->name, port_name))
                        return p->port > 0 && p->port <= UINT16_MAX ? (uint16_t)p->port : 0;
        }
        return 0;
}

/*
 * Of an endpoint's addresses the first one counts: they are fungible (Kubernetes API reference, EndpointSlice v1).
 * Those that are ready go to one list, those that serve while they terminate to the other.
 */
static void add_group(struct arena *a, const struct endpoint_group *group, const char *port_name, struct endpoints *out)
{
        uint16_t port = find_port(group, port_name);
        for (size_t i = 0; i < group->endpoint_count; i++) {
                const struct endpoint *e = &group->endpoints[i];
                /* A host name or a slip of the pen would make Envoy refuse the whole answer. */
                const bool of_use = port && group->type != ADDRESS_FQDN && e->address_count && e->addresses[0] &&
                                    names_is_ip(e->addresses[0]);
                struct endpoint_targets *list = !of_use                        ? NULL
                                                : e->ready                     ? &out->ready
                                                : e->serving && e->terminating ? &out->draining
                                                                               : NULL;
                if (!list) {
                        out->others++;
                        continue;
                }
                struct endpoint_target *t = arena_push(a, &list->items, &list->count);
                *t = (struct endpoint_target){e->zone ? e->zone : "", e->addresses[0], port};
        }
}

static int by_address(const struct endpoint_target *x, const struct endpoint_target *y)
{
        int order = strcmp(x->address, y->address);
        return order ? order : (x->port > y->port) - (x->port < y->port);
}

static int by_address_and_zone(const void *x, const void *y)
{
        const struct endpoint_target *a = x;
        const struct endpoint_target *b = y;
        int order = by_address(a, b);
        return order ? order : strcmp(a->zone, b->zone);
}

static int by_zone_and_address(const void *x, const void *y)
{
        const struct endpoint_target *a = x;
        const struct endpoint_target *b = y;
        int order = strcmp(a->zone, b->zone);
        return order ? order : by_address(a, b);
}

/* An endpoint that moves between slices stands in both for a while: once is enough. */
static void sort_unique(struct endpoint_targets *list)
{
        if (!list->count)
                return;
        qsort(list->items, list->count, sizeof(*list->items), by_address_and_zone);
        size_t kept = 1;
        for (size_t i = 1; i < list->count; i++) {
                if (by_address(&list->items[i], &list->items[kept - 1]))
                        list->items[kept++] = list->items[i];
        }
        list->count = kept;
        qsort(list->items, list->count, sizeof(*list->items), by_zone_and_address);
}

/* view_list() gives slices first: where there are any, Endpoints are only their mirror. */
void endpoints_find(const struct view *v, struct arena *a, const char *namespace, const char *service,
                    const char *port_name, struct endpoints *out)
{
        *out = (struct endpoints){0};
        const struct object *const *objects;
        size_t n = view_list_unread(v, a, TERM_ENDPOINTS, arena_printf(a, "%s/%s", namespace, service), &objects);
        for (size_t i = 0; i < n && objects[i]->kind == objects[0]->kind; i++) {
                const struct endpoint_set *set = objects[i]->endpoint_set;
                for (size_t k = 0; k < set->group_count; k++)
                        add_group(a, &set->groups[k], port_name, out);
        }
        sort_unique(&out->ready);
        sort_unique(&out->draining);
}

const struct endpoint_targets *endpoints_in_use(const struct endpoints *e)
{
        return e->ready.count ? &e->ready : &e->draining;
}

/* ---- the message ---- */

static Envoy__LbEndpoint *lb_endpoint(struct arena *a, const struct endpoint_target *t)
{
        Envoy__Endpoint *endpoint = message_new(a, &envoy__endpoint__descriptor);
        endpoint->address = message_address(a, t->address, t->port);
        Envoy__LbEndpoint *lb = message_new(a, &envoy__lb_endpoint__descriptor);
        lb->host_identifier_case = ENVOY__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT;
        lb->endpoint = endpoint;
        return lb;
}

/* n targets of one zone. */
static Envoy__LocalityLbEndpoints *locality(struct arena *a, const struct endpoint_target *targets, size_t n)
{
        Envoy__LocalityLbEndpoints *out = message_new(a, &envoy__locality_lb_endpoints__descriptor);
        if (*targets->zone) {
                out->locality = message_new(a, &envoy__locality__descriptor);
                out->locality->zone = targets->zone;
        }
        out->lb_endpoints = arena_calloc(a, n, sizeof(*out->lb_endpoints));
        out->n_lb_endpoints = n;
        for (size_t i = 0; i < n; i++)
                out->lb_endpoints[i] = lb_endpoint(a, &targets[i]);
        return out;
}

struct resource *translate_endpoints(const struct view *v, const char *namespace, const char *service,
                                     const char *port_name)
{
        AUTO(arena) *a = arena_new(4096);
        struct endpoints found;
        endpoints_find(v, a, namespace, service, port_name, &found);
        const struct endpoint_targets *all = endpoints_in_use(&found);
        Envoy__ClusterLoadAssignment *m = message_new(a, &envoy__cluster_load_assignment__descriptor);
        m->cluster_name = endpoints_name(a, namespace, service, port_name);
        for (size_t i = 0, end; i < all->count; i = end) {
                for (end = i + 1; end < all->count && str_equal(all->items[end].zone, all->items[i].zone);)
                        end++;
                *arena_push(a, &m->endpoints, &m->n_endpoints) = locality(a, &all->items[i], end - i);
        }
        return resource_pack(RESOURCE_CLUSTER_LOAD_ASSIGNMENT, m->cluster_name, &m->base);
}
