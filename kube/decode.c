/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/decode.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
        KEY_SHOWN_MAX = 64, /* bytes of a user's key in a field path */
        FIELDS_MAX = 8,     /* most fields of one shape */
};

/* ---- places as text ---- */

static bool plain_key(const char *key)
{
        for (; *key; key++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", *key))
                        return false;
        return true;
}

/* A key may be anything: it is cut between characters, and stays on its line. */
static char *key_text(struct arena *a, const char *key)
{
        size_t n = strnlen(key, KEY_SHOWN_MAX + 1);
        const char *more = "";
        if (n > KEY_SHOWN_MAX) {
                more = "...";
                for (n = KEY_SHOWN_MAX; ((unsigned char)key[n] & 0xC0) == 0x80; n--)
                        ;
        }
        char *text = arena_printf(a, "%.*s%s", (int)n, key, more);
        for (char *c = text; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7F)
                        *c = '?';
        return text;
}

/* In Kubernetes' form: members by dot, elements and unusual keys in brackets. */
static const char *place_text(struct arena *a, const struct place *at)
{
        if (!at)
                return "";
        const char *before = place_text(a, at->parent);
        if (!at->key)
                return arena_printf(a, "%s[%zu]", before, at->index);
        const char *key = key_text(a, at->key);
        if (!plain_key(key))
                return arena_printf(a, "%s[%s]", before, key);
        return *before ? arena_printf(a, "%s.%s", before, key) : key;
}

void decode_problem(struct decode *d, const struct place *at, enum problem_type type, const char *message)
{
        if (d->silent || d->problem_count == OBJECT_PROBLEMS_MAX)
                return;
        if (d->problem_count == OBJECT_PROBLEMS_MAX - 1)
                message = "is one of too many wrong fields: the rest is not listed";
        AUTO(arena) *scratch = arena_new(512);
        struct problem *p = arena_push(d->arena, &d->problems, &d->problem_count);
        p->type = type;
        p->field = arena_strdup(d->arena, place_text(scratch, at));
        p->message = message;
}

/* ---- single values ---- */

const json_t *decode_member(const json_t *json, const char *key)
{
        const json_t *value = json_object_get(json, key);
        return json_is_null(value) ? NULL : value;
}

/* What stands in most objects costs no memory in any. By length. */
static const char *common_word(const char *s, size_t n)
{
#define WORD(text)                                                                                                     \
        {                                                                                                              \
                sizeof(text) - 1, text                                                                                 \
        }
        static const struct {
                size_t length;
                const char *text;
        } words[] = {
                WORD(""),
                WORD("/"),
                WORD("1.1"),
                WORD("1.2"),
                WORD("1.3"),
                WORD("TCP"),
                WORD("UDP"),
                WORD("http"),
                WORD("True"),
                WORD("False"),
                WORD("Valid"),
                WORD("valid"),
                WORD("https"),
                WORD("Opaque"),
                WORD("invalid"),
                WORD("orphaned"),
                WORD("infinity"),
                WORD("kubernetes.io/tls"),
                WORD("valid IngressRoute"),
        };
#undef WORD
        for (size_t i = 0; i < COUNT_OF(words) && words[i].length <= n; i++)
                if (words[i].length == n && memcmp(words[i].text, s, n) == 0)
                        return words[i].text;
        return NULL;
}

const char *decode_keep(struct decode *d, const json_t *string)
{
        const char *s = json_string_value(string);
        size_t n = json_string_length(string);
        size_t nuls = 0;
        for (const char *p = s; (p = memchr(p, '\0', n - (size_t)(p - s))) != NULL; p++)
                nuls++;
        if (!nuls) {
                const char *word = common_word(s, n);
                if (!word && d->host && strcmp(s, d->host) == 0)
                        word = d->host;
                return word ? word : arena_strndup(d->arena, s, n);
        }
        AUTO_STR *text = mem_resize(NULL, n + nuls, 1);
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
                if (s[i]) {
                        text[at++] = s[i];
                } else {
                        text[at++] = '\xC0';
                        text[at++] = '\x80';
                }
        }
        return arena_strndup(d->arena, text, at);
}

const char *decode_host(struct decode *d, const char *host)
{
        size_t n = strlen(host);
        bool normal = n == 0 || host[n - 1] != '.';
        for (size_t i = 0; normal && i < n; i++)
                normal = host[i] < 'A' || host[i] > 'Z';
        return normal ? host : object_normalise_host(d->arena, host);
}

bool decode_string(struct decode *d, const struct place *at, const json_t *value, const char **out)
{
        if (!json_is_string(value)) {
                decode_problem(d, at, PROBLEM_INVALID, "must be a string");
                return false;
        }
        *out = decode_keep(d, value);
        return true;
}

bool decode_bool(struct decode *d, const struct place *at, const json_t *value, bool *out)
{
        if (!json_is_boolean(value)) {
                decode_problem(d, at, PROBLEM_INVALID, "must be true or false");
                return false;
        }
        *out = json_is_true(value);
        return true;
}

/* JSON has one type of number: 80.0 is an integer to Kubernetes too. */
static bool integer(struct decode *d, const struct place *at, const json_t *value, int bits, int64_t *out)
{
        static const double limit = 9223372036854775808.0;
        int64_t n = 0;
        bool fits = true;
        if (json_is_integer(value)) {
                n = json_integer_value(value);
        } else if (json_is_real(value) && trunc(json_real_value(value)) == json_real_value(value)) {
                double real = json_real_value(value);
                fits = real >= -limit && real < limit;
                n = fits ? (int64_t)real : 0;
        } else {
                decode_problem(d, at, PROBLEM_INVALID, "must be an integer");
                return false;
        }
        if (bits == 32)
                fits = fits && n >= INT32_MIN && n <= INT32_MAX;
        if (!fits) {
                decode_problem(d, at, PROBLEM_INVALID,
                               bits == 32 ? "must be an integer of at most 32 bits"
                                          : "must be an integer of at most 64 bits");
                return false;
        }
        *out = n;
        return true;
}

