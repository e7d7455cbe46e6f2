/* SPDX-License-Identifier: Apache-2.0 */
/* serve_event - the event writer's POST requests. */
#include "cmd/serve_internal.h"

#include "base/time.h"

#include <unistd.h>

static void on_answer(const struct response *r, void *arg)
{
        struct server *s = arg;
        event_writer_answered(s->events, r->code);
}

static void send_event(const char *namespace, const char *body, size_t n, void *arg)
{
        struct server *s = arg;
        AUTO_STR *escaped = client_escape(namespace);
        AUTO_STR *path = mem_printf("/api/v1/namespaces/%s/events", escaped);
        struct request request = {
                .method = "POST",
                .path = path,
                .body = body,
                .body_size = n,
                .content_type = "application/json",
                .verb = "create",
                .resource = "events",
        };
        client_request(s->client, &request, on_answer, s);
}

struct event_writer *serve_make_events(struct server *s)
{
        char host[128] = "gatehouse";
        (void)gethostname(host, sizeof(host) - 1);
        return event_writer_new(&(struct event_writer_options){
                .pipeline = s->pipeline,
                .store = s->store,
                .instance = host,
                .wall = time_now_micros,
                .monotonic = time_monotonic,
                .send = send_event,
                .arg = s,
        });
}

void serve_status_turned(const struct object *o, void *arg)
{
        struct server *s = arg;
        event_writer_turned(s->events, o);
}
