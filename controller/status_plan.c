/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/status_plan.h"

#include "base/json_text.h"
#include "base/map.h"
#include "base/time.h"

#include <inttypes.h>
#include <string.h>

#define VALID_DESCRIPTION "valid IngressRoute"
enum { DESCRIPTION_MAX = 1024 };

/* What the status is to say; texts are in the arena. */
struct wanted {
        const char *current, *description;
        const char *condition, *reason, *message;
        const struct ir_claim *claim; /* NULL: none */
        bool drop_claim;              /* one of ours is there and must go */
};

static const struct ir_status no_status;

static const struct ir_status *held_status(const struct object *o)
{
        return o->ingressroute->status ? o->ingressroute->status : &no_status;
}

/* ---- texts ---- */

static const char *current_status(enum rule_status status)
{
        switch (status) {
        case STATUS_NOTICE:
                return "valid";
        case STATUS_INVALID:
                return "invalid";
        case STATUS_ORPHANED:
                return "orphaned";
        }
        __builtin_unreachable();
}

static const char *describe(struct arena *a, const struct object_state *s)
{
        bool valid = s->status == STATUS_NOTICE;
        if (!s->finding_count)
                return VALID_DESCRIPTION;
        AUTO(buf) *b = buf_new(DESCRIPTION_MAX + 64);
        const char *first = finding_text(a, &s->findings[0]);
        buf_append_str(b, valid ? VALID_DESCRIPTION "; " : "");
        buf_append(b, first, str_cut(first, DESCRIPTION_MAX - buf_len(b)));
        if (s->finding_count > 1)
                buf_printf(b, " (and %zu more)", s->finding_count - 1);
        return arena_strdup(a, buf_data(b));
}

static const char *list_findings(struct arena *a, const struct object_state *s)
{
        if (!s->finding_count)
                return VALID_DESCRIPTION;
        AUTO(buf) *b = buf_new(STATUS_MESSAGE_MAX - 64); /* the last line fits behind it */
        size_t told = 0;
        while (told < s->finding_count && told < STATUS_FINDINGS_MAX) {
                size_t before = buf_len(b);
                if (told)
                        buf_append_char(b, '\n');
                if (!buf_append_str(b, finding_text(a, &s->findings[told]))) {
                        buf_truncate(b, before);
                        break;
                }
                told++;
        }
        if (told == s->finding_count)
                return arena_strdup(a, buf_data(b));
        return arena_printf(a, "%s%sand %zu more findings", buf_data(b), told ? "\n" : "", s->finding_count - told);
}

/* ---- claim ---- */

static const struct ir_claim *our_claim(const struct status_input *in)
{
        const struct ir_claim *claim = held_status(in->object)->claim;
        return claim && in->claim_id && str_equal(claim->by, in->claim_id) ? claim : NULL;
}

/*
 * The state was computed from this very object, so a CLAIM_NOW beside a claim that is there means a claim that has to
 * move (an heir that is no longer named); one that is to stay comes with its own since.
 */
static void want_claim(struct arena *a, const struct status_input *in, struct wanted *w)
{
        const struct object_state *s = in->state;
        const struct ir_claim *held = our_claim(in);
        if (!in->claim_id)
                return;
        if (!s->ours || !s->claim_fqdn) {
                w->drop_claim = held != NULL;
                return;
        }
        struct ir_claim *claim = arena_alloc(a, sizeof(*claim));
        claim->fqdn = s->claim_fqdn;
        claim->by = in->claim_id;
        claim->since = s->claim_since == CLAIM_NOW ? in->now : s->claim_since;
        w->claim = claim;
}

static bool claim_equal(const struct ir_claim *a, const struct ir_claim *b)
{
        return a && b && str_equal(a->fqdn, b->fqdn) && a->since == b->since && str_equal(a->by, b->by);
}

/* ---- comparison ---- */

static struct wanted want(struct arena *a, const struct status_input *in)
{
        const struct object_state *s = in->state;
        struct wanted w = {0};
        want_claim(a, in, &w);
        if (!s->ours)
                return w;
        w.current = current_status(s->status);
        w.description = describe(a, s);
        w.condition = s->status == STATUS_NOTICE ? "True" : "False";
        w.reason = s->status == STATUS_NOTICE ? "Valid" : rule_info(s->findings[0].rule)->name;
        w.message = list_findings(a, s);
        return w;
}

static bool hosts_equal(const struct ir_status *held, const struct object_state *s)
{
        if (held->virtual_host_count != s->virtual_host_count)
                return false;
        for (size_t i = 0; i < s->virtual_host_count; i++) {
                if (!str_equal(held->virtual_hosts[i], s->virtual_hosts[i]))
                        return false;
        }
        return true;
}

static bool condition_equal(const struct ir_status *held, const struct wanted *w)
{
        return str_equal(held->condition_status, w->condition) && str_equal(held->condition_reason, w->reason) &&
               str_equal(held->condition_message, w->message);
}

static bool differs(const struct status_input *in, const struct wanted *w)
{
        const struct ir_status *held = held_status(in->object);
        if (w->drop_claim || (w->claim && !claim_equal(held->claim, w->claim)))
                return true;
        if (!in->state->ours)
                return false;
        return !str_equal(held->current_status, w->current) || !str_equal(held->description, w->description) ||
               held->observed_generation != in->object->generation || !condition_equal(held, w) ||
               !hosts_equal(held, in->state);
}

