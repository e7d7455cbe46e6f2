/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/explain_json.h"

#include "base/json_text.h"
#include "base/time.h"
#include "xds/translate_endpoint.h"

#include <inttypes.h>
#include <string.h>

enum { ADDRESSES_MAX = 100 }; /* of one service */

/* ---- writing: a comma stands before all but the first of an object or list ---- */

static void next(struct buf *b)
{
        const char last = buf_len(b) ? buf_data(b)[buf_len(b) - 1] : '{';
        if (last != '{' && last != '[')
                buf_append_char(b, ',');
}

static void key(struct buf *b, const char *name)
{
        next(b);
        buf_printf(b, "\"%s\":", name);
}

static void add_string(struct buf *b, const char *name, const char *value)
{
        if (!value)
                return;
        key(b, name);
        json_text_string(b, value);
}

static void add_bool(struct buf *b, const char *name, bool value)
{
        key(b, name);
        buf_append_str(b, value ? "true" : "false");
}

static void add_number(struct buf *b, const char *name, uint64_t value)
{
        key(b, name);
        buf_printf(b, "%" PRIu64, value);
}

static void add_duration(struct buf *b, const char *name, int64_t nanoseconds)
{
        char text[TIME_TEXT_MAX];
        duration_format(nanoseconds, text);
        add_string(b, name, text);
}

static void add_ref(struct buf *b, const struct object_ref *ref)
{
        add_string(b, "kind", kind_info(ref->kind)->name);
        add_string(b, "namespace", ref->namespace);
        add_string(b, "name", ref->name);
}

/* ---- parts ---- */

static void add_findings(struct buf *b, const struct findings *list)
{
        key(b, "findings");
        buf_append_char(b, '[');
        for (size_t i = 0; i < list->count; i++) {
                const struct finding *f = &list->items[i];
                next(b);
                buf_append_char(b, '{');
                add_ref(b, &f->about);
                add_string(b, "rule", rule_info(f->rule)->name);
                add_string(b, "field", f->field);
                add_string(b, "message", f->message);
                buf_append_char(b, '}');
        }
        buf_append_char(b, ']');
}

static const char *tls_name(const struct host_tls *tls)
{
        return !tls ? "none" : tls->broken ? "broken" : tls->passthrough ? "passthrough" : "terminated";
}

static void add_host(struct buf *b, const struct host *h)
{
        if (!h)
                return;
        key(b, "host");
        buf_append_char(b, '{');
        add_string(b, "name", h->name);
        key(b, "owner");
        buf_append_char(b, '{');
        add_ref(b, h->owner);
        buf_append_char(b, '}');
        add_string(b, "tls", tls_name(h->tls));
        if (h->tls && h->tls->secret_name) {
                add_string(b, "secretNamespace", h->tls->secret_namespace);
                add_string(b, "secretName", h->tls->secret_name);
        }
        buf_append_char(b, '}');
}

static void add_chain(struct buf *b, const struct explanation *x)
{
        key(b, "chain");
        buf_append_char(b, '[');
        for (size_t i = 0; i < x->chain_count; i++) {
                next(b);
                buf_append_char(b, '{');
                add_ref(b, &x->chain[i].object);
                add_string(b, "prefix", x->chain[i].prefix);
                add_string(b, "field", x->chain[i].field);
                buf_append_char(b, '}');
        }
        buf_append_char(b, ']');
}

static void add_timeout(struct buf *b, const struct route *r)
{
        if (r->timeout == TIMEOUT_DEFAULT)
                add_string(b, "timeout", "15s");
        else if (r->timeout == TIMEOUT_INFINITY)
                add_string(b, "timeout", "infinity");
        else
                add_duration(b, "timeout", r->timeout);
}

static void add_route(struct buf *b, const struct explanation *x)
{
        const struct route *r = x->route;
        if (!r)
                return;
        key(b, "route");
        buf_append_char(b, '{');
        add_string(b, "match", r->match);
        add_string(b, "type", r->exact ? "exact" : "prefix");
        add_ref(b, r->source);
        add_string(b, "forwardedPath", x->forwarded_path);
        if (r->action == ROUTE_FORWARD) {
                add_timeout(b, r);
                add_number(b, "retries", r->retry_count);
                if (r->retry_count)
                        add_string(b, "retryOn", r->retry_on);
                if (r->retry_count && r->per_try_timeout)
                        add_duration(b, "perTryTimeout", r->per_try_timeout);
                add_bool(b, "websockets", r->websockets);
        }
        buf_append_char(b, '}');
}

/* ---- clusters ---- */

static const char *protocol_name(enum cluster_protocol protocol)
{
        switch (protocol) {
        case PROTOCOL_HTTP1:
                return "http/1.1";
        case PROTOCOL_H2:
                return "h2";
        case PROTOCOL_H2C:
                return "h2c";
        case PROTOCOL_TLS:
                return "tls";
        }
        return "";
}

