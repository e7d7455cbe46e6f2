/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/selector.h"
#include "e2e/devkube/js.h"

#include <ctype.h>
#include <string.h>

enum operator{ OP_IN, OP_NOT_IN, OP_EXISTS, OP_MISSING };
struct requirement {
        char *key;
        enum operator op;
        char **values;
        size_t value_count;
};
struct selector {
        struct requirement *requirements;
        size_t count;
};

static struct requirement *add(struct selector *s, enum operator op)
{
        s->requirements = mem_resize(s->requirements, s->count + 1, sizeof(*s->requirements));
        struct requirement *r = &s->requirements[s->count++];
        *r = (struct requirement){.op = op};
        return r;
}

static void add_value(struct requirement *r, char *value)
{
        r->values = mem_resize(r->values, r->value_count + 1, sizeof(*r->values));
        r->values[r->value_count++] = value;
}

void selector_free(struct selector *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < s->count; i++) {
                struct requirement *r = &s->requirements[i];
                for (size_t j = 0; j < r->value_count; j++)
                        mem_free(r->values[j]);
                mem_free(r->values);
                mem_free(r->key);
        }
        mem_free(s->requirements);
        mem_free(s);
}

static void skip_space(const char **p)
{
        while (isspace((unsigned char)**p))
                (*p)++;
}

/* Up to one of ends, without the space around it. */
static char *word(const char **p, const char *ends)
{
        skip_space(p);
        size_t n = strcspn(*p, ends), trimmed = n;
        while (trimmed && isspace((unsigned char)(*p)[trimmed - 1]))
                trimmed--;
        char *s = mem_strndup(*p, trimmed);
        *p += n;
        return s;
}

static bool read_list(const char **p, struct requirement *r, struct err *e)
{
        skip_space(p);
        if (**p != '(')
                return err_set(e, "found '%.10s', expected: '('", *p);
        do {
                (*p)++;
                add_value(r, word(p, ",)"));
        } while (**p == ',');
        if (**p != ')')
                return err_set(e, "found '', expected: ',', or ')'");
        (*p)++;
        return true;
}

static bool is_word(const char *p, const char *w)
{
        size_t n = strlen(w);
        return strncmp(p, w, n) == 0 && (isspace((unsigned char)p[n]) || p[n] == '(');
}

static bool read_requirement(const char **p, struct selector *s, struct err *e)
{
        skip_space(p);
        if (**p == '!') {
                (*p)++;
                add(s, OP_MISSING)->key = word(p, ",");
                return true;
        }
        char *key = word(p, "=!, \t(");
        skip_space(p);
        if (**p == '=' || (**p == '!' && (*p)[1] == '=')) {
                struct requirement *r = add(s, **p == '=' ? OP_IN : OP_NOT_IN);
                r->key = key;
                *p += (*p)[0] == '!' || (*p)[1] == '=' ? 2 : 1;
                add_value(r, word(p, ","));
                return true;
        }
        bool in = is_word(*p, "in"), not_in = is_word(*p, "notin");
        struct requirement *r = add(s, in ? OP_IN : not_in ? OP_NOT_IN : OP_EXISTS);
        r->key = key;
        *p += in ? 2 : not_in ? 5 : 0;
        if (in || not_in)
                return read_list(p, r, e);
        return !**p || **p == ',' || err_set(e, "found '%.20s', expected: in, notin, =, ==, !=, gt, lt", *p);
}

static bool is_key(const char *key)
{
        size_t n = strlen(key);
        return n && strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == n;
}

static struct selector *parse(const char *text, struct err *e, bool fields)
{
        const char *p = text;
        skip_space(&p);
        if (!*p)
                return NULL;
        AUTO(selector) *s = mem_zalloc(sizeof(*s));
        for (;;) {
                struct err why = {0};
                if (!read_requirement(&p, s, &why)) {
                        err_set(e, "unable to parse requirement: %s", why.text);
                        return NULL;
                }
                const struct requirement *last = &s->requirements[s->count - 1];
                if (fields && last->op > OP_NOT_IN) {
                        err_set(e, "invalid selector: '%s'; can't understand '%s'", text, last->key);
                        return NULL;
                }
                if (!is_key(last->key)) {
                        err_set(e, "unable to parse requirement: found '%s', expected: identifier", last->key);
                        return NULL;
                }
                skip_space(&p);
                if (!*p)
                        return mem_take(&s);
                p++; /* the comma */
        }
}

struct selector *selector_parse(const char *text, struct err *e)
{
        return parse(text, e, false);
}

struct selector *selector_parse_fields(const char *text, struct err *e)
{
        return parse(text, e, true);
}

static enum operator operator_of(const char *name)
{
        return str_equal(name, "In")       ? OP_IN
               : str_equal(name, "NotIn")  ? OP_NOT_IN
               : str_equal(name, "Exists") ? OP_EXISTS
                                           : OP_MISSING;
}

struct selector *selector_of_json(const json_t *label_selector)
{
        AUTO(selector) *s = mem_zalloc(sizeof(*s));
        const char *key;
        json_t *value;
        size_t i, j;
        json_object_foreach (json_object_get(label_selector, "matchLabels"), key, value) {
                struct requirement *r = add(s, OP_IN);
                r->key = mem_strdup(key);
                add_value(r, mem_strdup(json_is_string(value) ? json_string_value(value) : ""));
        }
        json_t *expression;
        json_array_foreach (json_object_get(label_selector, "matchExpressions"), i, expression) {
                struct requirement *r = add(s, operator_of(js_str(expression, "operator")));
                r->key = mem_strdup(js_text_or_empty(expression, "key"));
                json_array_foreach (json_object_get(expression, "values"), j, value) {
                        add_value(r, mem_strdup(json_is_string(value) ? json_string_value(value) : ""));
                }
        }
        return s->count ? mem_take(&s) : NULL;
}

/* The value of key within the set, its length in *n; NULL when it is absent. */
static const char *lookup(const char *set, const char *key, size_t *n)
{
        size_t key_len = strlen(key);
        for (; *set; set += strcspn(set, "\n") + 1) {
                if (strncmp(set, key, key_len) == 0 && set[key_len] == '=') {
                        const char *value = set + key_len + 1;
                        *n = strcspn(value, "\n");
                        return value;
                }
        }
        return NULL;
}

static bool fits(const struct requirement *r, const char *set)
{
        size_t n = 0;
        const char *value = lookup(set, r->key, &n);
        bool among = false;
        for (size_t i = 0; value && i < r->value_count; i++)
                among |= strlen(r->values[i]) == n && memcmp(r->values[i], value, n) == 0;
        switch (r->op) {
        case OP_IN:
                return among;
        case OP_NOT_IN:
                return !among;
        case OP_EXISTS:
                return value;
        case OP_MISSING:
                return !value;
        }
        return false;
}

bool selector_matches(const struct selector *s, const char *set)
{
        for (size_t i = 0; s && i < s->count; i++) {
                if (!fits(&s->requirements[i], set))
                        return false;
        }
        return true;
}

const char *selector_refused_key(const struct selector *s, bool (*allowed)(const void *arg, const char *key),
                                 const void *arg)
{
        for (size_t i = 0; s && i < s->count; i++) {
                if (!allowed(arg, s->requirements[i].key))
                        return s->requirements[i].key;
        }
        return NULL;
}
