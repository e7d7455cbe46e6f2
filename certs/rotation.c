/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/rotation.h"

#include "base/time.h"
#include "certs/inspect.h"
#include "certs/issue.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
        STEPS_MAX = 64, /* more are a plan that runs in circles: our bug */
        ID_SHOWN = 16,  /* letters of a certificate's id in the record */
};

struct rotation {
        struct arena *arena; /* names and the leaves' looks */
        struct rotation_object *objects;
        const struct rotation_leaf *leaves;
        size_t leaf_count, hook_count;
};

/* What one look at the bytes finds. */
struct look {
        struct plan_state state;
        struct inspect_cert *certs; /* of the bundle */
        const char *bundle;         /* all of certs as PEM */
};

/* ---- objects ---- */

static const char *const *copy_strings(struct arena *a, const char *const *strings, size_t count)
{
        const char **copy = arena_calloc(a, count, sizeof(*copy));
        for (size_t i = 0; i < count; i++)
                copy[i] = arena_strdup(a, strings[i]);
        return copy;
}

/* "::1" for "0:0::1", as certificates show it. */
static const char *const *copy_ips(struct arena *a, const char *const *ips, size_t count)
{
        const char **copy = arena_calloc(a, count, sizeof(*copy));
        for (size_t i = 0; i < count; i++) {
                unsigned char bytes[16];
                char text[INET6_ADDRSTRLEN];
                int family = strchr(ips[i], ':') ? AF_INET6 : AF_INET;
                bool valid = inet_pton(family, ips[i], bytes) == 1 && inet_ntop(family, bytes, text, sizeof(text));
                copy[i] = arena_strdup(a, valid ? text : ips[i]);
        }
        return copy;
}

static struct rotation_leaf copy_leaf(struct arena *a, const struct rotation_leaf *l)
{
        return (struct rotation_leaf){
                .secret = arena_strdup(a, l->secret),
                .common_name = arena_strdup(a, l->common_name),
                .names = copy_strings(a, l->names, l->name_count),
                .name_count = l->name_count,
                .ips = copy_ips(a, l->ips, l->ip_count),
                .ip_count = l->ip_count,
                .server = l->server,
                .client = l->client,
        };
}

struct rotation *rotation_new(const char *authority, const struct rotation_leaf *leaves, size_t leaf_count,
                              const struct rotation_hook *hooks, size_t hook_count)
{
        struct rotation *r = mem_zalloc(sizeof(*r));
        struct arena *a = r->arena = arena_new(4096);
        struct rotation_leaf *copies = arena_calloc(a, leaf_count, sizeof(*copies));
        r->objects = arena_calloc(a, 1 + leaf_count + hook_count, sizeof(*r->objects));
        r->objects[0] = (struct rotation_object){.kind = ROTATION_AUTHORITY, .name = arena_strdup(a, authority)};
        for (size_t i = 0; i < leaf_count; i++) {
                copies[i] = copy_leaf(a, &leaves[i]);
                r->objects[1 + i] = (struct rotation_object){.kind = ROTATION_LEAF, .name = copies[i].secret};
        }
        for (size_t i = 0; i < hook_count; i++)
                r->objects[1 + leaf_count + i] = (struct rotation_object){
                        .kind = ROTATION_HOOK,
                        .name = arena_strdup(a, hooks[i].name),
                        .type = arena_strdup(a, hooks[i].resource),
                };
        r->leaves = copies;
        r->leaf_count = leaf_count;
        r->hook_count = hook_count;
        return r;
}

struct rotation_object *rotation_objects(struct rotation *r, size_t *count)
{
        *count = 1 + r->leaf_count + r->hook_count;
        return r->objects;
}

void rotation_set(struct rotation_object *o, enum rotation_field field, const char *p, size_t n)
{
        struct buf *fresh = NULL;
        if (p) {
                fresh = buf_new(ROTATION_FIELD_MAX);
                if (field == ROTATION_KEY || field == ROTATION_NEXT)
                        buf_set_secret(fresh);
                buf_append(fresh, p, n);
        }
        buf_free(o->fields[field]);
        o->fields[field] = fresh;
}

