/* SPDX-License-Identifier: Apache-2.0 */
/* get and list, in pages, as JSON or as a Table. */
#include "e2e/devkube/call.h"
#include "e2e/devkube/selector.h"
#include "e2e/devkube/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 2000000000 };

bool read_get(struct call *c)
{
        AUTO_OBJECT *o = store_get(c->resource, c->ns, c->name);
        if (!o)
                return fail_not_found(&c->failure, c->resource, c->name);
        if (table_wanted(c->request)) {
                json_auto_t *value = object_json(c->version, o);
                call_answer_object(c, 200, value);
                return true;
        }
        c->answer->body = buf_new(LIST_MAX);
        object_write(c->answer->body, c->version, o, 0);
        buf_append_char(c->answer->body, '\n');
        return true;
}

/* One page of a listing. */
struct page {
        struct listing *listing; /* a reference */
        uint64_t kept;           /* 0: not kept for further pages */
        size_t from, to;
        char next[64];    /* the continue token, "" on the last page */
        size_t remaining; /* behind this page */
        bool selective;   /* a selector was given: what remains is not told */
};

/* The token is opaque to clients: listing and index. It may be used again, as with kube-apiserver. */
static bool resume(struct call *c, const char *token, struct page *p)
{
        int end = 0;
        if (sscanf(token, "%" SCNu64 ".%zu%n", &p->kept, &p->from, &end) != 2 || token[end])
                return fail_bad_request(&c->failure, "continue key is not valid: illegal base64 data");
        p->listing = listing_find(p->kept);
        if (p->listing && p->from <= p->listing->count)
                return true;
        listing_free(p->listing);
        return fail_expired(&c->failure, "The provided continue parameter is too old to display a consistent list "
                                         "result. You must start a new list without the continue parameter.");
}

static bool open_page(struct call *c, struct page *p)
{
        const char *token = request_query(c->request, "continue"), *limit = request_query(c->request, "limit");
        struct query q;
        AUTO(selector) *labels = NULL;
        AUTO(selector) *fields = NULL;
        if (!call_query(c, &q, &labels, &fields))
                return false;
        if (token && *token) {
                if (!resume(c, token, p))
                        return false;
        } else {
                p->listing = listing_new(c->resource, &q);
        }
        size_t max = limit ? strtoul(limit, NULL, 10) : 0;
        p->selective = labels || fields;
        p->to = max && p->listing->count - p->from > max ? p->from + max : p->listing->count;
        p->remaining = p->listing->count - p->to;
        if (p->remaining && !p->kept)
                p->kept = listing_keep(p->listing);
        if (p->remaining)
                snprintf(p->next, sizeof(p->next), "%" PRIu64 ".%zu", p->kept, p->to);
        return true;
}

static void write_metadata(struct buf *out, const struct page *p, bool custom)
{
        buf_printf(out, "\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", p->listing->rv);
        if (p->remaining || custom) /* kube-apiserver says "" for custom resources */
                buf_printf(out, ",\"continue\":\"%s\"", p->next);
        if (p->remaining && !p->selective)
                buf_printf(out, ",\"remainingItemCount\":%zu", p->remaining);
        buf_append_char(out, '}');
}

/* Items of built-in kinds come without apiVersion and kind, as kube-apiserver's do. */
static void write_list(const struct call *c, const struct page *p)
{
        struct buf *out = c->answer->body = buf_new(LIST_MAX);
        buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", c->resource->list_kind, c->version->api_version);
        write_metadata(out, p, c->resource->custom);
        buf_append_str(out, ",\"items\":[");
        for (size_t i = p->from; i < p->to; i++) {
                if (i > p->from)
                        buf_append_char(out, ',');
                object_write(out, c->resource->custom ? c->version : NULL, p->listing->objects[i], 0);
        }
        buf_append_str(out, "]}\n");
}

static void write_table(struct call *c, const struct page *p)
{
        json_auto_t *table = table_new(c->resource, c->version, true);
        json_t *meta = js_object(table, "metadata");
        json_object_set_new(meta, "resourceVersion", json_sprintf("%" PRIu64, p->listing->rv));
        if (p->remaining) {
                js_set_str(meta, "continue", p->next);
                json_object_set_new(meta, "remainingItemCount", json_integer((json_int_t)p->remaining));
        }
        for (size_t i = p->from; i < p->to; i++) {
                json_auto_t *value = object_json(c->version, p->listing->objects[i]);
                table_add(table, c->resource, c->version, value);
        }
        call_answer(c, 200, table);
}

bool read_list(struct call *c)
{
        struct page p = {0};
        if (!open_page(c, &p))
                return false;
        if (table_wanted(c->request))
                write_table(c, &p);
        else
                write_list(c, &p);
        listing_free(p.listing);
        return true;
}

void read_answer_listing(struct call *c, struct listing *l)
{
        struct page p = {.listing = l, .to = l->count};
        buf_free(c->answer->body);
        write_list(c, &p);
}
