/* SPDX-License-Identifier: Apache-2.0 */
/* serve_debug_xds - /debug/xds: who is connected, what each was told and what it made of that. */
#include "cmd/serve_internal.h"

#include "base/json_text.h"
#include "base/time.h"
#include "xds/server.h"

/* What the loop hands out, copied into the arena: it is written down on the listener's thread. */
struct streams {
        struct server *server;
        struct arena *arena;
        bool open; /* Envoys are answered */
        size_t held;
        struct entry *items;
        size_t count;
};

struct entry {
        struct xds_client client; /* without stream */
        struct {
                bool asked;
                struct xds_client_type it;
        } types[RESOURCE_SERVED_TYPES];
};

/* ---- on the loop ---- */

static void copy_type(const struct xds_client *c, enum resource_type type, struct entry *to, struct arena *a)
{
        struct xds_client_type *it = &to->types[type].it;
        to->types[type].asked = xds_client_describe(c, type, it);
        it->sent = arena_strdup(a, it->sent);
        it->accepted = arena_strdup(a, it->accepted);
        it->refused = arena_strdup(a, it->refused);
}

static void copy_client(const struct xds_client *c, void *arg)
{
        struct streams *s = arg;
        struct entry *to = arena_push(s->arena, &s->items, &s->count);
        to->client = *c;
        to->client.stream = NULL;
        to->client.node = arena_strdup(s->arena, c->node);
        to->client.cluster = arena_strdup(s->arena, c->cluster);
        to->client.peer = arena_strdup(s->arena, c->peer);
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++)
                copy_type(c, (enum resource_type)i, to, s->arena);
}

static void copy_streams(void *arg)
{
        struct streams *s = arg;
        const struct xds_server *listener = serve_xds_listener(s->server);
        s->open = listener != NULL;
        s->held = serve_xds_held(s->server);
        if (listener)
                xds_server_each(listener, copy_client, s);
}

/* ---- on the listener's thread ---- */

static void append_time(struct buf *b, const char *name, int64_t micros)
{
        char text[TIME_TEXT_MAX];
        time_format_seconds(micros, text);
        json_text_member(b, name, text, "");
}

static void append_type(struct buf *b, enum resource_type type, const struct xds_client_type *t)
{
        buf_printf(b, "\n   \"%s\":{\"resources\":%zu,\"wildcard\":%s,", resource_type_name(type), t->info.names,
                   t->info.wildcard ? "true" : "false");
        json_text_member(b, "sent", t->sent, "");
        buf_append_char(b, ',');
        json_text_member(b, "acknowledged", t->accepted, "");
        buf_printf(b, ",\"nacks\":%u", (unsigned)t->info.nacks);
        if (t->refused) {
                buf_append_str(b, ",\"lastNack\":{");
                append_time(b, "at", t->refused_at);
                buf_append_char(b, ',');
                json_text_member(b, "message", t->refused, "");
                buf_append_char(b, '}');
        }
        buf_append_char(b, '}');
}

static void append_entry(struct buf *b, const struct entry *e)
{
        const struct xds_client *c = &e->client;
        const char *const pairs[][2] = {{"node", c->node},
                                        {"cluster", c->cluster},
                                        {"peer", c->peer},
                                        {"service", c->service},
                                        {"variant", c->variant == STREAM_DELTA ? "delta" : "state of the world"}};
        buf_append_str(b, "\n {");
        for (size_t i = 0; i < COUNT_OF(pairs); i++) {
                json_text_member(b, pairs[i][0], pairs[i][1], "");
                buf_append_char(b, ',');
        }
        append_time(b, "since", c->since);
        buf_append_str(b, ",\"types\":{");
        size_t n = 0;
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                if (!e->types[i].asked)
                        continue;
                buf_append_str(b, n++ ? "," : "");
                append_type(b, (enum resource_type)i, &e->types[i].it);
        }
        buf_append_str(b, "}}");
}

void serve_debug_xds(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r;
        AUTO(arena) *a = arena_new(4096);
        struct streams s = {.server = arg, .arena = a};
        if (!loop_call(s.server->calls, copy_streams, &s)) {
                serve_unavailable(answer);
                return;
        }
        answer->content_type = "application/json";
        buf_printf(answer->body, "{\"open\":%s,\"heldHosts\":%zu,\"streams\":[", s.open ? "true" : "false", s.held);
        for (size_t i = 0; i < s.count; i++) {
                buf_append_str(answer->body, i ? "," : "");
                append_entry(answer->body, &s.items[i]);
        }
        buf_append_str(answer->body, s.count ? "\n]}\n" : "]}\n");
}
