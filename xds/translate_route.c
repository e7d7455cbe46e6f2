/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Envoy v3 API reference, config.route.v3. */
#include "xds/translate_route.h"

#include "dag/syntax.h"
#include "xds/message.h"
#include "xds/weights.h"

#include <envoy/config/route/v3/route.pb-c.h>
#include <string.h>

#define SESSION_COOKIE "X-Contour-Session-Affinity"

enum {
        STATUS_MISDIRECTED = 421,
        STATUS_UNAVAILABLE = 503,
        VIRTUAL_HOSTS_FIELD = 2, /* of RouteConfiguration */
};

const char *https_routes_name(struct arena *a, const char *host)
{
        return arena_printf(a, HTTPS_ROUTES_PREFIX "%s", host);
}

/* ---- what matches ---- */

static Envoy__RouteMatch *match_path(struct arena *a, const char *path)
{
        Envoy__RouteMatch *m = message_new(a, &envoy__route_match__descriptor);
        m->path_specifier_case = ENVOY__ROUTE_MATCH__PATH_SPECIFIER_PATH;
        m->path = path;
        return m;
}

/* Every path that begins with these characters. */
static Envoy__RouteMatch *match_prefix(struct arena *a, const char *prefix)
{
        Envoy__RouteMatch *m = message_new(a, &envoy__route_match__descriptor);
        m->path_specifier_case = ENVOY__ROUTE_MATCH__PATH_SPECIFIER_PREFIX;
        m->prefix = prefix;
        return m;
}

/* A prefix at segment boundaries: "/foo" and "/foo/bar", not "/foobar". */
static Envoy__RouteMatch *match_segments(struct arena *a, const char *prefix)
{
        if (str_equal(prefix, "/"))
                return match_prefix(a, prefix);
        Envoy__RouteMatch *m = message_new(a, &envoy__route_match__descriptor);
        m->path_specifier_case = ENVOY__ROUTE_MATCH__PATH_SPECIFIER_PATH_SEPARATED_PREFIX;
        m->path_separated_prefix = prefix;
        return m;
}

/* ---- what is done ---- */

static void set_status(struct arena *a, Envoy__Route *m, uint32_t status)
{
        m->action_case = ENVOY__ROUTE__ACTION_DIRECT_RESPONSE;
        m->direct_response = message_new(a, &envoy__direct_response_action__descriptor);
        m->direct_response->status = status;
}

static void set_redirect_to_https(struct arena *a, Envoy__Route *m)
{
        m->action_case = ENVOY__ROUTE__ACTION_REDIRECT;
        m->redirect = message_new(a, &envoy__redirect_action__descriptor);
        m->redirect->response_code = ENVOY__REDIRECT_ACTION__REDIRECT_RESPONSE_CODE__MOVED_PERMANENTLY;
        m->redirect->scheme_rewrite_specifier_case = ENVOY__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_HTTPS_REDIRECT;
        m->redirect->https_redirect = true;
}

/* A cluster that Envoy does not know, as a missing Service's, answers 503 for its share (RouteAction.
 * cluster_not_found_response_code). */
static void set_clusters(struct arena *a, Envoy__RouteAction *action, const struct route *r)
{
        struct weights w = weights_of(a, r->clusters, r->cluster_count, USE_PROTOCOL);
        if (w.count == 1) {
                action->cluster_specifier_case = ENVOY__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER;
                action->cluster = w.items[0].cluster;
                return;
        }
        Envoy__WeightedCluster *weighted = message_new(a, &envoy__weighted_cluster__descriptor);
        weighted->n_clusters = w.count;
        weighted->clusters = arena_calloc(a, w.count, sizeof(*weighted->clusters));
        for (size_t i = 0; i < w.count; i++) {
                weighted->clusters[i] = message_new(a, &envoy__weighted_cluster__cluster_weight__descriptor);
                weighted->clusters[i]->name = w.items[i].cluster;
                weighted->clusters[i]->weight = message_uint32(a, w.items[i].weight);
        }
        action->cluster_specifier_case = ENVOY__ROUTE_ACTION__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS;
        action->weighted_clusters = weighted;
}

static bool has_session_cookie(const struct route *r)
{
        for (size_t i = 0; i < r->cluster_count; i++) {
                if (r->clusters[i].strategy == STRATEGY_COOKIE)
                        return true;
        }
        return false;
}

