/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/explain_text.h"

#include "base/mem.h"

/* ---- looking ---- */

static const json_t *get(const json_t *o, const char *key)
{
        return json_object_get(o, key);
}

static bool has(const json_t *o, const char *key)
{
        return json_string_value(get(o, key)) != NULL;
}

/* ---- writing ---- */

/* A name in the cluster must not move the cursor of the terminal that it is shown on. */
static void add_safe(struct buf *out, const char *s)
{
        for (; s && *s; s++)
                buf_append_char(out, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void add_value(struct buf *out, const char *before, const json_t *o, const char *key, const char *after)
{
        if (!has(o, key) || !*json_string_value(get(o, key)))
                return;
        buf_append_str(out, before);
        add_safe(out, json_string_value(get(o, key)));
        buf_append_str(out, after);
}

static void add_ref(struct buf *out, const json_t *o)
{
        add_value(out, "", o, "kind", " ");
        add_value(out, "", o, "namespace", "/");
        add_value(out, "", o, "name", "");
}

static void add_findings(struct buf *out, const json_t *list, const char *indent)
{
        size_t i;
        json_t *f;
        json_array_foreach (list, i, f) {
                buf_append_str(out, indent);
                add_ref(out, f);
                add_value(out, ": ", f, "field", "");
                add_value(out, ": ", f, "message", "");
                add_value(out, " [", f, "rule", "]");
                buf_append_char(out, '\n');
        }
}

/* ---- parts ---- */

static void add_verdict(struct buf *out, const json_t *x)
{
        add_value(out, "", x, "url", "\n");
        buf_append_str(out, json_is_true(get(x, "served")) ? "  served: " : "  not served: ");
        if (json_is_true(get(x, "redirected")))
                buf_append_str(out, "plain HTTP answers 301, and HTTPS: ");
        add_value(out, "", x, "reason", "\n");
        size_t i;
        json_t *note;
        json_array_foreach (get(x, "notes"), i, note) {
                buf_append_str(out, "  note: ");
                add_safe(out, json_string_value(note));
                buf_append_char(out, '\n');
        }
}

static void add_host(struct buf *out, const json_t *h)
{
        if (!h)
                return;
        add_value(out, "host ", h, "name", "");
        buf_append_str(out, " of ");
        add_ref(out, get(h, "owner"));
        add_value(out, ", TLS ", h, "tls", "");
        add_value(out, ", certificate ", h, "secretNamespace", "/");
        add_value(out, "", h, "secretName", "");
        buf_append_char(out, '\n');
}

static void add_chain(struct buf *out, const json_t *chain)
{
        size_t i;
        json_t *step;
        json_array_foreach (chain, i, step) {
                buf_printf(out, "%*s%s", (int)(i < 32 ? 2 * i : 64), "", i ? "-> " : "  ");
                add_ref(out, step);
                add_value(out, " for ", step, "prefix", "");
                add_value(out, " (", step, "field", ")");
                buf_append_char(out, '\n');
        }
}

static void add_route(struct buf *out, const json_t *r)
{
        if (!r)
                return;
        add_value(out, "route ", r, "type", " ");
        add_value(out, "", r, "match", "");
        buf_append_str(out, " of ");
        add_ref(out, r);
        buf_append_char(out, '\n');
        add_value(out, "  asks for ", r, "forwardedPath", "\n");
        add_value(out, "  timeout ", r, "timeout", "");
        if (has(r, "timeout"))
                buf_printf(out, ", retries %" JSON_INTEGER_FORMAT, json_integer_value(get(r, "retries")));
        add_value(out, " on ", r, "retryOn", "");
        add_value(out, " of at most ", r, "perTryTimeout", " each");
        if (json_is_true(get(r, "websockets")))
                buf_append_str(out, ", websockets");
        if (has(r, "timeout"))
                buf_append_char(out, '\n');
}

static void add_endpoints(struct buf *out, const json_t *e)
{
        const json_int_t draining = json_integer_value(get(e, "terminating")),
                         not_ready = json_integer_value(get(e, "notReady"));
        buf_printf(out, ": %" JSON_INTEGER_FORMAT " ready", json_integer_value(get(e, "ready")));
        if (draining)
                buf_printf(out, ", %" JSON_INTEGER_FORMAT " terminating", draining);
        if (not_ready)
                buf_printf(out, ", %" JSON_INTEGER_FORMAT " not ready", not_ready);
        size_t i;
        json_t *address;
        json_array_foreach (get(e, "addresses"), i, address) {
                buf_append_str(out, i ? " " : ": ");
                add_safe(out, json_string_value(address));
        }
}

static void add_clusters(struct buf *out, const json_t *clusters)
{
        size_t i;
        json_t *c;
        json_array_foreach (clusters, i, c) {
                buf_printf(out, "  %.4g%% ", json_number_value(get(c, "percent")));
                add_value(out, "", c, "namespace", "/");
                add_value(out, "", c, "service", "");
                buf_printf(out, " port %" JSON_INTEGER_FORMAT, json_integer_value(get(c, "port")));
                add_value(out, ", ", c, "protocol", "");
                add_value(out, ", ", c, "strategy", "");
                add_value(out, ", external name ", c, "externalName", "");
                if (json_is_true(get(c, "missing")))
                        buf_append_str(out, ": missing, this share answers 503");
                if (get(c, "endpoints"))
                        add_endpoints(out, get(c, "endpoints"));
                buf_append_char(out, '\n');
        }
}

static void add_stopped(struct buf *out, const json_t *list)
{
        size_t i;
        json_t *s;
        if (json_array_size(list))
                buf_append_str(out, "would have, and are stopped\n");
        json_array_foreach (list, i, s) {
                buf_append_str(out, "  ");
                add_ref(out, s);
                add_value(out, " by its route ", s, "match", "");
                add_value(out, ": ", s, "message", "");
                add_value(out, " [", s, "rule", "]");
                buf_append_char(out, '\n');
        }
}

static void add_from(struct buf *out, const json_t *from)
{
        if (!from)
                return;
        buf_append_str(out, "from ");
        add_ref(out, from);
        add_value(out, ": ", from, "reason", "\n");
        add_findings(out, get(from, "findings"), "  ");
}

void explain_text(struct buf *out, const json_t *x)
{
        add_verdict(out, x);
        add_host(out, get(x, "host"));
        add_chain(out, get(x, "chain"));
        add_route(out, get(x, "route"));
        add_clusters(out, get(x, "clusters"));
        if (json_array_size(get(x, "findings")))
                buf_append_str(out, "findings on the way\n");
        add_findings(out, get(x, "findings"), "  ");
        add_stopped(out, get(x, "stopped"));
        add_from(out, get(x, "from"));
}