void rotation_own(struct rotation_object *o, const char *who)
{
        snprintf(o->foreign, sizeof(o->foreign), "%s", who);
}

void rotation_clear(struct rotation *r)
{
        size_t count;
        struct rotation_object *objects = rotation_objects(r, &count);
        for (size_t i = 0; i < count; i++) {
                for (int f = 0; f < ROTATION_FIELDS; f++)
                        rotation_set(&objects[i], (enum rotation_field)f, NULL, 0);
                objects[i].stored = false;
                objects[i].foreign[0] = '\0';
        }
}

void rotation_free(struct rotation *r)
{
        if (!r)
                return;
        rotation_clear(r);
        arena_free(r->arena);
        mem_free(r);
}

static const char *text(const struct rotation_object *o, enum rotation_field field)
{
        return o->fields[field] ? buf_data(o->fields[field]) : "";
}

static size_t len(const struct rotation_object *o, enum rotation_field field)
{
        return o->fields[field] ? buf_len(o->fields[field]) : 0;
}

static void set_text(struct rotation_object *o, enum rotation_field field, const char *s)
{
        rotation_set(o, field, s, strlen(s));
}

static struct rotation_object *leaf_object(const struct rotation *r, size_t i)
{
        return &r->objects[1 + i];
}

static struct rotation_object *hook_object(const struct rotation *r, size_t i)
{
        return &r->objects[1 + r->leaf_count + i];
}

/* ---- bytes to facts ---- */

static int find_owner(const struct look *l, const struct rotation_object *authority, enum rotation_field key)
{
        for (size_t i = 0; i < l->state.authority.count; i++) {
                const char *pem = l->certs[i].pem;
                if (l->certs[i].ca && inspect_key_matches(pem, strlen(pem), text(authority, key), len(authority, key)))
                        return (int)i;
        }
        return PLAN_NOBODY;
}

/* "<signer> of <id>,<id>": a record counts for exactly this bundle and signer. */
static char *settled_tag(struct arena *a, const struct look *l)
{
        const struct plan_authority *p = &l->state.authority;
        AUTO(buf) *out = buf_new(ROTATION_FIELD_MAX);
        buf_printf(out, "%.*s of", ID_SHOWN, p->signer == PLAN_NOBODY ? "nobody" : l->certs[p->signer].id);
        for (size_t i = 0; i < p->count; i++)
                buf_printf(out, "%s%.*s", i ? "," : " ", ID_SHOWN, l->certs[i].id);
        return arena_strdup(a, buf_data(out));
}

static int64_t settled_at(struct arena *a, const struct look *l, const struct rotation_object *authority)
{
        const char *record = text(authority, ROTATION_SETTLED);
        const char *space = strchr(record, ' ');
        int64_t at;
        if (!space || strcmp(space + 1, settled_tag(a, l)) != 0 ||
            !time_parse(arena_strndup(a, record, (size_t)(space - record)), &at, NULL))
                return 0;
        return at;
}

static bool knows(const struct look *l, const struct inspect_cert *cert)
{
        for (size_t i = 0; i < l->state.authority.count; i++) {
                if (str_equal(l->certs[i].id, cert->id))
                        return true;
        }
        return false;
}

/* Adds what is published by this object and unknown to l. */
static void add_published(struct arena *a, const struct rotation_object *o, int64_t now, struct look *l)
{
        struct inspect_cert *certs;
        size_t count;
        const char *problem;
        if (*o->foreign ||
            !inspect_bundle(a, text(o, ROTATION_BUNDLE), len(o, ROTATION_BUNDLE), &certs, &count, &problem))
                return;
        for (size_t i = 0; i < count; i++) {
                if (!certs[i].ca || now >= certs[i].not_after || knows(l, &certs[i]))
                        continue;
                *arena_push(a, &l->certs, &l->state.authority.count) = certs[i];
                l->state.authority.strays = true;
        }
}

