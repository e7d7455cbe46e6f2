/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/page.h"

#include "base/time.h"
#include "cmd/html.h"
#include "cmd/page_style.h"

#include <inttypes.h>
#include <string.h>

/* ---- small pieces ---- */

/* <tag class="class">text</tag> */
static void element(struct buf *out, const char *tag, const char *class, const char *text)
{
        buf_printf(out, *class ? "<%s class=\"%s\">" : "<%s%s>", tag, class);
        html_text(out, text);
        buf_printf(out, "</%s>", tag);
}

/* A table's cell; on a phone it is shown behind its name. */
static void cell_begin(struct buf *out, const char *name)
{
        buf_printf(out, "<td data-name=\"%s\">", name);
}

static void cell(struct buf *out, const char *name, const char *class, const char *text)
{
        cell_begin(out, name);
        element(out, "span", class, text);
        buf_append_str(out, "</td>");
}

static void table_begin(struct buf *out, const char *const *names, size_t n)
{
        buf_append_str(out, "<table><thead><tr>");
        for (size_t i = 0; i < n; i++)
                element(out, "th", "", names[i]);
        buf_append_str(out, "</tr></thead><tbody>");
}
#define TABLE_BEGIN(out, ...)                                                                                          \
        table_begin(out, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

static const char *moment(int64_t micros, char text[TIME_TEXT_MAX])
{
        time_format_seconds(micros, text);
        return text;
}

static const char *class_of(enum health_state state)
{
        switch (state) {
        case HEALTH_GOOD:
                return "good";
        case HEALTH_WARNING:
                return "warn";
        case HEALTH_BAD:
                return "bad";
        }
        __builtin_unreachable();
}

/* "in 42 days"; negative once it is over. */
static void days_left(struct buf *out, int64_t not_after, int64_t now)
{
        int64_t days = (not_after - now) / (TIME_MICROS_PER_SECOND * 86400);
        const char *class = not_after <= now || days < 3 ? "bad" : days < 30 ? "warn" : "good";
        if (not_after <= now)
                buf_printf(out, "<span class=\"%s\">expired</span>", class);
        else
                buf_printf(out, "<span class=\"%s\">%" PRId64 " day%s left</span>", class, days, days == 1 ? "" : "s");
}

/* ---- how the server is ---- */

static void add_parts(struct buf *out, const struct page *p)
{
        buf_append_str(out, "<h2 id=\"state\">State</h2><ul>");
        for (size_t i = 0; i < p->part_count; i++) {
                const struct page_part *part = &p->parts[i];
                buf_append_str(out, "<li>");
                element(out, "span", class_of(part->state), part->name);
                buf_append_str(out, *part->text ? ": " : "");
                html_text(out, part->text);
                buf_append_str(out, "</li>");
        }
        buf_append_str(out, "</ul>");
}

static void add_certificates(struct buf *out, const struct page *p)
{
        char text[TIME_TEXT_MAX];
        if (!p->certificate_count)
                return;
        buf_append_str(out, "<h2>Certificates of this server</h2>");
        TABLE_BEGIN(out, "name", "expires", "left", "problem");
        for (size_t i = 0; i < p->certificate_count; i++) {
                const struct page_certificate *c = &p->certificates[i];
                buf_append_str(out, "<tr>");
                cell(out, "name", "", c->name);
                cell(out, "expires", "", moment(c->not_after, text));
                cell_begin(out, "left");
                days_left(out, c->not_after, p->now);
                buf_append_str(out, "</td>");
                cell(out, "problem", "bad", c->problem);
                buf_append_str(out, "</tr>");
        }
        buf_append_str(out, "</tbody></table>");
}

/* Versions are hashes: their beginning is enough to compare. */
static void add_version(struct buf *out, const char *name, const char *version)
{
        cell_begin(out, name);
        buf_append_str(out, "<code>");
        AUTO_STR *start = mem_strndup(version, strnlen(version, 8));
        html_text(out, *start ? start : "-");
        buf_append_str(out, "</code></td>");
}

static void add_client_type(struct buf *out, const struct page_client_type *t)
{
        char at[TIME_TEXT_MAX];
        bool accepted = *t->sent && str_equal(t->sent, t->accepted);
        buf_append_str(out, "<tr>");
        cell(out, "type", "", t->type);
        add_version(out, "sent", t->sent);
        add_version(out, "accepted", t->accepted);
        cell_begin(out, "answer");
        if (t->refused) {
                buf_printf(out, "<span class=\"bad\">refused at %s: ", moment(t->refused_at, at));
                html_text(out, t->refused);
                buf_append_str(out, "</span>");
        } else {
                element(out, "span", accepted ? "good" : "soft", accepted ? "accepted" : "not answered yet");
        }
        buf_append_str(out, "</td></tr>");
}

static void add_client(struct buf *out, const struct page_client *c)
{
        char since[TIME_TEXT_MAX];
        bool refused = false;
        for (size_t i = 0; i < c->type_count; i++)
                refused |= c->types[i].refused != NULL;
        buf_append_str(out, "<details><summary>");
        element(out, "span", refused ? "bad" : "good", *c->node ? c->node : "(no name)");
        buf_append_str(out, " <span class=\"soft\">");
        html_text(out, c->peer);
        buf_printf(out, ", %s, since %s</span></summary>", c->service, moment(c->since, since));
        TABLE_BEGIN(out, "type", "sent", "accepted", "answer");
        for (size_t i = 0; i < c->type_count; i++)
                add_client_type(out, &c->types[i]);
        buf_append_str(out, "</tbody></table></details>");
}

static void add_clients(struct buf *out, const struct page *p)
{
        if (!p->serves_xds)
                return;
        buf_printf(out, "<h2 id=\"envoys\">Envoys (%zu)</h2>", p->client_total);
        for (size_t i = 0; i < p->client_count; i++)
                add_client(out, &p->clients[i]);
        if (!p->client_total)
                buf_append_str(out, "<p class=\"soft\">No Envoy is connected to this replica.</p>");
        else if (p->client_count < p->client_total)
                buf_printf(out, "<p class=\"soft\">The first %zu; <a href=\"/debug/xds\">all as JSON</a>.</p>",
                           p->client_count);
}

/* ---- findings ---- */

static void add_object_name(struct buf *out, const struct object_ref *ref)
{
        buf_printf(out, "%s ", kind_info(ref->kind)->name);
        html_text(out, ref->namespace);
        buf_append_str(out, *ref->namespace ? "/" : "");
        html_text(out, ref->name);
}

static const char *finding_class(enum rule_status status)
{
        return status == STATUS_NOTICE ? "warn" : "bad";
}

static void add_finding(struct buf *out, const struct page_finding *f)
{
        AUTO(arena) *a = arena_new(1024);
        buf_append_str(out, "<div class=\"card\"><div class=\"soft\">");
        add_object_name(out, &f->finding->about);
        buf_append_str(out, "</div>");
        element(out, "div", finding_class(f->status), finding_text(a, f->finding));
        buf_append_str(out, "</div>");
}

static void add_findings(struct buf *out, const struct page *p)
{
        buf_printf(out, "<h2 id=\"findings\">Findings (%zu)</h2>", p->finding_total);
        for (size_t i = 0; i < p->finding_count; i++)
                add_finding(out, &p->findings[i]);
        if (!p->finding_total)
                buf_append_str(out, "<p class=\"soft\">None.</p>");
        else if (p->finding_count < p->finding_total)
                buf_printf(out,
                           "<p class=\"soft\">The first %zu: search for a namespace, host or rule, or take "
                           "<a href=\"/debug/findings\">all as JSON</a>.</p>",
                           p->finding_count);
}

/* ---- hosts ---- */

static void add_tree_node(struct buf *out, const struct tree_node *n);

static void add_tree_nodes(struct buf *out, const struct tree_node *first)
{
        if (!first)
                return;
        buf_append_str(out, "<ul>");
        for (const struct tree_node *n = first; n; n = n->next)
                add_tree_node(out, n);
        buf_append_str(out, "</ul>");
}

static void add_standing(struct buf *out, const struct tree_node *n)
{
        if (n->missing)
                element(out, "span", "bad", " does not exist");
        else if (n->again)
                element(out, "span", "bad", " a cycle");
        else if (n->owner)
                element(out, "span", "good", " owner");
        else if (!n->reached)
                element(out, "span", "bad", " not served");
}

static void add_tree_node(struct buf *out, const struct tree_node *n)
{
        AUTO(arena) *a = arena_new(1024);
        buf_append_str(out, "<li>");
        if (n->prefix) {
                element(out, "code", "", n->tcp ? "tcpproxy" : n->prefix);
                buf_append_str(out, " &rarr; ");
        }
        add_object_name(out, &n->ref);
        add_standing(out, n);
        for (size_t i = 0; i < n->finding_count; i++) {
                const struct finding *f = &n->findings[i];
                element(out, "div", finding_class(rule_info(f->rule)->status), finding_text(a, f));
        }
        add_tree_nodes(out, n->children);
        buf_append_str(out, "</li>");
}

static void add_cluster(struct buf *out, const struct cluster *c)
{
        buf_append_str(out, "<span class=\"code\">");
        html_text(out, c->namespace);
        buf_append_char(out, '/');
        html_text(out, c->service);
        buf_printf(out, ":%u</span>", (unsigned)c->port);
        if (c->weight)
                buf_printf(out, " <span class=\"soft\">weight %" PRIu32 "</span>", c->weight);
        if (c->missing)
                element(out, "span", "bad", " missing: 503");
}

static void add_clusters(struct buf *out, const struct cluster *clusters, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                buf_append_str(out, i ? "<br>" : "");
                add_cluster(out, &clusters[i]);
        }
}

