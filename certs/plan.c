/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/plan.h"

static struct plan_step step(enum plan_action action, size_t index, const char *reason)
{
        return (struct plan_step){.action = action, .index = index, .reason = reason, .when = INT64_MAX};
}

static int64_t earlier(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

int64_t plan_renewal(const struct plan_leaf *leaf)
{
        return leaf->not_before + (leaf->not_after - leaf->not_before) / 3 * 2;
}

int64_t plan_ca_renewal(const struct plan_ca *ca, const struct plan_wishes *w)
{
        /* A whole leaf's life, so that leaves never have to be cut short; but not from the CA's first day on. */
        int64_t left = earlier(w->leaf_lifetime + 2 * w->ca_overlap, (ca->not_after - ca->not_before) / 3);
        return ca->not_after - left;
}

static bool alive(const struct plan_authority *a, int which, int64_t now)
{
        return which != PLAN_NOBODY && now < a->bundle[which].not_after;
}

/* The authority itself: is there somebody who can sign, and a successor where one is due? */
static struct plan_step authority_step(const struct plan_authority *a, const struct plan_wishes *w, int64_t now)
{
        if (!alive(a, a->signer, now)) {
                if (alive(a, a->next, now))
                        return step(PLAN_SWITCH_CA, 0, "the CA is missing or has expired, its successor is there");
                return step(PLAN_ISSUE_CA, 0,
                            a->signer == PLAN_NOBODY ? "there is no CA with its key" : "the CA has expired");
        }
        if (a->next != PLAN_NOBODY && !alive(a, a->next, now))
                return step(PLAN_DROP_CA, 0, "the CA that waits has expired");
        if (a->count > 1) /* a rotation is under way */
                return step(PLAN_NONE, 0, "");
        if (w->rotate_ca)
                return step(PLAN_ADD_CA, 0, "asked for");
        if (now >= plan_ca_renewal(&a->bundle[a->signer], w))
                return step(PLAN_ADD_CA, 0, "the CA nears its end");
        return step(PLAN_NONE, 0, "");
}

/* A leaf that ends with its CA gains nothing by being issued again. */
static bool renewable(const struct plan_leaf *leaf, const struct plan_authority *a)
{
        return leaf->not_after < a->bundle[a->signer].not_after;
}

static const char *leaf_reason(const struct plan_leaf *leaf, const struct plan_authority *a, int64_t now)
{
        if (leaf->problem)
                return leaf->problem;
        if (leaf->issuer != a->signer)
                return "not signed by the present CA";
        if (now >= leaf->not_after)
                return "expired";
        if (now >= plan_renewal(leaf) && renewable(leaf, a))
                return "past two thirds of its life";
        return NULL;
}

/* Bundles go out before leaves change: who verifies must know the CA first. */
static struct plan_step publish_step(const struct plan_state *s)
{
        for (size_t i = 0; i < s->hook_count; i++) {
                if (s->hooks[i].exists && !s->hooks[i].published)
                        return step(PLAN_HOOK, i, "caBundle is another one");
        }
        for (size_t i = 0; i < s->leaf_count; i++) {
                if (s->leaves[i].stored && !s->leaves[i].published)
                        return step(PLAN_PUBLISH, i, "ca.crt is another one");
        }
        return step(PLAN_NONE, 0, "");
}

static struct plan_step leaf_step(const struct plan_state *s, int64_t now)
{
        for (size_t i = 0; i < s->leaf_count; i++) {
                const char *reason = leaf_reason(&s->leaves[i], &s->authority, now);
                if (reason)
                        return step(PLAN_ISSUE_LEAF, i, reason);
        }
        return step(PLAN_NONE, 0, "");
}

/* All is as the authority says: the next phase of a rotation, once its overlap has passed. */
static struct plan_step phase_step(const struct plan_authority *a, const struct plan_wishes *w, int64_t now)
{
        if (a->count < 2)
                return step(PLAN_NONE, 0, "");
        /* A record from the future is a clock that jumped: it would stop the rotation for as long. */
        if (!a->settled_at || a->settled_at > now)
                return step(PLAN_SETTLE, 0, "all is published: the overlap begins");
        if (now < a->settled_at + w->ca_overlap) {
                struct plan_step wait = step(PLAN_NONE, 0, "");
                wait.when = a->settled_at + w->ca_overlap;
                return wait;
        }
        if (a->next != PLAN_NOBODY)
                return step(PLAN_SWITCH_CA, 0, "the new CA has been known for the overlap");
        return step(PLAN_DROP_CA, 0, "the old CA has been out of use for the overlap");
}

static int64_t next_look(const struct plan_state *s, const struct plan_wishes *w)
{
        const struct plan_authority *a = &s->authority;
        int64_t when = a->bundle[a->signer].not_after;
        if (a->count == 1)
                when = earlier(when, plan_ca_renewal(&a->bundle[a->signer], w));
        for (size_t i = 0; i < s->leaf_count; i++) {
                if (renewable(&s->leaves[i], a))
                        when = earlier(when, plan_renewal(&s->leaves[i]));
        }
        return when;
}

struct plan_step plan_next(const struct plan_state *s, const struct plan_wishes *w, int64_t now)
{
        struct plan_step next = authority_step(&s->authority, w, now);
        if (next.action == PLAN_NONE)
                next = publish_step(s);
        if (next.action == PLAN_NONE)
                next = leaf_step(s, now);
        if (next.action == PLAN_NONE)
                next = phase_step(&s->authority, w, now);
        if (next.action == PLAN_NONE)
                next.when = earlier(next.when, next_look(s, w));
        return next;
}
