/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_page - the page on the debug port's `/`: gathers the picture from the loop in small pieces; all that takes time
 * (searching, sorting, writing) is done on the listener's thread.
 */
#include "cmd/serve_internal.h"

#include "base/map.h"
#include "base/time.h"
#include "cmd/page.h"
#include "xds/server.h"

#include <stdlib.h>
#include <string.h>

/* How long the loop is busy at a time. */
#define SLICE (2 * DURATION_MILLISECOND)

struct gather {
        struct server *server;
        struct arena *arena;
        struct page page;
        struct page_part *parts;
        struct page_certificate *certificates;
        struct page_client *clients;
        struct page_finding *findings;
        struct page_host *hosts;
        struct map *found;     /* hosts of objects whose findings match the query */
        struct map *suffering; /* hosts of objects that are invalid */
        size_t next_host;
};

/* ---- how the server is ---- */

static void add_part(const char *name, enum health_state state, const char *text, void *arg)
{
        struct gather *g = arg;
        *arena_push(g->arena, &g->parts, &g->page.part_count) =
                (struct page_part){arena_strdup(g->arena, name), arena_strdup(g->arena, text), state};
}

static void add_certificate(struct gather *g, const char *name, struct keypair *k)
{
        if (!k)
                return;
        char problem[ERR_TEXT_MAX];
        keypair_problem(k, problem);
        *arena_push(g->arena, &g->certificates, &g->page.certificate_count) =
                (struct page_certificate){name, keypair_not_after(k), arena_strdup(g->arena, problem)};
}

static const struct page_client_type *copy_types(struct gather *g, const struct xds_client *c, size_t *count)
{
        struct page_client_type *types = NULL;
        for (unsigned i = 0; i < RESOURCE_SERVED_TYPES; i++) {
                struct xds_client_type t;
                if (!xds_client_describe(c, (enum resource_type)i, &t))
                        continue;
                *arena_push(g->arena, &types, count) = (struct page_client_type){
                        .type = resource_type_name((enum resource_type)i),
                        .sent = arena_strdup(g->arena, t.sent),
                        .accepted = arena_strdup(g->arena, t.accepted),
                        .refused = t.refused ? arena_strdup(g->arena, t.refused) : NULL,
                        .refused_at = t.refused_at,
                };
        }
        return types;
}

static void add_client(const struct xds_client *c, void *arg)
{
        struct gather *g = arg;
        if (++g->page.client_total > PAGE_CLIENTS)
                return;
        struct page_client *to = arena_push(g->arena, &g->clients, &g->page.client_count);
        *to = (struct page_client){
                .node = arena_strdup(g->arena, c->node),
                .peer = arena_strdup(g->arena, c->peer),
                .service = c->service,
                .since = c->since,
        };
        to->types = copy_types(g, c, &to->type_count);
}

static void look_at_server(void *arg)
{
        struct gather *g = arg;
        const struct xds_server *listener = serve_xds_listener(g->server);
        g->page.leading = leader_is_writing(g->server->leader);
        g->page.serves_xds = serve_is_enabled(g->server, DISABLE_XDS);
        if (listener)
                xds_server_each(listener, add_client, g);
}

/* ---- findings ---- */

static void add_hosts_of(struct map *set, const struct object_state *state)
{
        for (size_t i = 0; i < state->virtual_host_count; i++)
                map_set(set, state->virtual_hosts[i], set);
}

static void add_findings(const struct object *o, const struct object_state *state, void *arg)
{
        (void)o;
        struct gather *g = arg;
        if (state->finding_count && state->status == STATUS_INVALID)
                add_hosts_of(g->suffering, state);
        for (size_t i = 0; i < state->finding_count; i++) {
                const struct finding *f = &state->findings[i];
                if (!page_finding_matches(f, g->page.query))
                        continue;
                add_hosts_of(g->found, state);
                if (++g->page.finding_total > PAGE_FINDINGS)
                        continue;
                struct findings copy = {.arena = g->arena};
                findings_add(&copy, f);
                *arena_push(g->arena, &g->findings, &g->page.finding_count) =
                        (struct page_finding){copy.items, rule_info(f->rule)->status};
        }
}