static void add_route(struct buf *out, const struct route *r)
{
        buf_append_str(out, "<tr>");
        cell_begin(out, "path");
        element(out, "code", "", r->match);
        buf_append_str(out, r->exact ? " <span class=\"soft\">exactly</span></td>" : "</td>");
        cell_begin(out, "goes to");
        if (r->action == ROUTE_UNAVAILABLE)
                element(out, "span", "bad", "503");
        add_clusters(out, r->clusters, r->cluster_count);
        buf_append_str(out, "</td>");
        cell_begin(out, "by");
        add_object_name(out, r->source);
        buf_append_str(out, "</td></tr>");
}

static void add_routes(struct buf *out, const struct host *h)
{
        if (h->tcpproxy) {
                buf_append_str(out, "<p>TCP to ");
                add_clusters(out, h->tcpproxy->clusters, h->tcpproxy->cluster_count);
                buf_append_str(out, h->tcpproxy->cluster_count ? "</p>" : "nobody: connections are closed</p>");
        }
        if (!h->route_count)
                return;
        TABLE_BEGIN(out, "path", "goes to", "by");
        for (size_t i = 0; i < h->route_count; i++)
                add_route(out, &h->routes[i]);
        buf_append_str(out, "</tbody></table>");
}

static const char *tls_text(const struct host_tls *tls)
{
        if (!tls)
                return "HTTP";
        return tls->broken ? "TLS broken: connections are closed" : tls->passthrough ? "TLS passed through" : "TLS";
}

