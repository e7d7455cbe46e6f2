/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/verdict.h"

#include "base/map.h"

#include <assert.h>
#include <string.h>

struct judgement {
        const struct candidate *candidate;
        const struct verdict_rules *rules;
        int64_t now;
        struct arena *arena;
};

/* Whether a version is of our class, and what would be found about it; nothing when it is of another class. */
static bool judge(const struct judgement *j, const struct object *o, struct findings *found)
{
        struct view view = {.store = j->rules->store, .candidate = o};
        if (!judge_is_ours(&view, j->rules->policy, view.candidate))
                return false;
        judge_candidate(&view, j->rules->policy, j->now, found);
        return true;
}

/* ---- which findings of an UPDATE were there before ---- */

static bool is_class_annotation(const char *key)
{
        return str_equal(key, "kubernetes.io/ingress.class") || str_has_suffix(key, "/ingress.class");
}

static bool has_annotations_of(const struct object *a, const struct object *b)
{
        for (size_t i = 0; i < a->annotation_count; i++) {
                const struct annotation *one = &a->annotations[i];
                if (!is_class_annotation(one->key) && !str_equal(object_annotation(b, one->key), one->value))
                        return false;
        }
        return true;
}

/* The class counts by its effect: the mutation may write down the class that an object had without saying so. */
static bool annotations_changed(const struct judgement *j)
{
        const struct object *new = j->candidate->new, *old = j->candidate->old;
        if (!has_annotations_of(new, old) || !has_annotations_of(old, new))
                return true;
        struct view view = {.store = j->rules->store, .candidate = old};
        return !judge_is_ours(&view, j->rules->policy, view.candidate);
}

static const char *same_key(struct arena *a, const struct finding *f)
{
        return arena_printf(a, "%d %s", (int)f->rule, f->subject ? f->subject : "");
}

/* How many findings there are of each rule and subject (finding_same()): key -> counter in a. */
static struct map *count_by_subject(struct arena *a, const struct findings *list)
{
        struct map *counts = map_new();
        for (size_t i = 0; i < list->count; i++) {
                const char *key = same_key(a, &list->items[i]);
                size_t *n = map_get(counts, key);
                if (!n) {
                        n = arena_alloc(a, sizeof(*n));
                        map_set(counts, key, n);
                }
                ++*n;
        }
        return counts;
}

static bool any_denies(const struct findings *list)
{
        for (size_t i = 0; i < list->count; i++) {
                if (list->items[i].denies)
                        return true;
        }
        return false;
}

/* Lets pass what an UPDATE leaves as it was (rules.md, "At admission"). */
static void tolerate(const struct judgement *j, struct findings *found)
{
        const struct candidate *c = j->candidate;
        if (!c->old || !any_denies(found) || annotations_changed(j))
                return;
        struct findings before = {.arena = j->arena};
        if (c->content_changed)
                judge(j, c->old, &before);
        AUTO(map) *counts = count_by_subject(j->arena, &before);
        for (size_t i = 0; i < found->count; i++) {
                struct finding *f = &found->items[i];
                size_t *left = map_get(counts, same_key(j->arena, f));
                /* Each new one stands for an old one; what is beyond their number is new. */
                if (!c->content_changed || (left && *left > 0))
                        f->denies = false;
                if (left && *left > 0)
                        --*left;
        }
}

/* ---- from findings to a verdict ---- */

static void add_warning(struct arena *a, struct verdict *v, const char *text)
{
        const char **warnings = (const char **)(uintptr_t)v->warnings;
        const char **added = arena_push(a, &warnings, &v->warning_count);
        *added = text;
        v->warnings = warnings;
}

static void add_cause(struct arena *a, struct verdict *v, const struct finding *f)
{
        struct admission_cause *causes = (struct admission_cause *)(uintptr_t)v->causes;
        const char *rule = rule_info(f->rule)->name;
        struct admission_cause *added = arena_push(a, &causes, &v->cause_count);
        added->field = arena_strdup(a, f->field);
        added->message = arena_printf(a, "%s [%s]", f->message, rule);
        v->causes = causes;
}

static void refuse(struct verdict *v, const struct finding *f)
{
        bool forbidden = rule_info(f->rule)->admission == ADMISSION_FORBID;
        v->may_be_early = (v->allowed || v->may_be_early) && forbidden && f->rule != RULE_RootNamespaceForbidden;
        v->code = forbidden || v->code == 403 ? 403 : 422;
        v->allowed = false;
}

static void conclude(const struct judgement *j, const struct findings *found, struct verdict *v)
{
        struct arena *a = j->arena;
        enum rule *rules = arena_calloc(a, found->count, sizeof(*rules));
        for (size_t i = 0; i < found->count; i++) {
                const struct finding *f = &found->items[i];
                rules[i] = f->rule;
                if (f->denies && !j->rules->warn_only) {
                        add_cause(a, v, f);
                        refuse(v, f);
                } else {
                        add_warning(a, v, finding_text(a, f));
                }
        }
        v->rules = rules;
        v->rule_count = found->count;
}

static void judge_object_review(const struct judgement *j, struct verdict *v)
{
        struct findings found = {.arena = j->arena};
        if (j->candidate->deleting || !judge(j, j->candidate->new, &found))
                return;
        tolerate(j, &found);
        conclude(j, &found, v);
}

static void judge_broken(const struct judgement *j, struct verdict *v)
{
        struct finding f = {.rule = RULE_FieldInvalid, .denies = true, .field = "metadata", .subject = ""};
        f.message = j->candidate->problem;
        struct findings found = {.arena = j->arena, .items = &f, .count = 1};
        conclude(j, &found, v);
}

void verdict_judge(const struct candidate *c, const struct verdict_rules *rules, int64_t now, struct arena *a,
                   struct verdict *out)
{
        struct judgement j = {.candidate = c, .rules = rules, .now = now, .arena = a};
        *out = (struct verdict){.allowed = true};
        switch (c->type) {
        case CANDIDATE_PASS:
                return;
        case CANDIDATE_UNKNOWN:
                add_warning(a, out,
                            "gatehouse does not know this kind and has not judged the object: correct the rules of "
                            "its webhook configuration");
                return;
        case CANDIDATE_BROKEN:
                judge_broken(&j, out);
                return;
        case CANDIDATE_OBJECT:
                judge_object_review(&j, out);
                return;
        }
        assert(false);
}