/* ---- hosts ---- */

static int64_t certificate_end(const struct view *v, const struct host *h)
{
        if (!h->tls || !h->tls->secret_name)
                return 0;
        const struct object *o = view_get(v, KIND_SECRET, h->tls->secret_namespace, h->tls->secret_name);
        return o && o->secret->pair ? o->secret->pair->not_after : 0;
}

static void look_at_hosts(void *arg)
{
        struct gather *g = arg;
        const struct view v = {.store = g->server->store};
        int64_t deadline = time_monotonic() + SLICE;
        while (g->next_host < g->page.host_count && time_monotonic() < deadline) {
                struct page_host *item = &g->hosts[g->next_host++];
                item->tree = tree_of(g->arena, &v, item->host, serve_any_state, g->server);
                item->certificate_not_after = certificate_end(&v, item->host);
                item->suffers = !item->host->owner || map_get(g->suffering, item->host->name);
        }
}

/* Leaves the matching ones at the front. */
static size_t select_hosts(const struct gather *g, struct serve_hosts *hosts)
{
        size_t kept = 0;
        for (size_t i = 0; i < hosts->count; i++) {
                const struct host *h = hosts->items[i];
                if (!page_host_matches(h, g->page.query) && !map_get(g->found, h->name))
                        continue;
                hosts->items[i] = hosts->items[kept];
                hosts->items[kept++] = h;
        }
        return kept;
}

static bool gather_hosts(struct gather *g, struct serve_hosts *hosts, size_t number)
{
        struct page *p = &g->page;
        p->host_total = hosts->count;
        p->host_matches = select_hosts(g, hosts);
        p->page_count = p->host_matches ? (p->host_matches + PAGE_HOSTS - 1) / PAGE_HOSTS : 1;
        p->number = number < 1 ? 1 : number > p->page_count ? p->page_count : number;
        for (size_t i = (p->number - 1) * PAGE_HOSTS; i < p->host_matches && p->host_count < PAGE_HOSTS; i++)
                *arena_push(g->arena, &g->hosts, &p->host_count) = (struct page_host){.host = hosts->items[i]};
        while (g->next_host < p->host_count) {
                if (!loop_call(g->server->calls, look_at_hosts, g))
                        return false;
        }
        return true;
}

/* ---- the page ---- */

static bool gather_all(struct gather *g, struct serve_hosts *hosts, size_t number)
{
        struct server *s = g->server;
        g->page.now = time_now_micros();
        g->page.version = GATEHOUSE_VERSION;
        g->page.ready = health_is_ready(s->health);
        health_each(s->health, add_part, g);
        add_certificate(g, "webhook", s->keypair);
        add_certificate(g, "xds", s->xds_keypair);
        if (!loop_call(s->calls, look_at_server, g) || !serve_survey(s, NULL, add_findings, g) ||
            !gather_hosts(g, hosts, number))
                return false;
        g->page.parts = g->parts;
        g->page.certificates = g->certificates;
        g->page.clients = g->clients;
        g->page.findings = g->findings;
        g->page.hosts = g->hosts;
        return true;
}

void serve_page(const struct http_request *r, struct http_answer *answer, void *arg)
{
        AUTO(arena) *a = arena_new(64 * 1024);
        const char *query = http_query(r, "q"), *number = http_query(r, "page");
        AUTO(map) *found = map_new(), *suffering = map_new();
        struct gather g = {.server = arg, .arena = a, .found = found, .suffering = suffering};
        g.page.query = query ? arena_strndup(a, query, str_cut(query, PAGE_QUERY_MAX)) : "";
        struct serve_hosts hosts = {.server = arg};
        if (!serve_hosts_take(&hosts)) {
                serve_unavailable(answer);
                return;
        }
        if (gather_all(&g, &hosts, number ? strtoul(number, NULL, 10) : 1)) {
                answer->content_type = "text/html; charset=utf-8";
                page_render(answer->body, &g.page);
        } else {
                serve_unavailable(answer);
        }
        serve_hosts_done(&hosts);
}
