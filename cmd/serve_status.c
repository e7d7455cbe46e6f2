/* SPDX-License-Identifier: Apache-2.0 */
/* serve_status - the PATCH requests of those who write status: IngressRoutes' own, and the addresses of Ingresses. */
#include "cmd/serve_internal.h"

#include "base/time.h"

#include <assert.h>
#include <string.h>

static void on_answer(const struct response *r, void *arg)
{
        struct serve_write *w = arg;
        const char *key = mem_take(&w->key);
        w->answered(w->server, key, r);
}

static struct serve_write *free_slot(struct serve_write writes[STATUS_IN_FLIGHT_MAX])
{
        size_t i = 0;
        while (i < STATUS_IN_FLIGHT_MAX && writes[i].key)
                i++;
        /* The queue has no more than this in flight. */
        assert(i < STATUS_IN_FLIGHT_MAX);
        return &writes[i];
}

/* collection: "/apis/group/version" and what observers call the resource, without /status. */
static void patch(struct serve_write *w, const char *collection, const char *resource, const char *observed,
                  const char *namespace, const char *name, const char *body, size_t n)
{
        AUTO_STR *escaped_namespace = client_escape(namespace);
        AUTO_STR *escaped_name = client_escape(name);
        AUTO_STR *path =
                mem_printf("%s/namespaces/%s/%s/%s/status", collection, escaped_namespace, resource, escaped_name);
        struct request request = {
                .method = "PATCH",
                .path = path,
                .body = body,
                .body_size = n,
                .content_type = "application/merge-patch+json",
                .verb = "patch",
                .resource = observed,
        };
        client_request(w->server->client, &request, on_answer, w);
}

/* ---- IngressRoutes ---- */

static void on_status_answer(struct server *s, const char *key, const struct response *r)
{
        status_writer_answered(s->writer, key, r->code, r->retry_after, r->body, r->size);
}

void serve_status_send(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg)
{
        struct server *s = arg;
        struct serve_write *w = free_slot(s->writes);
        *w = (struct serve_write){s, key, on_status_answer};
        patch(w, "/apis/contour.heptio.com/v1beta1", "ingressroutes", "ingressroutes/status", namespace, name, body, n);
}

/* ---- Ingresses ---- */

static void on_address_answer(struct server *s, const char *key, const struct response *r)
{
        ingress_writer_answered(s->ingress_writer, key, r->code, r->retry_after, r->body, r->size);
}

void serve_ingress_send(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg)
{
        struct server *s = arg;
        struct serve_write *w = free_slot(s->ingress_writes);
        *w = (struct serve_write){s, key, on_address_answer};
        patch(w, feeds_ingress_collection(s->feeds), "ingresses", "ingresses/status", namespace, name, body, n);
}

static bool is_wanted(const struct serve_options *o)
{
        return o->ingress_status_address || o->envoy_service;
}

struct ingress_writer *serve_make_ingress_writer(struct server *s, uint32_t (*random)(void), void (*wake)(void *arg))
{
        const struct serve_options *o = &s->options->serve;
        const char *slash = o->envoy_service ? strchr(o->envoy_service, '/') : NULL;
        if (!is_wanted(o))
                return NULL;
        if (slash)
                s->envoy_service_namespace = mem_strndup(o->envoy_service, (size_t)(slash - o->envoy_service));
        return ingress_writer_new(&(struct ingress_writer_options){
                .pipeline = s->pipeline,
                .store = s->store,
                .policy = &s->policy,
                .address = o->ingress_status_address,
                .service_namespace = s->envoy_service_namespace,
                .service_name = slash ? slash + 1 : NULL,
                .monotonic = time_monotonic,
                .random = random,
                .send = serve_ingress_send,
                .wake = wake,
                .arg = s,
        });
}