static void add_host_head(struct buf *out, const struct page_host *item, int64_t now)
{
        const struct host *h = item->host;
        element(out, "strong", item->suffers ? "bad" : "good", h->name);
        buf_append_str(out, " <span class=\"soft\">");
        if (h->owner)
                add_object_name(out, h->owner);
        else
                buf_append_str(out, "nobody may have the name");
        buf_printf(out, ", %s</span> ", tls_text(h->tls));
        if (item->certificate_not_after)
                days_left(out, item->certificate_not_after, now);
}

static void add_host(struct buf *out, const struct page_host *item, int64_t now)
{
        const struct host *h = item->host;
        buf_append_str(out, "<details><summary>");
        add_host_head(out, item, now);
        buf_append_str(out, "</summary>");
        add_tree_nodes(out, item->tree.first);
        if (item->tree.cut)
                buf_printf(out, "<p class=\"soft\">The first %d objects.</p>", TREE_NODES_MAX);
        add_routes(out, h);
        buf_append_str(out, "<p><a href=\"/debug/dag?host=");
        html_query(out, h->name);
        buf_append_str(out, "\">as a graph (DOT)</a></p></details>");
}

static void add_page_link(struct buf *out, const struct page *p, size_t number, const char *text)
{
        if (number < 1 || number > p->page_count)
                return;
        buf_append_str(out, "<a href=\"/?q=");
        html_query(out, p->query);
        buf_printf(out, "&amp;page=%zu#hosts\">%s</a>", number, text);
}

