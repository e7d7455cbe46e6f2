/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli_print.h"

#include "base/json_text.h"
#include "base/time.h"
#include "certs/inspect.h"
#include "xds/message_json.h"
#include "xds/message_text.h"

#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>

/* ---- what a Secret says: never its key ---- */

struct secret_facts {
        const char *kind; /* "certificate", "ca", or "" when it is neither */
        struct inspect_cert *certs;
        size_t count;
        struct inspect_facts leaf; /* of a certificate */
        const char *problem;       /* NULL: none */
};

static ProtobufCBinaryData bytes_of(const Envoy__DataSource *source)
{
        const bool given = source && source->specifier_case == ENVOY__DATA_SOURCE__SPECIFIER_INLINE_BYTES;
        return given ? source->inline_bytes : (ProtobufCBinaryData){0};
}

/* libprotobuf-c leaves data NULL when there is none. */
static const char *text_of(const ProtobufCBinaryData *b)
{
        return b->len ? (const char *)b->data : "";
}

static void look_at_pair(struct arena *a, const Envoy__TlsCertificate *pair, struct secret_facts *out)
{
        const ProtobufCBinaryData crt = bytes_of(pair->certificate_chain), key = bytes_of(pair->private_key);
        out->kind = "certificate";
        inspect_pair(a, text_of(&crt), crt.len, text_of(&key), key.len, &out->leaf);
        const char *problem = NULL;
        if (!inspect_bundle(a, text_of(&crt), crt.len, &out->certs, &out->count, &problem))
                out->problem = problem;
        if (!out->leaf.ok)
                out->problem = out->leaf.problem;
}

static struct secret_facts look_at(struct arena *a, const Envoy__Secret *secret)
{
        struct secret_facts out = {.kind = ""};
        if (secret->type_case == ENVOY__SECRET__TYPE_TLS_CERTIFICATE) {
                look_at_pair(a, secret->tls_certificate, &out);
        } else if (secret->type_case == ENVOY__SECRET__TYPE_VALIDATION_CONTEXT) {
                const ProtobufCBinaryData ca = bytes_of(secret->validation_context->trusted_ca);
                out.kind = "ca";
                inspect_bundle(a, text_of(&ca), ca.len, &out.certs, &out.count, &out.problem);
        }
        return out;
}

/* ---- JSON ---- */

static void add_pair(struct buf *b, const char *key, const char *value)
{
        buf_printf(b, ",\"%s\":", key);
        json_text_string(b, value);
}

static void add_names(struct buf *b, const struct inspect_facts *leaf)
{
        buf_append_str(b, ",\"names\":[");
        for (size_t i = 0; i < leaf->name_count; i++) {
                if (i)
                        buf_append_char(b, ',');
                json_text_string(b, leaf->names[i]);
        }
        buf_append_char(b, ']');
}

static void add_cert(struct buf *b, const struct inspect_cert *c, const struct inspect_facts *leaf)
{
        char from[TIME_TEXT_MAX], until[TIME_TEXT_MAX];
        time_format_seconds(c->not_before, from);
        time_format_seconds(c->not_after, until);
        buf_append_str(b, "{\"subject\":");
        json_text_string(b, c->subject);
        if (leaf)
                add_names(b, leaf);
        add_pair(b, "notBefore", from);
        add_pair(b, "notAfter", until);
        add_pair(b, "sha256", c->id);
        buf_append_char(b, '}');
}

static void add_secret(struct buf *b, const Envoy__Secret *secret, struct arena *a)
{
        const struct secret_facts facts = look_at(a, secret);
        add_pair(b, "kind", facts.kind);
        if (facts.problem)
                add_pair(b, "problem", facts.problem);
        buf_append_str(b, ",\"certificates\":[");
        for (size_t i = 0; i < facts.count; i++) {
                if (i)
                        buf_append_char(b, ',');
                add_cert(b, &facts.certs[i], i == 0 && facts.leaf.name_count ? &facts.leaf : NULL);
        }
        buf_append_char(b, ']');
}

static void begin_json(struct buf *out, enum resource_type type, const char *name)
{
        buf_printf(out, "{\"type\":\"%s\"", resource_type_name(type));
        add_pair(out, "name", name);
}

void cli_print_json(struct buf *out, enum resource_type type, const struct discovery_found *found)
{
        begin_json(out, type, found->name);
        add_pair(out, "version", found->version);
        if (type == RESOURCE_SECRET) {
                AUTO(arena) *a = arena_new(16384);
                add_secret(out, (const Envoy__Secret *)found->message, a);
        } else {
                buf_append_str(out, ",\"resource\":");
                message_json(out, found->message);
        }
        buf_append_str(out, "}\n");
}

/* ---- text ---- */

/* Names come from whoever answers: they must not move the cursor. */
static void add_safe(struct buf *out, const char *s)
{
        for (; *s; s++)
                buf_append_char(out, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

static void add_secret_text(struct buf *out, const Envoy__Secret *secret, struct arena *a)
{
        const struct secret_facts facts = look_at(a, secret);
        if (facts.problem) {
                buf_append_str(out, "  problem: ");
                add_safe(out, facts.problem);
                buf_append_char(out, '\n');
        }
        for (size_t i = 0; i < facts.count; i++) {
                const struct inspect_cert *c = &facts.certs[i];
                char until[TIME_TEXT_MAX];
                time_format_seconds(c->not_after, until);
                buf_printf(out, "  %s ", facts.kind);
                add_safe(out, c->subject);
                buf_printf(out, ", until %s, SHA-256 %s", until, c->id);
                for (size_t k = 0; i == 0 && k < facts.leaf.name_count; k++) {
                        buf_append_str(out, k ? " " : ", names ");
                        add_safe(out, facts.leaf.names[k]);
                }
                buf_append_char(out, '\n');
        }
}

void cli_print_text(struct buf *out, enum resource_type type, const struct discovery_found *found)
{
        add_safe(out, found->name);
        buf_append_str(out, " version ");
        add_safe(out, found->version);
        buf_append_char(out, '\n');
        if (type == RESOURCE_SECRET) {
                AUTO(arena) *a = arena_new(16384);
                add_secret_text(out, (const Envoy__Secret *)found->message, a);
        } else {
                message_text(out, found->message);
        }
}

/* ---- what is not there ---- */

void cli_print_removed(struct buf *out, enum resource_type type, bool json, const char *name)
{
        if (json) {
                begin_json(out, type, name);
                buf_append_str(out, ",\"removed\":true}\n");
        } else {
                add_safe(out, name);
                buf_append_str(out, " is not there\n");
        }
}
