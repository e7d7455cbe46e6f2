/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/skim.h"

#include "base/mem.h"

#include <string.h>

enum { NAME_MAX_BYTES = 253 }; /* of an object's name; Kubernetes, "Object Names and IDs" */

/* RFC 8259, section 2. */
static const char *skip_space(const char *p, const char *end)
{
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
                p++;
        return p;
}

/* Past the string whose opening quote is at p; *whole is cleared when it does not end. */
static const char *skip_string(const char *p, const char *end, bool *whole)
{
        const char *begin = p + 1;
        while ((p = memchr(begin, '"', (size_t)(end - begin))) != NULL) {
                const char *escape = p;
                while (escape > begin && escape[-1] == '\\')
                        escape--;
                if ((p - escape) % 2 == 0)
                        return p + 1;
                begin = p + 1; /* what stands behind an escaped quote begins anew */
        }
        *whole = false;
        return end;
}

static const char *skip_brackets(const char *p, const char *end, bool *whole)
{
        size_t depth = 0;
        while (p < end) {
                if (*p == '"') {
                        p = skip_string(p, end, whole);
                        continue;
                }
                if (*p == '{' || *p == '[')
                        depth++;
                else if ((*p == '}' || *p == ']') && --depth == 0)
                        return p + 1;
                p++;
        }
        *whole = false;
        return end;
}

static const char *skip_word(const char *p, const char *end)
{
        while (p < end && !strchr(" \t\n\r,:[]{}\"", *p))
                p++;
        return p;
}

static struct skim value_at(const char *p, const char *end)
{
        struct skim v = {.text = p, .whole = true};
        const char *past = p;
        if (p < end && *p == '"')
                past = skip_string(p, end, &v.whole);
        else if (p < end && (*p == '{' || *p == '['))
                past = skip_brackets(p, end, &v.whole);
        else
                past = skip_word(p, end);
        v.size = (size_t)(past - p);
        return v;
}

struct skim skim_text(const char *text, size_t n)
{
        const char *p = skip_space(text, text + n);
        return (struct skim){.text = p, .size = n - (size_t)(p - text)};
}

struct skim skim_value(const char *text, size_t n)
{
        const char *end = text + n;
        return value_at(skip_space(text, end), end);
}

bool skim_begin(struct skim_walk *w, const struct skim *v)
{
        if (!v->size || (v->text[0] != '{' && v->text[0] != '['))
                return false;
        *w = (struct skim_walk){
                .p = v->text + 1,
                .end = v->text + v->size,
                .close = v->text[0] == '{' ? '}' : ']',
                .first = true,
        };
        return true;
}

/* At the comma, the closing bracket or the first element. False at the end or where none of these stands. */
static bool step(struct skim_walk *w)
{
        w->p = skip_space(w->p, w->end);
        if (w->p < w->end && *w->p == w->close) {
                w->ended = true;
                return false;
        }
        if (!w->first) {
                if (w->p >= w->end || *w->p != ',')
                        return false;
                w->p = skip_space(w->p + 1, w->end);
        }
        w->first = false;
        return true;
}

bool skim_next(struct skim_walk *w, struct skim *key, struct skim *value)
{
        if (w->ended || !step(w))
                return false;
        if (w->close == '}') {
                *key = value_at(w->p, w->end);
                if (!key->whole || key->size < 2 || key->text[0] != '"')
                        return false;
                w->p = skip_space(key->text + key->size, w->end);
                if (w->p >= w->end || *w->p != ':')
                        return false;
                w->p = skip_space(w->p + 1, w->end);
        }
        *value = value_at(w->p, w->end);
        w->p += value->size;
        return value->size > 0;
}

bool skim_rest_is_blank(const struct skim_walk *w)
{
        return w->ended && skip_space(w->p + 1, w->end) == w->end;
}

bool skim_member(const struct skim *object, const char *key, struct skim *value)
{
        struct skim_walk w;
        struct skim k = {0}, v;
        size_t n = strlen(key);
        if (!skim_begin(&w, object) || w.close != '}')
                return false;
        while (skim_next(&w, &k, &v)) {
                if (k.size == n + 2 && memcmp(k.text + 1, key, n) == 0) {
                        *value = v;
                        return true;
                }
        }
        return false;
}

char *skim_string(const struct skim *v)
{
        if (!v->whole || v->size < 2 || v->text[0] != '"' || memchr(v->text, '\\', v->size))
                return NULL;
        return mem_strndup(v->text + 1, v->size - 2);
}

static char *name_part(const struct skim *metadata, const char *key)
{
        struct skim v;
        if (!skim_member(metadata, key, &v) || v.size > NAME_MAX_BYTES + 2)
                return NULL;
        return skim_string(&v);
}

char *skim_object_name(const struct skim *v)
{
        struct skim metadata;
        if (!skim_member(v, "metadata", &metadata))
                return mem_strdup("");
        AUTO_STR *namespace = name_part(&metadata, "namespace");
        AUTO_STR *name = name_part(&metadata, "name");
        return mem_printf("%s%s%s", namespace ? namespace : "", namespace && name ? "/" : "", name ? name : "");
}
