/* SPDX-License-Identifier: Apache-2.0 */
/* host_text - a host as text, everything in it: what host_equal() compares and what tests read. */
#include "dag/host.h"

#include <inttypes.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 64 * 1024 * 1024 };

static void add_cluster(struct buf *out, const struct cluster *c)
{
        static const char *const protocols[] = {"http1", "h2", "h2c", "tls"};
        static const char *const strategies[] = {"RoundRobin", "WeightedLeastRequest", "Random", "RingHash", "Maglev",
                                                 "Cookie"};
        buf_printf(out, "    cluster %s/%s/%u", c->namespace, c->service, c->port);
        if (c->missing)
                buf_append_str(out, " missing");
        buf_printf(out, " port_name=%s weight=%" PRIu32 " %s %s", c->port_name, c->weight, protocols[c->protocol],
                   strategies[c->strategy]);
        if (c->external_name)
                buf_printf(out, " external=%s", c->external_name);
        if (c->health_check)
                buf_printf(out, " health=%s,%s,%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32, c->health_check->path,
                           c->health_check->host, c->health_check->interval, c->health_check->timeout,
                           c->health_check->unhealthy, c->health_check->healthy);
        if (c->validation)
                buf_printf(out, " validation=%s/%s,%s", c->validation->ca_namespace, c->validation->ca_secret,
                           c->validation->subject_name);
        if (c->circuit_breaker)
                buf_printf(out, " limits=%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64,
                           c->circuit_breaker->max_connections, c->circuit_breaker->max_pending_requests,
                           c->circuit_breaker->max_requests, c->circuit_breaker->max_retries);
        buf_append_char(out, '\n');
}

static void add_flag(struct buf *out, bool on, const char *name)
{
        if (on)
                buf_printf(out, " %s", name);
}

static void add_route(struct buf *out, const struct route *r)
{
        buf_printf(out, "  %s %s %s from %s %s/%s[%" PRIu32 "]", r->exact ? "exact" : "prefix", r->match,
                   r->action == ROUTE_FORWARD ? "forward" : "503", kind_info(r->source->kind)->name,
                   r->source->namespace, r->source->name, r->index);
        add_flag(out, r->websockets, "websockets");
        add_flag(out, r->insecure, "insecure");
        add_flag(out, r->no_http, "no_http");
        if (r->prefix_rewrite)
                buf_printf(out, " rewrite=%s", r->prefix_rewrite);
        if (r->timeout != TIMEOUT_DEFAULT)
                buf_printf(out, " timeout=%" PRId64, r->timeout);
        if (r->retry_on)
                buf_printf(out, " retry=%s,%" PRIu32 ",%" PRId64, r->retry_on, r->retry_count, r->per_try_timeout);
        buf_append_char(out, '\n');
        for (size_t i = 0; i < r->cluster_count; i++)
                add_cluster(out, &r->clusters[i]);
}

static void add_finding(struct buf *out, const char *what, const struct finding *f)
{
        buf_printf(out, "    %s %s: %s [%s]%s (%s)\n", what, f->field, f->message, rule_info(f->rule)->name,
                   f->denies ? " denies" : "", f->subject);
}

static void add_object(struct buf *out, const struct host_object *o)
{
        buf_printf(out, "  object %s %s/%s", kind_info(o->ref.kind)->name, o->ref.namespace, o->ref.name);
        add_flag(out, o->owner, "owner");
        add_flag(out, o->reached, "reached");
        if (o->claim_since == CLAIM_NOW)
                buf_append_str(out, " claim=now");
        else if (o->claim_since)
                buf_printf(out, " claim=%" PRId64, o->claim_since);
        for (size_t i = 0; i < o->served_words; i++)
                buf_printf(out, " %" PRIx64, o->served[i]);
        buf_append_char(out, '\n');
        for (size_t i = 0; i < o->finding_count; i++)
                add_finding(out, "finding", &o->findings[i]);
        for (size_t i = 0; i < o->outside_count; i++) {
                const struct host_outside *x = &o->outside[i];
                buf_printf(out, "    outside route %" PRIu32 " of %s/%s\n", x->route, x->parent.namespace,
                           x->parent.name);
                if (x->finding)
                        add_finding(out, "child", x->finding);
                if (x->at_parent)
                        add_finding(out, "parent", x->at_parent);
        }
}

static void add_tls(struct buf *out, const struct host_tls *tls)
{
        static const char *const versions[] = {"1.1", "1.2", "1.3"};
        buf_append_str(out, "  tls");
        add_flag(out, tls->broken, "broken");
        add_flag(out, tls->passthrough, "passthrough");
        if (tls->secret_name)
                buf_printf(out, " %s/%s", tls->secret_namespace, tls->secret_name);
        buf_printf(out, " %s\n", versions[tls->minimum]);
}

void host_text(struct buf *out, const struct host *h)
{
        buf_printf(out, "host %s", h->name);
        if (h->owner)
                buf_printf(out, " owner %s %s/%s", kind_info(h->owner->kind)->name, h->owner->namespace,
                           h->owner->name);
        buf_append_char(out, '\n');
        if (h->tls)
                add_tls(out, h->tls);
        if (h->tcpproxy)
                buf_append_str(out, "  tcpproxy\n");
        for (size_t i = 0; h->tcpproxy && i < h->tcpproxy->cluster_count; i++)
                add_cluster(out, &h->tcpproxy->clusters[i]);
        for (size_t i = 0; i < h->route_count; i++)
                add_route(out, &h->routes[i]);
        for (size_t i = 0; i < h->object_count; i++)
                add_object(out, &h->objects[i]);
}

bool host_equal(const struct host *a, const struct host *b)
{
        AUTO(buf) *x = buf_new(TEXT_MAX_BYTES);
        AUTO(buf) *y = buf_new(TEXT_MAX_BYTES);
        host_text(x, a);
        host_text(y, b);
        /* What is too long to compare is taken as changed. */
        return !buf_full(x) && !buf_full(y) && buf_len(x) == buf_len(y) &&
               memcmp(buf_data(x), buf_data(y), buf_len(x)) == 0;
}
