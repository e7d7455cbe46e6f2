/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/plan.h"

#include "base/time.h"

enum { BACKDATED_DIVISOR = 24 };
/* By how much a clock may be wrong, ahead or behind, without harm. */
static const int64_t jump_max = INT64_C(7 * 24 * 3600) * TIME_MICROS_PER_SECOND;

static struct plan_step step(enum plan_action action, size_t index, const char *reason)
{
        return (struct plan_step){.action = action, .index = index, .reason = reason, .when = INT64_MAX};
}

static int64_t earlier(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

int64_t plan_not_before(int64_t now, int64_t lifetime)
{
        return now - earlier(lifetime / BACKDATED_DIVISOR, jump_max);
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

/* Not valid for long yet is as bad as expired: it was made by a clock that ran far ahead. */
static bool in_date(int64_t not_before, int64_t not_after, int64_t now)
{
        return now >= not_before - jump_max && now < not_after;
}

static bool alive(const struct plan_authority *a, int which, int64_t now)
{
        return which != PLAN_NOBODY && in_date(a->bundle[which].not_before, a->bundle[which].not_after, now);
}

int plan_issuer(const struct plan_authority *a, int64_t now)
{
        return alive(a, a->signer, now) ? a->signer : a->next;
}

static const char *leaf_defect(const struct plan_leaf *leaf, const struct plan_authority *a, int64_t now)
{
        if (leaf->problem)
                return leaf->problem;
        if (!alive(a, leaf->issuer, now))
                return "not signed by a known CA";
        if (now >= leaf->not_after)
                return "expired";
        return in_date(leaf->not_before, leaf->not_after, now) ? NULL : "not valid for long yet";
}

bool plan_in_use(const struct plan_state *s, int which, int64_t now)
{
        for (size_t i = 0; i < s->leaf_count; i++) {
                const struct plan_leaf *leaf = &s->leaves[i];
                if (!leaf->foreign && leaf->issuer == which && !leaf_defect(leaf, &s->authority, now))
                        return true;
        }
        return false;
}

/* Leaves in use that were signed by another than the one that waits. */
static bool others_in_use(const struct plan_state *s, int64_t now)
{
        for (size_t i = 0; i < s->authority.count; i++) {
                if ((int)i != s->authority.next && plan_in_use(s, (int)i, now))
                        return true;
        }
        return false;
}

/* Without a key that signs: what is in use goes on, and its CA stays trusted, until the new one is known. */
static struct plan_step orphan_step(const struct plan_state *s, const struct plan_wishes *w, int64_t now)
{
        const struct plan_authority *a = &s->authority;
        bool in_use = others_in_use(s, now);
        const char *reason = a->signer == PLAN_NOBODY ? "there is no CA with its key" : "the CA has expired";
        /* One out of a backup may have little time left. */
        if (!alive(a, a->next, now) || (in_use && now >= plan_ca_renewal(&a->bundle[a->next], w)))
                return step(in_use ? PLAN_ADD_CA : PLAN_ISSUE_CA, 0, reason);
        if (!in_use)
                return step(PLAN_SWITCH_CA, 0, "the CA is missing or has expired, its successor is there");
        return step(PLAN_NONE, 0, "");
}

/* The authority itself: is there somebody who can sign, and a successor where one is due? */
static struct plan_step authority_step(const struct plan_state *s, const struct plan_wishes *w, int64_t now)
{
        const struct plan_authority *a = &s->authority;
        if (a->strays)
                return step(PLAN_ADOPT, 0, "CAs are trusted that it did not hold");
        if (a->unknown && a->signer != PLAN_NOBODY && !plan_in_use(s, a->signer, now)) {
                if (alive(a, a->next, now) && plan_in_use(s, a->next, now))
                        return step(PLAN_SWITCH_CA, 0, "its successor has signed already");
                if (others_in_use(s, now))
                        return step(PLAN_ADOPT, 0, "its key is of a CA that is not trusted any more");
        }
        if (!alive(a, a->signer, now))
                return orphan_step(s, w, now);
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
        return !leaf->foreign && a->signer != PLAN_NOBODY && leaf->not_after < a->bundle[a->signer].not_after;
}

static const char *leaf_reason(const struct plan_leaf *leaf, const struct plan_authority *a, int64_t now)
{
        const char *defect = leaf_defect(leaf, a, now);
        if (defect || !alive(a, a->signer, now))
                return defect;
        if (leaf->issuer != a->signer)
                return "not signed by the present CA";
        return now >= plan_renewal(leaf) && renewable(leaf, a) ? "past two thirds of its life" : NULL;
}

/* Bundles go out before leaves change: who verifies must know the CA first. */
static struct plan_step publish_step(const struct plan_state *s)
{
        for (size_t i = 0; i < s->hook_count; i++) {
                if (s->hooks[i].exists && !s->hooks[i].foreign && !s->hooks[i].published)
                        return step(PLAN_HOOK, i, "caBundle is another one");
        }
        for (size_t i = 0; i < s->leaf_count; i++) {
                if (s->leaves[i].stored && !s->leaves[i].foreign && !s->leaves[i].published)
                        return step(PLAN_PUBLISH, i, "ca.crt is another one");
        }
        return step(PLAN_NONE, 0, "");
}

static struct plan_step leaf_step(const struct plan_state *s, int64_t now)
{
        for (size_t i = 0; i < s->leaf_count; i++) {
                const char *reason = leaf_reason(&s->leaves[i], &s->authority, now);
                if (reason && !s->leaves[i].foreign)
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
        if (alive(a, a->next, now))
                return step(PLAN_SWITCH_CA, 0, "the new CA has been known for the overlap");
        return step(PLAN_DROP_CA, 0, "the old CA has been out of use for the overlap");
}

/*
 * What somebody has lost or spoilt is given out anew, and whoever reads it may have missed what was published before:
 * the overlap begins again. A renewal changes nothing of that.
 */
static struct plan_step mend_step(const struct plan_state *s, int64_t now)
{
        struct plan_step next = publish_step(s);
        if (next.action == PLAN_NONE)
                next = leaf_step(s, now);
        bool mends = next.action == PLAN_PUBLISH || next.action == PLAN_HOOK ||
                     (next.action == PLAN_ISSUE_LEAF && leaf_defect(&s->leaves[next.index], &s->authority, now));
        if (mends && s->authority.settled_at)
                return step(PLAN_UNSETTLE, 0, next.reason);
        return next;
}

static int64_t next_look(const struct plan_state *s, const struct plan_wishes *w)
{
        const struct plan_authority *a = &s->authority;
        int64_t when = INT64_MAX;
        if (a->signer != PLAN_NOBODY)
                when = a->bundle[a->signer].not_after;
        if (a->signer != PLAN_NOBODY && a->count == 1)
                when = earlier(when, plan_ca_renewal(&a->bundle[a->signer], w));
        for (size_t i = 0; i < s->leaf_count; i++) {
                if (renewable(&s->leaves[i], a))
                        when = earlier(when, plan_renewal(&s->leaves[i]));
        }
        return when;
}

/* Is there a leaf to keep? Without one there is no use for a CA. */
static bool has_work(const struct plan_state *s)
{
        for (size_t i = 0; i < s->leaf_count; i++) {
                if (!s->leaves[i].foreign)
                        return true;
        }
        return false;
}

struct plan_step plan_next(const struct plan_state *s, const struct plan_wishes *w, int64_t now)
{
        if (!has_work(s))
                return step(PLAN_NONE, 0, "");
        struct plan_step next = authority_step(s, w, now);
        if (next.action == PLAN_NONE)
                next = mend_step(s, now);
        if (next.action == PLAN_NONE)
                next = phase_step(&s->authority, w, now);
        if (next.action == PLAN_NONE)
                next.when = earlier(next.when, next_look(s, w));
        return next;
}