/* Does its own bundle, and not that of the authority, tell who signed it? */
static bool is_stray(const struct rotation_object *o, const struct rotation_object *authority)
{
        const char *crt = text(o, ROTATION_CRT);
        size_t n = len(o, ROTATION_CRT);
        return o->kind == ROTATION_LEAF && !*o->foreign &&
               inspect_signer(crt, n, text(authority, ROTATION_BUNDLE), len(authority, ROTATION_BUNDLE)) < 0 &&
               inspect_signer(crt, n, text(o, ROTATION_BUNDLE), len(o, ROTATION_BUNDLE)) >= 0;
}

/*
 * The authority's own bundle; where that was lost, or is an old copy that was put back and does not know who signed
 * what is served, all that peers were told to trust is taken over.
 */
static void collect_bundle(struct arena *a, const struct rotation *r, int64_t now, struct look *l)
{
        const struct rotation_object *o = &r->objects[0];
        struct inspect_cert *own;
        size_t own_count = 0, count = 1 + r->leaf_count + r->hook_count;
        const char *problem;
        if (!inspect_bundle(a, text(o, ROTATION_BUNDLE), len(o, ROTATION_BUNDLE), &own, &own_count, &problem))
                own_count = 0;
        bool lost = own_count == 0;
        for (size_t i = 0; i < own_count; i++)
                *arena_push(a, &l->certs, &l->state.authority.count) = own[i];
        for (size_t i = 1; i < count && !lost; i++)
                lost = is_stray(&r->objects[i], o);
        for (size_t i = 1; i < count && lost; i++)
                add_published(a, &r->objects[i], now, l);
        AUTO(buf) *all = buf_new(ROTATION_FIELD_MAX);
        for (size_t i = 0; i < l->state.authority.count; i++)
                buf_append_str(all, l->certs[i].pem);
        l->bundle = arena_strdup(a, buf_data(all));
}

/* Bundles are copies of the authority's, letter by letter, or somebody has changed them; one that is gone tells
 * nothing. */
static bool is_unknown(const struct rotation *r, const char *pem)
{
        for (size_t i = 1; i < 1 + r->leaf_count + r->hook_count; i++) {
                const struct rotation_object *o = &r->objects[i];
                if (!*o->foreign && strstr(text(o, ROTATION_BUNDLE), "BEGIN CERTIFICATE") &&
                    !strstr(text(o, ROTATION_BUNDLE), pem))
                        return true;
        }
        return false;
}

static void look_at_authority(struct arena *a, const struct rotation *r, int64_t now, struct look *l)
{
        const struct rotation_object *o = &r->objects[0];
        struct plan_authority *p = &l->state.authority;
        collect_bundle(a, r, now, l);
        struct plan_ca *bundle = arena_calloc(a, p->count, sizeof(*bundle));
        for (size_t i = 0; i < p->count; i++)
                bundle[i] = (struct plan_ca){l->certs[i].not_before, l->certs[i].not_after};
        p->bundle = bundle;
        p->signer = find_owner(l, o, ROTATION_KEY);
        p->next = find_owner(l, o, ROTATION_NEXT);
        if (p->next == p->signer)
                p->next = PLAN_NOBODY; /* the switch was interrupted before the key went */
        p->unknown = p->signer != PLAN_NOBODY && is_unknown(r, l->certs[p->signer].pem);
        p->settled_at = settled_at(a, l, o);
}

static bool holds(const char *const *list, size_t count, const char *s)
{
        for (size_t i = 0; i < count; i++) {
                if (strcasecmp(list[i], s) == 0)
                        return true;
        }
        return false;
}

static bool same_set(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
        for (size_t i = 0; i < a_count; i++) {
                if (!holds(b, b_count, a[i]))
                        return false;
        }
        for (size_t i = 0; i < b_count; i++) {
                if (!holds(a, a_count, b[i]))
                        return false;
        }
        return true;
}

static const char *leaf_problem(const struct rotation_leaf *wanted, const struct inspect_facts *f)
{
        if (!f->ok)
                return f->problem;
        if (!same_set(wanted->names, wanted->name_count, (const char *const *)f->names, f->name_count) ||
            !same_set(wanted->ips, wanted->ip_count, (const char *const *)f->ips, f->ip_count))
                return "made for other names";
        if ((wanted->server && !f->server) || (wanted->client && !f->client))
                return "made for another use";
        return NULL;
}

