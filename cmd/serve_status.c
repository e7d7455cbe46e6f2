/* SPDX-License-Identifier: Apache-2.0 */
/* serve_status - the status writer's PATCH requests. */
#include "cmd/serve_internal.h"

#include <assert.h>

static void on_answer(const struct response *r, void *arg)
{
        struct serve_write *w = arg;
        const char *key = mem_take(&w->key);
        status_writer_answered(w->server->writer, key, r->code, r->retry_after, r->body, r->size);
}

static struct serve_write *free_slot(struct server *s)
{
        size_t i = 0;
        while (i < COUNT_OF(s->writes) && s->writes[i].key)
                i++;
        /* The queue has no more than this in flight. */
        assert(i < COUNT_OF(s->writes));
        return &s->writes[i];
}

void serve_status_send(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg)
{
        struct server *s = arg;
        struct serve_write *w = free_slot(s);
        *w = (struct serve_write){s, key};
        AUTO_STR *escaped_namespace = client_escape(namespace);
        AUTO_STR *escaped_name = client_escape(name);
        AUTO_STR *path = mem_printf("/apis/contour.heptio.com/v1beta1/namespaces/%s/ingressroutes/%s/status",
                                    escaped_namespace, escaped_name);
        struct request request = {
                .method = "PATCH",
                .path = path,
                .body = body,
                .body_size = n,
                .content_type = "application/merge-patch+json",
                .verb = "patch",
                .resource = "ingressroutes/status",
        };
        client_request(s->client, &request, on_answer, w);
}
