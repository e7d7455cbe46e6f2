/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - judges manifests by the rules of the server, offline: everything that the files hold is loaded into a store,
 * and the final state is judged by the same pipeline that serves. What is referred to and not in the files is a
 * warning, as at admission.
 */
#include "base/json_text.h"
#include "base/map.h"
#include "base/time.h"
#include "cmd/commands.h"
#include "cmd/judge_policy.h"
#include "cmd/lint_load.h"
#include "cmd/print.h"
#include "controller/pipeline.h"

#include <stdio.h>

enum { OUTPUT_MAX = 1024 * 1024 * 1024 };

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTICE };
enum { SEVERITY_COUNT = SEVERITY_NOTICE + 1 };
static const char *const severity_names[SEVERITY_COUNT] = {"error", "warning", "notice"};

struct lint {
        struct lint_load load;
        struct store *store;
        struct policy policy;
        pthread_rwlock_t lock;
        struct pipeline *pipeline;
        struct buf *out;
        bool json;
        bool partial; /* what the files name and do not hold may exist */
        size_t counts[SEVERITY_COUNT];
};

/* What a person does with a finding. Notices leave the object valid: they alone do not fail. */
static enum severity severity_of(const struct lint *l, const struct finding *f)
{
        const struct rule_info *rule = rule_info(f->rule);
        if (f->denies)
                return SEVERITY_ERROR;
        bool elsewhere = rule->admission == ADMISSION_STRICT || f->rule == RULE_Orphaned;
        return rule->status == STATUS_NOTICE || (l->partial && elsewhere) ? SEVERITY_NOTICE : SEVERITY_WARNING;
}

static void put(struct object *o, void *arg)
{
        struct lint *l = arg;
        pipeline_put(l->pipeline, o, 0);
}

static void judge_all(struct lint *l)
{
        pipeline_start(l->pipeline);
        while (pipeline_due(l->pipeline) != INT64_MAX && !pipeline_is_built(l->pipeline))
                pipeline_turn(l->pipeline);
}

/* ---- output ---- */

static size_t finding_count(const struct lint *l)
{
        return l->counts[SEVERITY_ERROR] + l->counts[SEVERITY_WARNING] + l->counts[SEVERITY_NOTICE];
}

static void append_json(struct lint *l, const struct lint_place *place, const struct finding *f)
{
        const char *const pairs[][2] = {
                {"kind", kind_info(f->about.kind)->name},
                {"namespace", f->about.namespace},
                {"name", f->about.name},
                {"rule", rule_info(f->rule)->name},
                {"field", f->field},
                {"message", f->message},
                {"severity", severity_names[severity_of(l, f)]},
                {"file", place->file},
        };
        buf_append_str(l->out, finding_count(l) ? ",\n" : "\n");
        for (size_t i = 0; i < COUNT_OF(pairs); i++) {
                buf_printf(l->out, "%s\"%s\":", i ? "," : "{", pairs[i][0]);
                json_text_string(l->out, pairs[i][1]);
        }
        buf_printf(l->out, ",\"line\":%u}", place->line);
}

static void append_text(struct lint *l, const struct lint_place *place, const struct finding *f, struct arena *a)
{
        const struct object_ref *o = &f->about;
        buf_printf(l->out, "%s:%u: %s %s%s%s: %s\n", place->file, place->line, kind_info(o->kind)->name, o->namespace,
                   o->namespace[0] ? "/" : "", o->name, finding_text(a, f));
}

static void report_object(struct lint *l, const struct lint_place *place)
{
        AUTO(arena) *a = arena_new(1024);
        struct view v = {.store = l->store};
        const struct object *o = view_get(&v, place->kind, place->namespace, place->name);
        struct object_state state = {0};
        pipeline_findings(l->pipeline, o, false, a, &state);
        /* What no root reaches is judged as when it is sent: a cycle would be refused then. */
        if (state.status == STATUS_ORPHANED)
                pipeline_findings(l->pipeline, o, true, a, &state);
        for (size_t i = 0; i < state.finding_count; i++) {
                const struct finding *f = &state.findings[i];
                if (l->json)
                        append_json(l, place, f);
                else
                        append_text(l, place, f, a);
                l->counts[severity_of(l, f)]++;
        }
}

static void report(struct lint *l)
{
        buf_append_str(l->out, l->json ? "{\"findings\":[" : "");
        for (size_t i = 0; i < l->load.count; i++) {
                if (!l->load.places[i].replaced)
                        report_object(l, &l->load.places[i]);
        }
        buf_append_str(l->out, !l->json ? "" : finding_count(l) ? "\n]}\n" : "]}\n");
}

/* ---- the command ---- */

static void lint_init(struct lint *l, const struct options *o)
{
        *l = (struct lint){
                .policy = judge_policy(&o->policy), .json = o->output == OUTPUT_JSON, .partial = o->lint.partial};
        pthread_rwlock_init(&l->lock, NULL);
        l->store = store_new();
        l->out = buf_new(OUTPUT_MAX);
        l->pipeline = pipeline_new(&(struct pipeline_options){
                .store = l->store,
                .lock = &l->lock,
                .policy = &l->policy,
                .wall = time_now_micros,
                .monotonic = time_monotonic,
        });
        l->load = (struct lint_load){
                .arena = arena_new(65536),
                .default_namespace = o->lint.default_namespace,
                .put = put,
                .arg = l,
                .by_key = map_new(),
        };
}

static void lint_done(struct lint *l)
{
        pipeline_free(l->pipeline);
        store_free(l->store);
        pthread_rwlock_destroy(&l->lock);
        buf_free(l->out);
        map_free(l->load.by_key);
        arena_free(l->load.arena);
}

static void print_counts(const struct lint *l)
{
        for (size_t i = 0; i < SEVERITY_COUNT; i++)
                fprintf(stderr, "%s%zu %s%s", i ? ", " : "", l->counts[i], severity_names[i],
                        l->counts[i] == 1 ? "" : "s");
        fputc('\n', stderr);
}

int lint_run(const struct options *o)
{
        struct lint l;
        lint_init(&l, o);
        for (size_t i = 0; i < o->arguments.count; i++)
                lint_load_path(&l.load, o->arguments.items[i]);
        judge_all(&l);
        report(&l);
        bool printed = print_text(l.out);
        if (!printed)
                fprintf(stderr, "gatehouse lint: the findings cannot be written\n");
        else if (finding_count(&l) && !l.json)
                print_counts(&l);
        bool fine = printed && finding_count(&l) == l.counts[SEVERITY_NOTICE] && !l.load.problems;
        lint_done(&l);
        return fine ? 0 : 1;
}
