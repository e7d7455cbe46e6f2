/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Envoy v3 API reference, config.route.v3 and config.listener.v3.FilterChainMatch. */
#include "dag/explain_internal.h"

#include "dag/syntax.h"

#include <string.h>

const char *explain_answer_name(enum explain_answer answer)
{
        switch (answer) {
        case EXPLAIN_FORWARDED:
                return "forwarded";
        case EXPLAIN_PROXIED:
                return "proxied";
        case EXPLAIN_UNAVAILABLE:
                return "unavailable";
        case EXPLAIN_NOT_FOUND:
                return "not-found";
        case EXPLAIN_CLOSED:
                return "closed";
        }
        return "";
}

static void answer(struct explain_work *w, enum explain_answer what, const char *reason)
{
        w->out->answer = what;
        w->out->reason = reason;
}

/* ---- host ---- */

/* On TLS only a host with a filter chain counts, and "*" is no server name. */
static const struct host *find_side(const struct explain_work *w, const char *name)
{
        const struct host *h = w->in->find_host(name, w->in->arg);
        if (!h || !h->owner || (w->tls && (!h->tls || str_equal(name, "*"))))
                return NULL;
        return h;
}

/* Exact, then the longest wildcard, then "*", for virtual hosts as for server names. */
static const struct host *find_host(const struct explain_work *w)
{
        const struct host *h = find_side(w, w->url->host);
        for (const char *dot = strchr(w->url->host, '.'); !h && dot; dot = strchr(dot + 1, '.'))
                h = find_side(w, arena_printf(w->a, "*%s", dot));
        return h ? h : find_side(w, "*");
}

static void answer_no_host(struct explain_work *w)
{
        if (!w->tls) {
                answer(w, EXPLAIN_NOT_FOUND, "nobody has the host: Envoy answers 404");
                return;
        }
        const struct host *plain = w->in->find_host(w->url->host, w->in->arg);
        const bool owned = plain && plain->owner;
        w->out->host = owned ? plain : NULL;
        answer(w, EXPLAIN_CLOSED,
               owned ? "the host's owner asks for no TLS: Envoy closes TLS connections for the name"
                     : "nobody has the host: Envoy closes TLS connections for the name");
}

/* ---- clusters ---- */

static void add_clusters(struct explain_work *w, const struct cluster *clusters, size_t n)
{
        struct explanation *out = w->out;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
                sum += clusters[i].weight;
        out->clusters = arena_calloc(w->a, n, sizeof(*out->clusters));
        out->cluster_count = n;
        for (size_t i = 0; i < n; i++) {
                const struct cluster *c = &clusters[i];
                const bool counted = !c->missing && !c->external_name;
                out->clusters[i] = (struct explain_cluster){
                        .cluster = c,
                        .percent = sum ? 100.0 * (double)c->weight / (double)sum : 100.0 / (double)n,
                        .endpoints = counted ? w->in->count_endpoints(c, w->in->arg) : 0,
                };
        }
}

static bool is_there(const struct explain_cluster *c)
{
        return !c->cluster->missing && (c->cluster->external_name || c->endpoints);
}

/* What a share of the requests meets: all good, some, none. */
static void answer_clusters(struct explain_work *w, enum explain_answer good, const char *reason)
{
        bool any = false, all = true;
        for (size_t i = 0; i < w->out->cluster_count; i++) {
                const struct explain_cluster *c = &w->out->clusters[i];
                if (c->percent <= 0)
                        continue;
                any |= is_there(c);
                all &= is_there(c);
        }
        w->out->served = any;
        if (all)
                answer(w, good, reason);
        else if (any)
                answer(w, good, "a part of it: some of the services have no endpoint");
        else if (good == EXPLAIN_PROXIED)
                answer(w, EXPLAIN_CLOSED, "no endpoint is there: Envoy closes the connection");
        else
                answer(w, EXPLAIN_UNAVAILABLE, "no endpoint is there: Envoy answers 503");
}

/* ---- routes ---- */

bool explain_covers(const struct explain_work *w, const char *match, bool exact)
{
        AUTO(arena) *scratch = arena_new(256);
        const char *escaped = syntax_path_escape(scratch, match);
        return exact ? str_equal(escaped, w->url->path) : syntax_path_covers(escaped, w->url->path);
}

/* Routes are in the order in which Envoy tries them. */
static const struct route *find_route(const struct explain_work *w, const struct host *h)
{
        for (size_t i = 0; i < h->route_count; i++) {
                if (explain_covers(w, h->routes[i].match, h->routes[i].exact))
                        return &h->routes[i];
        }
        return NULL;
}