static const char *strategy_name(enum cluster_strategy strategy)
{
        switch (strategy) {
        case STRATEGY_ROUND_ROBIN:
                return "RoundRobin";
        case STRATEGY_WEIGHTED_LEAST_REQUEST:
                return "WeightedLeastRequest";
        case STRATEGY_RANDOM:
                return "Random";
        case STRATEGY_RING_HASH:
                return "RingHash";
        case STRATEGY_MAGLEV:
                return "Maglev";
        case STRATEGY_COOKIE:
                return "Cookie";
        }
        return "";
}

static void add_endpoints(struct buf *b, const struct cluster *c, const struct view *v)
{
        AUTO(arena) *a = arena_new(4096);
        struct endpoints found;
        endpoints_find(v, a, c->namespace, c->service, c->port_name, &found);
        const struct endpoint_targets *used = endpoints_in_use(&found);
        key(b, "endpoints");
        buf_append_char(b, '{');
        add_number(b, "ready", found.ready.count);
        add_number(b, "terminating", found.draining.count);
        add_number(b, "notReady", found.others);
        key(b, "addresses");
        buf_append_char(b, '[');
        for (size_t i = 0; i < used->count && i < ADDRESSES_MAX; i++) {
                const bool v6 = strchr(used->items[i].address, ':') != NULL;
                next(b);
                json_text_string(b, arena_printf(a, "%s%s%s:%u", v6 ? "[" : "", used->items[i].address, v6 ? "]" : "",
                                                 (unsigned)used->items[i].port));
        }
        buf_append_str(b, "]}");
}

static void add_cluster(struct buf *b, const struct explain_cluster *x, const struct view *v)
{
        const struct cluster *c = x->cluster;
        next(b);
        buf_append_char(b, '{');
        add_string(b, "namespace", c->namespace);
        add_string(b, "service", c->service);
        add_number(b, "port", c->port);
        add_number(b, "weight", c->weight);
        key(b, "percent");
        buf_printf(b, "%.4g", x->percent);
        add_bool(b, "missing", c->missing);
        add_string(b, "externalName", c->external_name);
        if (!c->missing) {
                add_string(b, "protocol", protocol_name(c->protocol));
                add_string(b, "strategy", strategy_name(c->strategy));
        }
        if (!c->missing && !c->external_name)
                add_endpoints(b, c, v);
        buf_append_char(b, '}');
}

static void add_clusters(struct buf *b, const struct explanation *x, const struct view *v)
{
        key(b, "clusters");
        buf_append_char(b, '[');
        for (size_t i = 0; i < x->cluster_count; i++)
                add_cluster(b, &x->clusters[i], v);
        buf_append_char(b, ']');
}

/* ---- who does not ---- */

static void add_stopped(struct buf *b, const struct explanation *x)
{
        key(b, "stopped");
        buf_append_char(b, '[');
        for (size_t i = 0; i < x->stopped_count; i++) {
                next(b);
                buf_append_char(b, '{');
                add_ref(b, &x->stopped[i].object);
                add_string(b, "match", x->stopped[i].match);
                add_string(b, "rule", x->stopped[i].rule);
                add_string(b, "message", x->stopped[i].message);
                buf_append_char(b, '}');
        }
        buf_append_char(b, ']');
}

static void add_from(struct buf *b, const struct explain_from *from)
{
        if (!from)
                return;
        key(b, "from");
        buf_append_char(b, '{');
        add_ref(b, &from->object);
        add_bool(b, "answers", from->answers);
        add_string(b, "reason", from->reason);
        add_findings(b, &from->findings);
        buf_append_char(b, '}');
}

static void add_notes(struct buf *b, const char *const *notes)
{
        key(b, "notes");
        buf_append_char(b, '[');
        for (; *notes; notes++) {
                next(b);
                json_text_string(b, *notes);
        }
        buf_append_char(b, ']');
}

/* The status that Envoy answers itself with; 0: the upstream's, or none. */
static unsigned status_of(enum explain_answer answer)
{
        return answer == EXPLAIN_UNAVAILABLE ? 503 : answer == EXPLAIN_NOT_FOUND ? 404 : 0;
}

void explain_json(struct buf *out, const char *written, const struct explain_url *url, const struct explanation *x,
                  const struct view *v, const char *const *notes)
{
        buf_append_char(out, '{');
        add_string(out, "url", written);
        add_string(out, "scheme", url->tls ? "https" : "http");
        add_string(out, "requestedHost", url->host);
        add_string(out, "path", url->path);
        add_bool(out, "served", x->served);
        add_string(out, "answer", explain_answer_name(x->answer));
        if (status_of(x->answer))
                add_number(out, "status", status_of(x->answer));
        add_string(out, "reason", x->reason);
        add_bool(out, "redirected", x->redirected);
        add_host(out, x->host);
        add_chain(out, x);
        add_route(out, x);
        add_clusters(out, x, v);
        add_findings(out, &x->findings);
        add_stopped(out, x);
        add_from(out, x->from);
        add_notes(out, notes);
        buf_append_str(out, "}\n");
}