static bool published(const struct rotation *r, const struct rotation_object *o)
{
        const struct rotation_object *authority = &r->objects[0];
        size_t n = len(authority, ROTATION_BUNDLE);
        return len(o, ROTATION_BUNDLE) == n &&
               memcmp(text(o, ROTATION_BUNDLE), text(authority, ROTATION_BUNDLE), n) == 0;
}

static struct plan_leaf look_at_leaf(struct arena *a, const struct rotation *r, const struct look *l, size_t i)
{
        const struct rotation_object *o = leaf_object(r, i);
        struct plan_leaf leaf = {.problem = "missing", .stored = o->stored, .issuer = PLAN_NOBODY};
        leaf.foreign = *o->foreign;
        leaf.published = published(r, o);
        if (!o->stored)
                return leaf;
        struct inspect_facts f;
        inspect_pair(a, text(o, ROTATION_CRT), len(o, ROTATION_CRT), text(o, ROTATION_KEY), len(o, ROTATION_KEY), &f);
        leaf.problem = leaf_problem(&r->leaves[i], &f);
        leaf.not_before = f.not_before;
        leaf.not_after = f.not_after;
        leaf.issuer = inspect_signer(text(o, ROTATION_CRT), len(o, ROTATION_CRT), l->bundle, strlen(l->bundle));
        return leaf;
}

static void look(struct arena *a, const struct rotation *r, int64_t now, struct look *l)
{
        *l = (struct look){0};
        look_at_authority(a, r, now, l);
        struct plan_leaf *leaves = arena_calloc(a, r->leaf_count, sizeof(*leaves));
        struct plan_hook *hooks = arena_calloc(a, r->hook_count, sizeof(*hooks));
        for (size_t i = 0; i < r->leaf_count; i++)
                leaves[i] = look_at_leaf(a, r, l, i);
        for (size_t i = 0; i < r->hook_count; i++) {
                const struct rotation_object *o = hook_object(r, i);
                hooks[i] = (struct plan_hook){o->stored, published(r, o), *o->foreign};
        }
        l->state.leaves = leaves;
        l->state.leaf_count = r->leaf_count;
        l->state.hooks = hooks;
        l->state.hook_count = r->hook_count;
}

/* ---- steps ---- */

/* A bundle of `first` (may be NULL), those of the old one that are wanted, and `last` (may be NULL). */
static void set_bundle(struct rotation_object *authority, const char *first, const struct look *l,
                       bool (*wanted)(const struct look *l, size_t i, int64_t now), int64_t now, const char *last)
{
        AUTO(buf) *out = buf_new(ROTATION_FIELD_MAX);
        if (first)
                buf_append_str(out, first);
        for (size_t i = 0; i < l->state.authority.count; i++) {
                if (wanted(l, i, now))
                        buf_append_str(out, l->certs[i].pem);
        }
        if (last)
                buf_append_str(out, last);
        rotation_set(authority, ROTATION_BUNDLE, buf_data(out), buf_len(out));
}

static bool is_in_date(const struct look *l, size_t i, int64_t now)
{
        return now < l->certs[i].not_after;
}

static bool is_signer(const struct look *l, size_t i, int64_t now)
{
        (void)now;
        return (int)i == l->state.authority.signer;
}

static bool issue_authority(struct rotation_object *o, const struct look *l, const struct plan_wishes *w, int64_t now,
                            bool waits, struct err *e)
{
        AUTO(pair) *ca = issue_ca(plan_not_before(now, w->ca_lifetime), now + w->ca_lifetime, e);
        if (!ca)
                return false;
        set_bundle(o, waits ? NULL : ca->crt, l, is_in_date, now, waits ? ca->crt : NULL);
        rotation_set(o, waits ? ROTATION_NEXT : ROTATION_KEY, ca->key, ca->key_len);
        if (!waits)
                rotation_set(o, ROTATION_NEXT, NULL, 0);
        rotation_set(o, ROTATION_SETTLED, NULL, 0);
        return true;
}