bool decode_int64(struct decode *d, const struct place *at, const json_t *value, int64_t *out)
{
        return integer(d, at, value, 64, out);
}

bool decode_int32(struct decode *d, const struct place *at, const json_t *value, int64_t *out)
{
        return integer(d, at, value, 32, out);
}

bool decode_is_array(struct decode *d, const struct place *at, const json_t *value)
{
        if (json_is_array(value))
                return true;
        decode_problem(d, at, PROBLEM_INVALID, "must be a list");
        return false;
}

void decode_strings(struct decode *d, const struct place *at, const json_t *value, const char *const **out,
                    size_t *count)
{
        if (!decode_is_array(d, at, value) || json_array_size(value) == 0)
                return;
        size_t n = json_array_size(value);
        const char **strings = arena_calloc(d->arena, n, sizeof(*strings));
        for (size_t i = 0; i < n; i++) {
                struct place element = {.parent = at, .index = i};
                strings[i] = "";
                decode_string(d, &element, json_array_get(value, i), &strings[i]);
        }
        *out = strings;
        *count = n;
}

/* ---- shapes ---- */

static void *member_of(void *item, size_t offset)
{
        return (char *)item + offset;
}

static void read_list(struct decode *d, const struct place *at, const struct field *f, const json_t *value, void *item)
{
        if (!decode_is_array(d, at, value) || json_array_size(value) == 0)
                return;
        size_t n = json_array_size(value);
        char *items = arena_calloc(d->arena, n, f->shape->size);
        for (size_t i = 0; i < n; i++) {
                struct place element = {.parent = at, .index = i};
                void *one = items + i * f->shape->size;
                /* An element of the wrong type stays, with the defaults of an empty one. */
                if (!decode_shape(d, &element, f->shape, json_array_get(value, i), one) && f->shape->finish)
                        f->shape->finish(d, &element, NULL, one);
        }
        *(void **)member_of(item, f->offset) = items;
        *(size_t *)member_of(item, f->count) = n;
}

/* Whether the field is there now. */
static bool read_object(struct decode *d, const struct place *at, const struct field *f, const json_t *value,
                        void *item)
{
        if (!json_is_object(value) && !f->closed)
                return decode_shape(d, at, f->shape, value, NULL);
        void *object = arena_alloc(d->arena, f->shape->size);
        decode_shape(d, at, f->shape, value, object);
        *(void **)member_of(item, f->offset) = object;
        return true;
}

static bool read_field(struct decode *d, const struct place *at, const struct field *f, const json_t *value, void *item)
{
        void *member = member_of(item, f->offset);
        switch (f->type) {
        case FIELD_IGNORED:
                return true;
        case FIELD_STRING:
                if (decode_string(d, at, value, member))
                        return true;
                if (f->closed)
                        *(const char **)member = "";
                return f->closed;
        case FIELD_BOOL:
                return decode_bool(d, at, value, member);
        case FIELD_INT64:
                return decode_int64(d, at, value, member);
        case FIELD_INT32:
                return decode_int32(d, at, value, member);
        case FIELD_STRINGS:
                decode_strings(d, at, value, member, member_of(item, f->count));
                return true;
        case FIELD_OBJECT:
                return read_object(d, at, f, value, item);
        case FIELD_INLINE:
                return decode_shape(d, at, f->shape, value, member) || f->closed;
        case FIELD_LIST:
                read_list(d, at, f, value, item);
                return true;
        case FIELD_CUSTOM:
                f->read(d, at, value, item);
                return true;
        }
        return false;
}

/* The index of the field called key, or field_count. */
static size_t field_index(const struct shape *shape, const char *key)
{
        size_t i = 0;
        while (i < shape->field_count && strcmp(shape->fields[i].name, key) != 0)
                i++;
        return i;
}

/* One pass over what is there is cheaper than a look-up for each field that might be. */
static void find_values(struct decode *d, const struct place *at, const struct shape *shape, const json_t *json,
                        const json_t *values[])
{
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
                size_t i = field_index(shape, key);
                if (i < shape->field_count)
                        values[i] = json_is_null(value) ? NULL : value;
                else if (shape->strict && d->options->report_unknown)
                        decode_problem(d, &(struct place){.parent = at, .key = key}, PROBLEM_UNKNOWN,
                                       "is not a field of this API");
        }
}

/* Fields are judged in the table's order: the order of members makes no difference. */
bool decode_shape(struct decode *d, const struct place *at, const struct shape *shape, const json_t *json, void *item)
{
        if (!json_is_object(json)) {
                decode_problem(d, at, PROBLEM_INVALID, "must be an object");
                return false;
        }
        assert(shape->field_count <= FIELDS_MAX);
        const json_t *values[FIELDS_MAX] = {NULL};
        find_values(d, at, shape, json, values);
        for (size_t i = 0; i < shape->field_count; i++) {
                const struct field *f = &shape->fields[i];
                struct place member = {.parent = at, .key = f->name};
                if (values[i] && read_field(d, &member, f, values[i], item) && f->flagged)
                        *(bool *)member_of(item, f->flag) = true;
        }
        if (shape->finish)
                shape->finish(d, at, json, item);
        return true;
}
