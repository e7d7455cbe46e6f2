/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/discovery_client.h"

#include "xds/message_text.h"
#include "xds/unpack.h"

#include <assert.h>
#include <envoy/service/discovery/v3/discovery.pb-c.h>

/* ---- asking ---- */

const char *discovery_delta_path(enum resource_type type)
{
        static const char *const paths[RESOURCE_SERVED_TYPES] = {
                [RESOURCE_LISTENER] = "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners",
                [RESOURCE_ROUTE_CONFIGURATION] = "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes",
                [RESOURCE_CLUSTER] = "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters",
                [RESOURCE_CLUSTER_LOAD_ASSIGNMENT] =
                        "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
                [RESOURCE_SECRET] = "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets",
        };
        assert((unsigned)type < RESOURCE_SERVED_TYPES);
        return paths[type];
}

uint8_t *discovery_ask_pack(const struct discovery_ask *ask, size_t *size)
{
        Envoy__Node node = ENVOY__NODE__INIT;
        Envoy__DeltaDiscoveryRequest m = ENVOY__DELTA_DISCOVERY_REQUEST__INIT;
        node.id = ask->node;
        m.node = ask->node ? &node : NULL;
        m.type_url = resource_type_url(ask->type);
        m.resource_names_subscribe = (const char **)(uintptr_t)ask->names; /* packing writes to nothing */
        m.n_resource_names_subscribe = ask->name_count;
        m.response_nonce = ask->nonce ? ask->nonce : "";
        uint8_t *bytes = mem_zalloc(protobuf_c_message_get_packed_size(&m.base) + 1);
        *size = protobuf_c_message_pack(&m.base, bytes);
        return bytes;
}

/* ---- the answer ---- */

static bool check_text(const char *s, const char *what, struct err *e)
{
        return unpack_text_is_utf8(s) || err_set(e, "the response: %s is not UTF-8", what);
}

static bool take_resource(enum resource_type type, const Envoy__Resource *r, struct arena *a,
                          struct discovery_found *out, struct err *e)
{
        const char *url = resource_type_url(type);
        if (!check_text(r->name, "a name", e) || !check_text(r->version, "a version", e))
                return false;
        if (!r->resource || !str_equal(r->resource->type_url, url))
                return err_set(e, "the response: %.80s is no %s", r->name, resource_type_name(type));
        *out = (struct discovery_found){
                .name = r->name,
                .version = r->version,
                .message = unpack(message_type_find(url), r->resource->value.data, r->resource->value.len, a,
                                  DISCOVERY_ANSWER_MEMORY_MAX, "a resource", e),
        };
        return out->message != NULL;
}

bool discovery_answer_unpack(enum resource_type type, const void *bytes, size_t n, struct arena *a,
                             struct discovery_answer *out, struct err *e)
{
        const Envoy__DeltaDiscoveryResponse *m = unpack(&envoy__delta_discovery_response__descriptor, bytes, n, a,
                                                        DISCOVERY_ANSWER_MEMORY_MAX, "a response", e);
        if (!m || !check_text(m->nonce, "nonce", e) || !check_text(m->system_version_info, "system_version_info", e))
                return false;
        if (!str_equal(m->type_url, resource_type_url(type)))
                return err_set(e, "the response is about \"%.100s\"", m->type_url);
        struct discovery_answer answer = {.nonce = m->nonce, .version = m->system_version_info};
        answer.found = arena_calloc(a, m->n_resources, sizeof(*answer.found));
        for (; answer.found_count < m->n_resources; answer.found_count++) {
                if (!take_resource(type, m->resources[answer.found_count], a, &answer.found[answer.found_count], e))
                        return false;
        }
        answer.removed = (const char *const *)m->removed_resources;
        answer.removed_count = m->n_removed_resources;
        for (size_t i = 0; i < answer.removed_count; i++) {
                if (!check_text(answer.removed[i], "a name", e))
                        return false;
        }
        *out = answer;
        return true;
}