static bool issue_for(struct rotation *r, size_t i, const struct look *l, const struct plan_wishes *w, int64_t now,
                      struct err *e)
{
        const struct rotation_leaf *leaf = &r->leaves[i];
        const struct rotation_object *authority = &r->objects[0];
        int issuer = plan_issuer(&l->state.authority, now);
        enum rotation_field key = issuer == l->state.authority.signer ? ROTATION_KEY : ROTATION_NEXT;
        const char *ca = l->certs[issuer].pem;
        struct issue_request request = {
                .common_name = leaf->common_name,
                .names = leaf->names,
                .name_count = leaf->name_count,
                .ips = leaf->ips,
                .ip_count = leaf->ip_count,
                .server = leaf->server,
                .client = leaf->client,
                .not_before = plan_not_before(now, w->leaf_lifetime),
                .not_after = now + w->leaf_lifetime,
        };
        AUTO(pair) *pair = issue_leaf(&request, ca, strlen(ca), text(authority, key), len(authority, key), e);
        if (!pair)
                return err_wrap(e, "%s", leaf->secret);
        struct rotation_object *o = leaf_object(r, i);
        rotation_set(o, ROTATION_KEY, pair->key, pair->key_len);
        rotation_set(o, ROTATION_CRT, pair->crt, pair->crt_len);
        rotation_set(o, ROTATION_BUNDLE, text(authority, ROTATION_BUNDLE), len(authority, ROTATION_BUNDLE));
        return true;
}

static void publish(const struct rotation *r, struct rotation_object *o)
{
        const struct rotation_object *authority = &r->objects[0];
        rotation_set(o, ROTATION_BUNDLE, text(authority, ROTATION_BUNDLE), len(authority, ROTATION_BUNDLE));
}

static void settle(struct arena *a, struct rotation_object *authority, const struct look *l, int64_t now)
{
        char at[TIME_TEXT_MAX];
        time_format_micros(now, at);
        set_text(authority, ROTATION_SETTLED, arena_printf(a, "%s %s", at, settled_tag(a, l)));
}

/* A key that no leaf in use was signed with may belong to a CA that nobody trusts by now: it waits as a new one does.
 */
static void adopt(struct rotation_object *o, const struct look *l, int64_t now)
{
        set_text(o, ROTATION_BUNDLE, l->bundle);
        rotation_set(o, ROTATION_SETTLED, NULL, 0);
        int signer = l->state.authority.signer;
        if (signer == PLAN_NOBODY || plan_in_use(&l->state, signer, now))
                return;
        rotation_set(o, ROTATION_NEXT, text(o, ROTATION_KEY), len(o, ROTATION_KEY));
        rotation_set(o, ROTATION_KEY, NULL, 0);
}

static void switch_authority(struct rotation_object *o)
{
        rotation_set(o, ROTATION_KEY, text(o, ROTATION_NEXT), len(o, ROTATION_NEXT));
        rotation_set(o, ROTATION_NEXT, NULL, 0);
        rotation_set(o, ROTATION_SETTLED, NULL, 0);
}

static void drop_others(struct rotation_object *o, const struct look *l, int64_t now)
{
        set_bundle(o, NULL, l, is_signer, now, NULL);
        rotation_set(o, ROTATION_NEXT, NULL, 0);
        rotation_set(o, ROTATION_SETTLED, NULL, 0);
}

static const char *done_words(enum plan_action action)
{
        switch (action) {
        case PLAN_NONE:
                return "nothing";
        case PLAN_ADOPT:
                return "took over what is trusted";
        case PLAN_ISSUE_CA:
                return "new CA";
        case PLAN_ADD_CA:
                return "new CA beside the old one";
        case PLAN_PUBLISH:
                return "bundle published";
        case PLAN_HOOK:
                return "caBundle written";
        case PLAN_ISSUE_LEAF:
                return "issued";
        case PLAN_SETTLE:
                return "waiting";
        case PLAN_UNSETTLE:
                return "waiting anew";
        case PLAN_SWITCH_CA:
                return "new CA signs";
        case PLAN_DROP_CA:
                return "old CA dropped";
        }
        __builtin_unreachable();
}

static void note(struct rotation_object *o, const struct plan_step *step)
{
        size_t n = strlen(o->done);
        snprintf(o->done + n, sizeof(o->done) - n, "%s%s (%s)", n ? ", " : "", done_words(step->action), step->reason);
}