static void add_hosts(struct buf *out, const struct page *p)
{
        buf_append_str(out, "<h2 id=\"hosts\">Hosts (");
        if (*p->query)
                buf_printf(out, "%zu of ", p->host_matches);
        buf_printf(out, "%zu)</h2>", p->host_total);
        for (size_t i = 0; i < p->host_count; i++)
                add_host(out, &p->hosts[i], p->now);
        if (!p->host_count)
                buf_append_str(out, *p->query ? "<p class=\"soft\">No host matches.</p>"
                                              : "<p class=\"soft\">There is none yet: apply an IngressRoute with a "
                                                "virtualhost.</p>");
        if (p->page_count < 2)
                return;
        buf_append_str(out, "<nav>");
        add_page_link(out, p, p->number - 1, "&larr; before");
        buf_printf(out, "<span>page %zu of %zu</span>", p->number, p->page_count);
        add_page_link(out, p, p->number + 1, "next &rarr;");
        buf_append_str(out, "</nav>");
}

/* ---- all of it ---- */

static void add_head(struct buf *out, const struct page *p)
{
        char now[TIME_TEXT_MAX];
        buf_append_str(out,
                       "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                       "<title>gatehouse</title><style>" PAGE_STYLE "</style></head><body><header><h1>gatehouse</h1>");
        element(out, "span", p->ready ? "good" : "bad", p->ready ? "ready" : "not ready");
        element(out, "span", "soft", p->leading ? "writes status" : "does not write status");
        element(out, "span", "soft", p->version);
        element(out, "span", "soft", moment(p->now, now));
        buf_append_str(out,
                       "</header><form action=\"/\" method=\"get\" role=\"search\"><input type=\"search\" name=\"q\" "
                       "aria-label=\"search\" placeholder=\"host, namespace, object, rule\" value=\"");
        html_text(out, p->query);
        buf_append_str(out, "\"><button>Search</button></form>");
}

/* With fifty hosts all else is far below. */
static void add_contents(struct buf *out, const struct page *p)
{
        buf_printf(out, "<nav><a href=\"#hosts\">%zu hosts</a><a href=\"#findings\">%zu findings</a>", p->host_matches,
                   p->finding_total);
        if (p->serves_xds)
                buf_printf(out, "<a href=\"#envoys\">%zu Envoys</a>", p->client_total);
        buf_append_str(out, "<a href=\"#state\">state</a></nav>");
}

void page_render(struct buf *out, const struct page *p)
{
        add_head(out, p);
        add_contents(out, p);
        add_hosts(out, p);
        add_findings(out, p);
        add_clients(out, p);
        add_certificates(out, p);
        add_parts(out, p);
        buf_append_str(out, "</body></html>\n");
}

/* ---- searching ---- */

static bool holds(const char *text, const char *word, size_t n)
{
        for (; *text; text++) {
                if (strncasecmp(text, word, n) == 0)
                        return true;
        }
        return false;
}

static bool finding_holds(const struct finding *f, const char *word, size_t n)
{
        return holds(f->about.namespace, word, n) || holds(f->about.name, word, n) ||
               holds(rule_info(f->rule)->name, word, n) || holds(f->field, word, n) || holds(f->message, word, n);
}

static bool host_holds(const struct host *h, const char *word, size_t n)
{
        if (holds(h->name, word, n))
                return true;
        for (size_t i = 0; i < h->object_count; i++) {
                const struct host_object *o = &h->objects[i];
                if (holds(o->ref.namespace, word, n) || holds(o->ref.name, word, n))
                        return true;
                for (size_t k = 0; k < o->finding_count; k++) {
                        if (finding_holds(&o->findings[k], word, n))
                                return true;
                }
        }
        return false;
}

/* The next word of *query, which is moved behind it; 0 at its end. */
static size_t next_word(const char **query, const char **word)
{
        *query += strspn(*query, " \t/");
        *word = *query;
        size_t n = strcspn(*query, " \t/");
        *query += n;
        return n;
}

bool page_host_matches(const struct host *h, const char *query)
{
        const char *word;
        for (size_t n; (n = next_word(&query, &word));) {
                if (!host_holds(h, word, n))
                        return false;
        }
        return true;
}

bool page_finding_matches(const struct finding *f, const char *query)
{
        const char *word;
        for (size_t n; (n = next_word(&query, &word));) {
                if (!finding_holds(f, word, n))
                        return false;
        }
        return true;
}