/* A session cookie: with a ttl of 0 said explicitly Envoy makes one, without any it only reads it. */
static void set_session_cookie(struct arena *a, Envoy__RouteAction *action)
{
        Envoy__RouteAction__HashPolicy__Cookie *cookie =
                message_new(a, &envoy__route_action__hash_policy__cookie__descriptor);
        cookie->name = SESSION_COOKIE;
        cookie->path = "/";
        cookie->ttl = message_duration(a, 0);
        Envoy__RouteAction__HashPolicy *policy = message_new(a, &envoy__route_action__hash_policy__descriptor);
        policy->policy_specifier_case = ENVOY__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_COOKIE;
        policy->cookie = cookie;
        action->hash_policy = message_one(a, policy);
        action->n_hash_policy = 1;
}

static Envoy__RetryPolicy *retry_policy(struct arena *a, const struct route *r)
{
        Envoy__RetryPolicy *m = message_new(a, &envoy__retry_policy__descriptor);
        m->retry_on = r->retry_on;
        m->num_retries = message_uint32(a, r->retry_count);
        if (r->per_try_timeout)
                m->per_try_timeout = message_duration(a, r->per_try_timeout);
        return m;
}

static Envoy__RouteAction *forward(struct arena *a, const struct route *r)
{
        Envoy__RouteAction *action = message_new(a, &envoy__route_action__descriptor);
        set_clusters(a, action, r);
        if (r->timeout != TIMEOUT_DEFAULT)
                action->timeout = message_duration(a, r->timeout); /* 0: none, for Envoy as for us */
        if (r->retry_count)
                action->retry_policy = retry_policy(a, r);
        if (has_session_cookie(r))
                set_session_cookie(a, action);
        if (r->websockets) {
                Envoy__RouteAction__UpgradeConfig *upgrade =
                        message_new(a, &envoy__route_action__upgrade_config__descriptor);
                upgrade->upgrade_type = "websocket";
                action->upgrade_configs = message_one(a, upgrade);
                action->n_upgrade_configs = 1;
        }
        return action;
}

/* ---- routes ---- */

enum side { SIDE_PLAIN, SIDE_TLS };
enum answer { ANSWER_FORWARD, ANSWER_REDIRECT, ANSWER_UNAVAILABLE };

/* What is cut off or not for plain HTTP answers itself: it never falls to a shorter route, which may be another's. */
static enum answer answer_of(const struct host *h, const struct route *r, enum side side)
{
        if (side == SIDE_PLAIN && r->no_http)
                return ANSWER_UNAVAILABLE;
        if (side == SIDE_PLAIN && h->tls && !h->tls->broken && !r->insecure)
                return ANSWER_REDIRECT;
        return r->action == ROUTE_FORWARD && r->cluster_count ? ANSWER_FORWARD : ANSWER_UNAVAILABLE;
}

static Envoy__Route *add_route(struct arena *a, Envoy__VirtualHost *vhost, Envoy__RouteMatch *match)
{
        Envoy__Route *m = message_new(a, &envoy__route__descriptor);
        m->match = match;
        *arena_push(a, &vhost->routes, &vhost->n_routes) = m;
        return m;
}

static void add_forward(struct arena *a, Envoy__VirtualHost *vhost, Envoy__RouteMatch *match, const struct route *r,
                        const char *rewrite)
{
        Envoy__Route *m = add_route(a, vhost, match);
        m->action_case = ENVOY__ROUTE__ACTION_ROUTE;
        m->route = forward(a, r);
        if (rewrite)
                m->route->prefix_rewrite = rewrite;
}

/*
 * Envoy puts the rewrite in the place of the matched characters, so both must end alike, with a slash or without:
 * "/root" to "/" would make "//x" of "/root/x". Then "/root" itself and what lies below it are two routes.
 */
static void add_rewritten(struct arena *a, Envoy__VirtualHost *vhost, const struct route *r)
{
        const char *from = syntax_path_escape(a, r->match);
        const char *to = syntax_path_escape(a, r->prefix_rewrite);
        bool to_slash = str_has_suffix(to, "/");
        if (str_equal(from, "/")) {
                add_forward(a, vhost, match_prefix(a, "/"), r, to_slash ? to : arena_printf(a, "%s/", to));
        } else if (!to_slash) {
                add_forward(a, vhost, match_segments(a, from), r, to);
        } else {
                add_forward(a, vhost, match_path(a, from), r, to);
                add_forward(a, vhost, match_prefix(a, arena_printf(a, "%s/", from)), r, to);
        }
}

#ifdef GATEHOUSE_TEST
/* End-to-end tests need bytes that a real Envoy refuses, and nothing that a user writes should lead to any. */
static bool add_refused(struct arena *a, Envoy__VirtualHost *vhost, const char *path)
{
        if (!str_equal(path, "/refused-by-envoy"))
                return false;
        set_status(a, add_route(a, vhost, match_path(a, path)), 1); /* less than 200 is no status of an answer */
        return true;
}
#else
static bool add_refused(struct arena *a, Envoy__VirtualHost *vhost, const char *path)
{
        (void)a, (void)vhost, (void)path;
        return false;
}
#endif