/* Does the step in memory; the object that changed, or NULL with an error. */
static struct rotation_object *take_step(struct arena *a, struct rotation *r, const struct plan_step *step,
                                         const struct look *l, const struct plan_wishes *w, int64_t now, struct err *e)
{
        struct rotation_object *authority = &r->objects[0];
        switch (step->action) {
        case PLAN_NONE:
                break;
        case PLAN_ADOPT:
                adopt(authority, l, now);
                return authority;
        case PLAN_ISSUE_CA:
        case PLAN_ADD_CA:
                return issue_authority(authority, l, w, now, step->action == PLAN_ADD_CA, e) ? authority : NULL;
        case PLAN_PUBLISH:
                publish(r, leaf_object(r, step->index));
                return leaf_object(r, step->index);
        case PLAN_HOOK:
                publish(r, hook_object(r, step->index));
                return hook_object(r, step->index);
        case PLAN_ISSUE_LEAF:
                return issue_for(r, step->index, l, w, now, e) ? leaf_object(r, step->index) : NULL;
        case PLAN_SETTLE:
                settle(a, authority, l, now);
                return authority;
        case PLAN_UNSETTLE:
                rotation_set(authority, ROTATION_SETTLED, NULL, 0);
                return authority;
        case PLAN_SWITCH_CA:
                switch_authority(authority);
                return authority;
        case PLAN_DROP_CA:
                drop_others(authority, l, now);
                return authority;
        }
        __builtin_unreachable();
}

bool rotation_run(struct rotation *r, struct plan_wishes *wishes, int64_t now, rotation_write_fn *write, void *arg,
                  int64_t *when, struct err *e)
{
        for (int i = 0; i < STEPS_MAX; i++) {
                AUTO(arena) *a = arena_new(16 * 1024);
                struct look l;
                look(a, r, now, &l);
                struct plan_step step = plan_next(&l.state, wishes, now);
                if (step.action == PLAN_NONE) {
                        *when = step.when;
                        return true;
                }
                struct rotation_object *changed = take_step(a, r, &step, &l, wishes, now, e);
                if (!changed || (write && !write(changed, arg, e)))
                        return false;
                changed->stored = true;
                note(changed, &step);
                if (step.action == PLAN_ADD_CA)
                        wishes->rotate_ca = false;
        }
        assert(false && "the plan runs in circles");
        return false;
}

static void describe_dates(struct buf *out, int64_t not_after, int64_t renewal)
{
        char end[TIME_TEXT_MAX], next[TIME_TEXT_MAX];
        time_format_seconds(not_after, end);
        time_format_seconds(renewal, next);
        buf_printf(out, "; valid until %s, renewed from %s", end, next);
}

static void describe(const struct rotation *r, const struct look *l, const struct rotation_object *o, struct buf *out)
{
        const struct plan_authority *p = &l->state.authority;
        buf_printf(out, "%s%s%s: %s", o->type ? o->type : "", o->type ? "/" : "", o->name,
                   *o->foreign ? o->foreign
                   : *o->done  ? o->done
                   : o->stored ? "good"
                               : "absent, left alone");
        if (o->kind == ROTATION_AUTHORITY && p->signer != PLAN_NOBODY) {
                char end[TIME_TEXT_MAX];
                time_format_seconds(p->bundle[p->signer].not_after, end);
                buf_printf(out, "; valid until %s", end);
        }
        if (o->kind == ROTATION_LEAF && !*o->foreign) {
                const struct plan_leaf *leaf = &l->state.leaves[o - r->objects - 1];
                if (!leaf->problem)
                        describe_dates(out, leaf->not_after, plan_renewal(leaf));
        }
        buf_append_char(out, '\n');
}

void rotation_describe(const struct rotation *r, int64_t now, struct buf *out)
{
        AUTO(arena) *a = arena_new(16 * 1024);
        struct look l;
        look(a, r, now, &l);
        for (size_t i = 0; i < 1 + r->leaf_count + r->hook_count; i++)
                describe(r, &l, &r->objects[i], out);
}