/* ---- the patch ---- */

static void append_condition(struct buf *b, const struct status_input *in, const struct wanted *w)
{
        const struct ir_status *held = held_status(in->object);
        char now[TIME_TEXT_MAX];
        time_format_seconds(in->now, now);
        int64_t ignored;
        bool same = str_equal(held->condition_status, w->condition) && held->condition_transition &&
                    time_parse(held->condition_transition, &ignored, NULL);
        buf_append_str(b, "\"conditions\":[{");
        json_text_member(b, "type", "Valid", ",");
        json_text_member(b, "status", w->condition, ",");
        json_text_member(b, "reason", w->reason, ",");
        json_text_member(b, "message", w->message, ",");
        json_text_member(b, "lastTransitionTime", same ? held->condition_transition : now, ",");
        buf_printf(b, "\"observedGeneration\":%" PRId64 "}],", in->object->generation);
}

/* A merge patch keeps what it does not name: an empty list is said as null. */
static void append_hosts(struct buf *b, const struct object_state *s)
{
        buf_append_str(b, "\"virtualHosts\":");
        buf_append_str(b, s->virtual_host_count ? "[" : "null");
        for (size_t i = 0; i < s->virtual_host_count; i++) {
                buf_append_str(b, i ? "," : "");
                json_text_string(b, s->virtual_hosts[i]);
        }
        buf_append_str(b, s->virtual_host_count ? "]," : ",");
}

static void append_claim(struct buf *b, const struct wanted *w)
{
        if (!w->claim) {
                buf_append_str(b, w->drop_claim ? "\"claim\":null," : "");
                return;
        }
        char since[TIME_TEXT_MAX];
        time_format_micros(w->claim->since, since);
        buf_append_str(b, "\"claim\":{");
        json_text_member(b, "fqdn", w->claim->fqdn, ",");
        json_text_member(b, "since", since, ",");
        json_text_member(b, "by", w->claim->by, "},");
}

static void append_patch(struct buf *b, const struct status_input *in, const struct wanted *w)
{
        buf_append_str(b, "{\"metadata\":{");
        json_text_member(b, "uid", in->object->uid, ",");
        json_text_member(b, "resourceVersion", in->object->resource_version, "},\"status\":{");
        if (in->state->ours) {
                json_text_member(b, "currentStatus", w->current, ",");
                json_text_member(b, "description", w->description, ",");
                buf_printf(b, "\"observedGeneration\":%" PRId64 ",", in->object->generation);
                append_condition(b, in, w);
                append_hosts(b, in->state);
        }
        append_claim(b, w);
        buf_truncate(b, buf_len(b) - 1);
        buf_append_str(b, "}}");
}

bool status_plan(const struct status_input *in, struct buf *body)
{
        AUTO(arena) *a = arena_new(1024);
        struct wanted w = want(a, in);
        if (!differs(in, &w))
                return false;
        if (body)
                append_patch(body, in, &w);
        return true;
}

bool status_plan_turns(const struct status_input *in)
{
        if (!in->state->ours)
                return false;
        const char *held = held_status(in->object)->current_status;
        const char *wanted = current_status(in->state->status);
        return !str_equal(held, wanted) && (held || in->state->status != STATUS_NOTICE);
}

/* ---- as a number ---- */

static void mix(uint64_t *hash, const void *p, size_t n)
{
        uint64_t pair[2] = {*hash, map_hash(p, n)};
        *hash = map_hash(pair, sizeof(pair));
}

static void mix_text(uint64_t *hash, const char *s)
{
        mix(hash, s ? s : "", s ? strlen(s) + 1 : 0);
}

static void mix_claim(uint64_t *hash, const struct ir_claim *claim)
{
        mix_text(hash, claim ? claim->fqdn : NULL);
        mix_text(hash, claim ? claim->by : NULL);
}

uint64_t status_plan_wanted(const struct status_input *in)
{
        AUTO(arena) *a = arena_new(1024);
        struct wanted w = want(a, in);
        uint64_t hash = in->state->ours;
        mix_text(&hash, w.current);
        mix_text(&hash, w.description);
        mix_text(&hash, w.message);
        mix(&hash, &in->object->generation, sizeof(in->object->generation));
        for (size_t i = 0; i < in->state->virtual_host_count; i++)
                mix_text(&hash, in->state->virtual_hosts[i]);
        mix_claim(&hash, w.claim);
        return hash;
}

uint64_t status_plan_held(const struct object *o)
{
        const struct ir_status *held = held_status(o);
        uint64_t hash = 0;
        mix_text(&hash, held->current_status);
        mix_text(&hash, held->description);
        mix(&hash, &held->observed_generation, sizeof(held->observed_generation));
        mix_text(&hash, held->condition_status);
        mix_text(&hash, held->condition_reason);
        mix_text(&hash, held->condition_message);
        for (size_t i = 0; i < held->virtual_host_count; i++)
                mix_text(&hash, held->virtual_hosts[i]);
        mix_claim(&hash, held->claim);
        mix(&hash, held->claim ? &held->claim->since : &(int64_t){0}, sizeof(int64_t));
        return hash;
}
