/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/discovery.h"

#include "xds/message.h"
#include "xds/unpack.h"

#include <envoy/service/discovery/v3/discovery.pb-c.h>
#include <google/rpc/status.pb-c.h>

static bool check_text(const char *s, const char *what, struct err *e)
{
        return unpack_text_is_utf8(s) || err_set(e, "%s is not UTF-8", what);
}

static bool check_texts(const char *const *list, size_t n, const char *what, struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                if (!check_text(list[i], what, e))
                        return false;
        }
        return true;
}

/* ---- requests ---- */

static void set_node(struct discovery_request *out, const Envoy__Node *node)
{
        out->node_id = node ? node->id : "";
        out->node_cluster = node ? node->cluster : "";
}

/* What both variants have, once all is read into out. */
static bool finish(struct discovery_request *out, const Google__Status *error, struct err *e)
{
        out->request.refused = error ? error->message : NULL;
        out->type_known = resource_type_find(out->type_url, &out->request.type);
        return check_text(out->node_id, "node.id", e) && check_text(out->node_cluster, "node.cluster", e) &&
               check_text(out->type_url, "type_url", e) && check_text(out->request.nonce, "response_nonce", e) &&
               (!error || check_text(error->message, "error_detail.message", e));
}

/* libprotobuf-c's own array; nobody writes to its strings. */
static char *const *names_of(const char **list)
{
        return (char *const *)list;
}

static bool decode_sotw(const void *bytes, size_t n, struct arena *a, struct discovery_request *out, struct err *e)
{
        const Envoy__DiscoveryRequest *m =
                unpack(&envoy__discovery_request__descriptor, bytes, n, a, DISCOVERY_MEMORY_MAX, "a request", e);
        if (!m)
                return false;
        set_node(out, m->node);
        out->type_url = m->type_url;
        out->request.nonce = m->response_nonce;
        out->request.names = names_of(m->resource_names);
        out->request.name_count = m->n_resource_names;
        return check_texts((const char *const *)m->resource_names, m->n_resource_names, "a resource name", e) &&
               finish(out, m->error_detail, e);
}

static bool set_known(const Envoy__DeltaDiscoveryRequest *m, struct arena *a, struct discovery_request *out,
                      struct err *e)
{
        struct stream_known *known = arena_calloc(a, m->n_initial_resource_versions, sizeof(*known));
        for (size_t i = 0; i < m->n_initial_resource_versions; i++) {
                known[i].name = m->initial_resource_versions[i]->key;
                known[i].version = m->initial_resource_versions[i]->value;
                if (!check_text(known[i].name, "a resource name", e) || !check_text(known[i].version, "a version", e))
                        return false;
        }
        out->request.known = known;
        out->request.known_count = m->n_initial_resource_versions;
        return true;
}

static bool decode_delta(const void *bytes, size_t n, struct arena *a, struct discovery_request *out, struct err *e)
{
        const Envoy__DeltaDiscoveryRequest *m =
                unpack(&envoy__delta_discovery_request__descriptor, bytes, n, a, DISCOVERY_MEMORY_MAX, "a request", e);
        if (!m)
                return false;
        set_node(out, m->node);
        out->type_url = m->type_url;
        out->request.nonce = m->response_nonce;
        out->request.names = names_of(m->resource_names_subscribe);
        out->request.name_count = m->n_resource_names_subscribe;
        out->request.unsubscribe = names_of(m->resource_names_unsubscribe);
        out->request.unsubscribe_count = m->n_resource_names_unsubscribe;
        return check_texts((const char *const *)m->resource_names_subscribe, m->n_resource_names_subscribe,
                           "a resource name", e) &&
               check_texts((const char *const *)m->resource_names_unsubscribe, m->n_resource_names_unsubscribe,
                           "a resource name", e) &&
               set_known(m, a, out, e) && finish(out, m->error_detail, e);
}

bool discovery_decode(enum stream_variant variant, const void *bytes, size_t n, struct arena *a,
                      struct discovery_request *out, struct err *e)
{
        struct discovery_request read = {0};
        bool fine = variant == STREAM_DELTA ? decode_delta(bytes, n, a, &read, e) : decode_sotw(bytes, n, a, &read, e);
        if (fine)
                *out = read;
        return fine;
}