static void add_one(struct arena *a, Envoy__VirtualHost *vhost, const struct host *h, const struct route *r,
                    enum side side)
{
        const char *path = syntax_path_escape(a, r->match);
        if (add_refused(a, vhost, path))
                return;
        Envoy__RouteMatch *match = r->exact ? match_path(a, path) : match_segments(a, path);
        switch (answer_of(h, r, side)) {
        case ANSWER_REDIRECT:
                set_redirect_to_https(a, add_route(a, vhost, match));
                break;
        case ANSWER_UNAVAILABLE:
                set_status(a, add_route(a, vhost, match), STATUS_UNAVAILABLE);
                break;
        case ANSWER_FORWARD:
                if (r->prefix_rewrite && !r->exact) /* an Ingress, which alone has exact paths, rewrites nothing */
                        add_rewritten(a, vhost, r);
                else
                        add_forward(a, vhost, match, r, NULL);
        }
}

/* A host without any route is served nothing: 503, where Envoy would say 404. */
static Envoy__VirtualHost *virtual_host(struct arena *a, const struct host *h, enum side side)
{
        Envoy__VirtualHost *vhost = message_new(a, &envoy__virtual_host__descriptor);
        vhost->name = h->name;
        vhost->domains = message_one_string(a, h->name);
        vhost->n_domains = 1;
        for (size_t i = 0; i < h->route_count; i++)
                add_one(a, vhost, h, &h->routes[i], side);
        if (!h->route_count)
                set_status(a, add_route(a, vhost, match_prefix(a, "/")), STATUS_UNAVAILABLE);
        return vhost;
}

struct resource *translate_virtual_host(const struct host *h)
{
        if (!h->owner)
                return NULL;
        AUTO(arena) *a = arena_new(4096);
        return resource_pack(RESOURCE_VIRTUAL_HOST, h->name, &virtual_host(a, h, SIDE_PLAIN)->base);
}

/* ---- configurations ---- */

static Envoy__RouteConfiguration *configuration(struct arena *a, const char *name)
{
        Envoy__RouteConfiguration *m = message_new(a, &envoy__route_configuration__descriptor);
        m->name = name;
        m->ignore_port_in_host_matching = true;
        Envoy__HeaderValueOption *option = message_new(a, &envoy__header_value_option__descriptor);
        option->append_action = ENVOY__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__APPEND_IF_EXISTS_OR_ADD;
        option->header = message_new(a, &envoy__header_value__descriptor);
        option->header->key = "x-request-start";
        option->header->value = "t=%START_TIME(%s.%3f)%";
        m->request_headers_to_add = message_one(a, option);
        m->n_request_headers_to_add = 1;
        return m;
}

struct resource *translate_http_routes(const struct resource *const *virtual_hosts, size_t n)
{
        AUTO(arena) *a = arena_new(1024);
        return resource_assemble(RESOURCE_ROUTE_CONFIGURATION, HTTP_ROUTES_NAME,
                                 &configuration(a, HTTP_ROUTES_NAME)->base, VIRTUAL_HOSTS_FIELD, virtual_hosts, n);
}

bool host_has_https_routes(const struct host *h)
{
        return h->owner && h->tls && !h->tls->broken && !h->tls->passthrough && !h->tcpproxy &&
               !str_equal(h->name, "*");
}

/* RFC 9110, section 15.5.20: a client that reuses a connection for another name is told to open its own. */
static Envoy__VirtualHost *misdirected(struct arena *a)
{
        Envoy__VirtualHost *vhost = message_new(a, &envoy__virtual_host__descriptor);
        vhost->name = "*";
        vhost->domains = message_one_string(a, "*");
        vhost->n_domains = 1;
        set_status(a, add_route(a, vhost, match_prefix(a, "/")), STATUS_MISDIRECTED);
        return vhost;
}

struct resource *translate_https_routes(const struct host *h)
{
        if (!host_has_https_routes(h))
                return NULL;
        AUTO(arena) *a = arena_new(4096);
        Envoy__RouteConfiguration *m = configuration(a, https_routes_name(a, h->name));
        m->virtual_hosts = arena_calloc(a, 2, sizeof(Envoy__VirtualHost *));
        m->virtual_hosts[m->n_virtual_hosts++] = virtual_host(a, h, SIDE_TLS);
        m->virtual_hosts[m->n_virtual_hosts++] = misdirected(a);
        return resource_pack(RESOURCE_ROUTE_CONFIGURATION, m->name, &m->base);
}