/* The rewrite takes the place of the match, with one slash between it and the rest. */
static const char *forwarded_path(const struct explain_work *w, const struct route *r)
{
        if (!r->prefix_rewrite || r->exact)
                return arena_printf(w->a, "%s%s", w->url->path, w->url->query);
        const char *match = syntax_path_escape(w->a, r->match);
        const char *to = syntax_path_escape(w->a, r->prefix_rewrite);
        const char *rest = w->url->path + strlen(match);
        const bool whole = str_equal(match, "/");
        const bool slash = str_has_suffix(to, "/");
        if (whole && !slash)
                return arena_printf(w->a, "%s/%s%s", to, rest, w->url->query);
        return arena_printf(w->a, "%s%s%s", to, rest + (slash && !whole && *rest == '/'), w->url->query);
}

static void answer_route(struct explain_work *w, const struct route *r)
{
        if (r->action != ROUTE_FORWARD || !r->cluster_count) {
                answer(w, EXPLAIN_UNAVAILABLE, "the route is cut off: Envoy answers 503; the findings say why");
                return;
        }
        w->out->forwarded_path = forwarded_path(w, r);
        add_clusters(w, r->clusters, r->cluster_count);
        answer_clusters(w, EXPLAIN_FORWARDED, "a route matches and its services are there");
}

/* ---- sides ---- */

static void answer_tcpproxy(struct explain_work *w, const struct host *h)
{
        if (!h->tcpproxy->cluster_count) {
                answer(w, EXPLAIN_CLOSED, "the tcpproxy has no service that can be used: Envoy closes the connection");
                return;
        }
        add_clusters(w, h->tcpproxy->clusters, h->tcpproxy->cluster_count);
        answer_clusters(w, EXPLAIN_PROXIED,
                        h->tls->passthrough ? "TLS is passed through to the services by its server name"
                                            : "the connection's TLS ends at Envoy, its bytes go to the services");
}

static void answer_tls(struct explain_work *w, const struct host *h)
{
        if (h->tls->broken)
                answer(w, EXPLAIN_CLOSED, "TLS is asked for and cannot be had: Envoy closes connections for the name");
        else if (h->tcpproxy)
                answer_tcpproxy(w, h);
        else if (h->tls->passthrough)
                answer(w, EXPLAIN_CLOSED, "TLS is passed through and there is no tcpproxy: the connection is closed");
        else if (w->out->route)
                answer_route(w, w->out->route);
        else
                answer(w, h->route_count ? EXPLAIN_NOT_FOUND : EXPLAIN_UNAVAILABLE,
                       h->route_count ? "no route of the host covers the path: Envoy answers 404"
                                      : "the host has no route: Envoy answers 503");
}

/* Whether plain HTTP sends the client to HTTPS. */
static bool redirects(const struct host *h, const struct route *r)
{
        return h->tls && !h->tls->broken && !r->insecure && !r->no_http;
}

static void answer_plain(struct explain_work *w, const struct host *h)
{
        const struct route *r = w->out->route;
        if (!r)
                answer(w, h->route_count ? EXPLAIN_NOT_FOUND : EXPLAIN_UNAVAILABLE,
                       h->route_count ? "no route of the host covers the path: Envoy answers 404"
                                      : "the host has no route: Envoy answers 503");
        else if (r->no_http)
                answer(w, EXPLAIN_UNAVAILABLE, "the Ingress forbids plain HTTP (allow-http): Envoy answers 503");
        else
                answer_route(w, r);
}

/* A redirect is followed: all else tells what HTTPS answers. */
static void look(struct explain_work *w)
{
        const struct host *h = find_host(w);
        w->out->host = h;
        if (!h) {
                answer_no_host(w);
                return;
        }
        const bool routed = !w->tls || (!h->tcpproxy && !h->tls->broken);
        w->out->route = routed ? find_route(w, h) : NULL;
        if (!w->tls && w->out->route && redirects(h, w->out->route)) {
                w->out->redirected = true;
                w->tls = true;
                look(w);
        } else if (w->tls) {
                answer_tls(w, h);
        } else {
                answer_plain(w, h);
        }
}

void explain(struct arena *a, const struct explain_input *in, const struct explain_url *url, struct explanation *out)
{
        *out = (struct explanation){.findings = {.arena = a}};
        struct explain_work w = {.a = a, .in = in, .url = url, .tls = url->tls, .out = out};
        look(&w);
        if (out->host) {
                explain_chain(&w);
                explain_findings(&w);
        }
        explain_stopped(&w);
        if (in->from)
                explain_from(&w);
}
