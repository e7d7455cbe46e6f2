/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secret (Kubernetes API reference, core v1): what its certificates say of themselves. The bytes themselves are
 * decoded for the inspector, wiped and forgotten, unless keep_keys asks for those that are good.
 */
#include "kube/decode.h"

#include "base/base64.h"

#include <string.h>

/* More than any certificate chain; Kubernetes allows 1 MiB in a Secret. */
enum { VALUE_MAX = 512 * 1024 };

struct value {
        struct buf *bytes; /* NULL: not there, or problem says why not */
        bool present;
        const char *problem;
};

static void value_done(struct value *v)
{
        buf_free(v->bytes);
}
#define AUTO_VALUE __attribute__((cleanup(value_done))) struct value

static struct buf *plain_bytes(const char *text, size_t n)
{
        struct buf *b = buf_new(VALUE_MAX);
        buf_set_secret(b);
        buf_append(b, text, n);
        return b;
}

/* A manifest's stringData counts before data, as the API server merges them. */
static void value_read(struct decode *d, const json_t *json, const char *key, struct value *v)
{
        struct place top = {.key = "stringData"};
        struct place at = {.parent = &top, .key = key};
        const json_t *text = decode_member(decode_member(json, "stringData"), key);
        bool plain = text != NULL;
        if (!plain) {
                top.key = "data";
                text = decode_member(decode_member(json, "data"), key);
        }
        v->present = text != NULL;
        if (!text)
                return;
        if (!json_is_string(text)) {
                decode_problem(d, &at, PROBLEM_INVALID, "must be a string");
                v->problem = arena_printf(d->arena, "%s is no string", key);
                return;
        }
        size_t n = json_string_length(text);
        if ((plain ? n : base64_decoded_max(n)) > VALUE_MAX) {
                v->problem = arena_printf(d->arena, "%s is larger than %d KiB", key, VALUE_MAX / 1024);
                return;
        }
        v->bytes =
                plain ? plain_bytes(json_string_value(text), n) : base64_decode(json_string_value(text), n, VALUE_MAX);
        if (!v->bytes)
                v->problem = arena_printf(d->arena, "%s is not base64", key);
}

static const char *keep(struct decode *d, const char *text)
{
        return arena_strdup(d->arena, text);
}

static const struct pair_facts *facts_copy(struct decode *d, const struct pair_facts *facts)
{
        struct pair_facts *copy = arena_memdup(d->arena, facts, sizeof(*facts));
        const char **names = facts->name_count ? arena_calloc(d->arena, facts->name_count, sizeof(*names)) : NULL;
        for (size_t i = 0; i < facts->name_count; i++)
                names[i] = keep(d, facts->names[i]);
        copy->names = names;
        copy->problem = keep(d, facts->problem);
        return copy;
}

static const char *missing(struct decode *d, const struct value *v, const char *key)
{
        return v->problem ? v->problem : v->present ? NULL : arena_printf(d->arena, "%s is missing", key);
}

/* The first pass only measures: key bytes are copied once, into the object that wipes them. */
static void hold(struct decode *d, const struct value *v, struct secret_value *out)
{
        if (!d->options->keep_keys)
                return;
        size_t size = buf_len(v->bytes);
        char *copy = arena_alloc(d->arena, size + 1);
        if (d->draft)
                memcpy(copy, buf_data(v->bytes), size + 1);
        *out = (struct secret_value){copy, size};
}

static void hold_again(struct decode *d, const json_t *json, const char *key, const struct secret_value *draft,
                       struct secret_value *out)
{
        if (!draft->bytes)
                return;
        AUTO_VALUE v = {0};
        value_read(d, json, key, &v);
        hold(d, &v, out);
}

static const struct pair_facts *inspect_pair(struct decode *d, const json_t *json, struct secret *secret)
{
        AUTO_VALUE crt = {0};
        AUTO_VALUE key = {0};
        value_read(d, json, "tls.crt", &crt);
        value_read(d, json, "tls.key", &key);
        struct pair_facts *facts = arena_alloc(d->arena, sizeof(*facts));
        facts->problem = missing(d, &crt, "tls.crt");
        if (!facts->problem)
                facts->problem = missing(d, &key, "tls.key");
        facts->ok = !facts->problem;
        if (facts->ok && d->options->inspector)
                d->options->inspector->pair(d->arena, buf_data(crt.bytes), buf_len(crt.bytes), buf_data(key.bytes),
                                            buf_len(key.bytes), facts);
        if (facts->ok) {
                hold(d, &crt, &secret->crt);
                hold(d, &key, &secret->key);
        }
        return facts;
}

static void inspect_ca(struct decode *d, const json_t *json, struct secret *secret)
{
        AUTO_VALUE ca = {0};
        value_read(d, json, "ca.crt", &ca);
        secret->has_ca = ca.present;
        secret->ca_problem = ca.problem;
        if (ca.present && !ca.problem && d->options->inspector)
                secret->ca_problem = d->options->inspector->ca(d->arena, buf_data(ca.bytes), buf_len(ca.bytes));
        if (ca.present && !secret->ca_problem)
                hold(d, &ca, &secret->ca);
}

/* Said once for the whole object, not for each key. */
static void check_data(struct decode *d, const json_t *json, const char *key)
{
        struct place at = {.key = key};
        const json_t *data = decode_member(json, key);
        if (data && !json_is_object(data))
                decode_problem(d, &at, PROBLEM_INVALID, "must be an object");
}

void decode_secret(struct decode *d, const json_t *json, struct object *o)
{
        struct secret *secret = arena_alloc(d->arena, sizeof(*secret));
        struct place at = {.key = "type"};
        secret->type = "Opaque";
        if (decode_member(json, "type"))
                decode_string(d, &at, decode_member(json, "type"), &secret->type);
        check_data(d, json, "data");
        check_data(d, json, "stringData");
        if (d->draft) { /* inspecting costs more than all the rest: once is enough */
                const struct secret *draft = d->draft->secret;
                secret->has_ca = draft->has_ca;
                secret->ca_problem = keep(d, draft->ca_problem);
                secret->pair = draft->pair ? facts_copy(d, draft->pair) : NULL;
                hold_again(d, json, "ca.crt", &draft->ca, &secret->ca);
                hold_again(d, json, "tls.crt", &draft->crt, &secret->crt);
                hold_again(d, json, "tls.key", &draft->key, &secret->key);
        } else {
                inspect_ca(d, json, secret);
                if (str_equal(secret->type, "kubernetes.io/tls"))
                        secret->pair = inspect_pair(d, json, secret);
        }
        o->secret = secret;
}
