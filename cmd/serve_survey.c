/* SPDX-License-Identifier: Apache-2.0 */
/* serve_survey - every object and what was found about it, told from the loop in slices to whoever shows it. */
#include "cmd/serve_internal.h"

#include "base/time.h"

/* How long the loop is busy at a time. */
#define SLICE (2 * DURATION_MILLISECOND)

struct survey {
        struct server *server;
        const char *namespace; /* NULL: all */
        serve_survey_fn *each;
        void *arg;
        struct pipeline_cursor cursor;
        bool complete; /* all IngressRoutes were told */
        struct arena *arena;
        struct object_ref *others; /* objects of other kinds to look at; names in the arena */
        size_t other_count, other_room, next_other;
};

static bool is_asked_for(const struct survey *s, const struct object *o)
{
        return !s->namespace || str_equal(s->namespace, o->namespace);
}

void serve_any_state(const struct object *o, struct arena *a, struct object_state *out, void *arg)
{
        const struct server *s = arg;
        if (o->kind == KIND_INGRESSROUTE)
                serve_state(s, o, a, out);
        else
                pipeline_findings(s->pipeline, o, false, a, out);
}

static void tell_ingressroute(const struct object *o, void *arg)
{
        struct survey *s = arg;
        if (!is_asked_for(s, o))
                return;
        AUTO(arena) *a = arena_new(1024);
        struct object_state state = {0};
        serve_any_state(o, a, &state, s->server);
        s->each(o, &state, s->arg);
}

static void tell_ingressroutes(void *arg)
{
        struct survey *s = arg;
        s->complete =
                pipeline_each_object(s->server->pipeline, &s->cursor, time_monotonic() + SLICE, tell_ingressroute, s);
}

/* Of Services and Namespaces only annotations are judged: the many that have none of ours cost nothing. */
static void note_other(const struct object *o, void *arg)
{
        struct survey *s = arg;
        bool plain = o->kind == KIND_SERVICE || o->kind == KIND_NAMESPACE;
        if (!is_asked_for(s, o) || (plain && !o->annotation_count && !o->problem_count))
                return;
        if (s->other_count == s->other_room) {
                s->other_room = s->other_room ? 2 * s->other_room : 64;
                s->others = mem_resize(s->others, s->other_room, sizeof(*s->others));
        }
        s->others[s->other_count++] =
                (struct object_ref){o->kind, arena_strdup(s->arena, o->namespace), arena_strdup(s->arena, o->name)};
}

static void note_others(void *arg)
{
        static const enum kind kinds[] = {KIND_TLSCERTIFICATEDELEGATION, KIND_INGRESS, KIND_SERVICE, KIND_NAMESPACE};
        struct survey *s = arg;
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                store_each(s->server->store, kinds[i], note_other, s);
}

/* One that has gone meanwhile has nothing to say. */
static void tell_other(struct survey *s, const struct object_ref *ref)
{
        const struct view view = {.store = s->server->store};
        const struct object *o = view_get(&view, ref->kind, ref->namespace, ref->name);
        if (!o)
                return;
        AUTO(arena) *a = arena_new(1024);
        struct object_state state = {0};
        serve_any_state(o, a, &state, s->server);
        s->each(o, &state, s->arg);
}

static void tell_others(void *arg)
{
        struct survey *s = arg;
        int64_t deadline = time_monotonic() + SLICE;
        while (s->next_other < s->other_count && time_monotonic() < deadline)
                tell_other(s, &s->others[s->next_other++]);
}

static bool run(struct survey *s)
{
        struct loop_calls *calls = s->server->calls;
        while (!s->complete) {
                if (!loop_call(calls, tell_ingressroutes, s))
                        return false;
        }
        if (!loop_call(calls, note_others, s))
                return false;
        while (s->next_other < s->other_count) {
                if (!loop_call(calls, tell_others, s))
                        return false;
        }
        return true;
}

bool serve_survey(struct server *server, const char *namespace, serve_survey_fn *each, void *arg)
{
        AUTO(arena) *a = arena_new(4096);
        struct survey s = {.server = server, .namespace = namespace, .each = each, .arg = arg, .arena = a};
        bool told = run(&s);
        mem_free(s.others);
        return told;
}
