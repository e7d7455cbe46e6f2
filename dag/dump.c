/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Graphviz, "DOT Language": a quoted ID escapes only the quote; \n and the like are escapes of labels. */
#include "dag/dump.h"

#include <inttypes.h>
#include <string.h>

static void add_quoted(struct buf *out, const char *prefix, const char *s)
{
        buf_printf(out, "\"%s", prefix);
        for (; *s; s++) {
                if (*s == '"' || *s == '\\')
                        buf_append_char(out, '\\');
                if ((unsigned char)*s >= 0x20)
                        buf_append_char(out, *s);
        }
        buf_append_char(out, '"');
}

void dump_begin(struct buf *out)
{
        buf_append_str(out, "digraph gatehouse {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
}

void dump_end(struct buf *out)
{
        buf_append_str(out, "}\n");
}

/* The edge from a route to one of its services. */
static void add_cluster(struct buf *out, const char *route_id, const struct cluster *c)
{
        AUTO(buf) *id = buf_new(1024);
        buf_printf(id, "%s/%s:%u", c->namespace, c->service, c->port);
        buf_append_str(out, "  ");
        add_quoted(out, "route ", route_id);
        buf_append_str(out, " -> ");
        add_quoted(out, "service ", buf_data(id));
        if (c->weight)
                buf_printf(out, " [label=\"%" PRIu32 "\"]", c->weight);
        buf_append_str(out, ";\n  ");
        add_quoted(out, "service ", buf_data(id));
        buf_append_str(out, " [label=");
        add_quoted(out, "", buf_data(id));
        buf_append_str(out, c->missing ? ", shape=ellipse, style=dashed];\n" : ", shape=ellipse];\n");
}

static void add_route(struct buf *out, const struct host *h, const struct route *r)
{
        AUTO(buf) *id = buf_new(4096);
        AUTO(buf) *label = buf_new(4096);
        buf_printf(id, "%s%s%s", h->name, r->exact ? " = " : "", r->match);
        buf_printf(label, "%s%s%s", r->exact ? "= " : "", r->match, r->action == ROUTE_FORWARD ? "" : " (503)");
        AUTO(buf) *source = buf_new(1024);
        buf_printf(source, "%s %s/%s", kind_info(r->source->kind)->name, r->source->namespace, r->source->name);
        buf_append_str(out, "  ");
        add_quoted(out, "host ", h->name);
        buf_append_str(out, " -> ");
        add_quoted(out, "route ", buf_data(id));
        buf_append_str(out, " [label=");
        add_quoted(out, "", buf_data(source));
        buf_append_str(out, "];\n  ");
        add_quoted(out, "route ", buf_data(id));
        buf_append_str(out, " [label=");
        add_quoted(out, "", buf_data(label));
        buf_append_str(out, "];\n");
        for (size_t i = 0; i < r->cluster_count; i++)
                add_cluster(out, buf_data(id), &r->clusters[i]);
}

void dump_host(struct buf *out, const struct host *h)
{
        AUTO(buf) *label = buf_new(2048);
        buf_append_str(label, h->name);
        if (h->tls)
                buf_printf(label, " (TLS%s)", h->tls->broken ? ": broken" : h->tls->passthrough ? " passthrough" : "");
        buf_append_str(out, "  ");
        add_quoted(out, "host ", h->name);
        buf_append_str(out, " [shape=house, label=");
        add_quoted(out, "", buf_data(label));
        buf_append_str(out, "];\n");
        for (size_t i = 0; i < h->route_count; i++)
                add_route(out, h, &h->routes[i]);
}
