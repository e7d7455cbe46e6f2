/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Years of daily certgen runs that are skipped, killed between any two writes and run twice at once, with readers that
 * lag by up to the overlap. At every hour every peer must accept every other. No cryptography: a certificate is the
 * number of its issuer and its dates.
 */
#include "certs/plan.h"

#include "base/mem.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define HOUR (3600 * TIME_MICROS_PER_SECOND)
#define DAY (24 * HOUR)
#define START (1700000000 * TIME_MICROS_PER_SECOND)

enum { LEAVES = 3, BUNDLE_MAX = 8, CAS_MAX = 4096, STEPS_MAX = 64, SKIPPED_MAX = 3, NOBODY = -1 };
enum { WEBHOOK, XDS, ENVOY }; /* the leaves */

struct bundle {
        int cas[BUNDLE_MAX];
        size_t count;
};

struct leaf {
        int issuer; /* NOBODY: nothing stored */
        int64_t not_before, not_after;
        struct bundle bundle;
};

/* What is stored. The authority's fields are written one by one, as files are. */
struct world {
        struct plan_ca cas[CAS_MAX]; /* every CA ever made */
        int ca_count;
        int key, next_key; /* whose they are; NOBODY */
        struct bundle bundle;
        int64_t settled_at; /* for exactly this bundle and signer: */
        struct bundle settled_bundle;
        int settled_signer;
        struct leaf leaves[LEAVES];
        struct bundle hook;
        int version; /* of the authority */
        struct plan_wishes wishes;
        /* What is loaded: copies of what was stored up to an overlap ago. */
        struct leaf loaded[LEAVES];
        struct bundle loaded_hook;
        int64_t waiting[LEAVES + 1]; /* since when there is something newer than what is loaded; 0: there is not */
        int rotations, kills, conflicts;
};

static unsigned chance_state;

/* One in n; repeatable. */
static bool chance(unsigned n)
{
        chance_state = chance_state * 1664525U + 1013904223U;
        return (chance_state >> 8) % n == 0;
}

static bool bundle_has(const struct bundle *b, int ca)
{
        for (size_t i = 0; i < b->count; i++) {
                if (b->cas[i] == ca)
                        return true;
        }
        return false;
}

static bool bundle_equal(const struct bundle *a, const struct bundle *b)
{
        return a->count == b->count && memcmp(a->cas, b->cas, a->count * sizeof(*a->cas)) == 0;
}

static int place_of(const struct bundle *b, int ca)
{
        for (size_t i = 0; i < b->count; i++) {
                if (b->cas[i] == ca)
                        return (int)i;
        }
        return PLAN_NOBODY;
}

/* ---- one run of certgen ---- */

struct look {
        struct plan_ca bundle[BUNDLE_MAX];
        struct plan_leaf leaves[LEAVES];
        struct plan_hook hook;
        struct plan_state state;
        int version;
};

static void look(const struct world *w, struct look *l)
{
        *l = (struct look){.version = w->version, .hook = {true, bundle_equal(&w->hook, &w->bundle)}};
        for (size_t i = 0; i < w->bundle.count; i++)
                l->bundle[i] = w->cas[w->bundle.cas[i]];
        for (size_t i = 0; i < LEAVES; i++) {
                const struct leaf *leaf = &w->leaves[i];
                l->leaves[i] = (struct plan_leaf){
                        .problem = leaf->issuer == NOBODY ? "missing" : NULL,
                        .stored = leaf->issuer != NOBODY,
                        .not_before = leaf->not_before,
                        .not_after = leaf->not_after,
                        .issuer = place_of(&w->bundle, leaf->issuer),
                        .published = bundle_equal(&leaf->bundle, &w->bundle),
                };
        }
        struct plan_authority *a = &l->state.authority;
        *a = (struct plan_authority){.bundle = l->bundle, .count = w->bundle.count};
        a->signer = place_of(&w->bundle, w->key);
        a->next = place_of(&w->bundle, w->next_key);
        if (a->next == a->signer)
                a->next = PLAN_NOBODY;
        if (w->settled_signer == a->signer && bundle_equal(&w->settled_bundle, &w->bundle))
                a->settled_at = w->settled_at;
        l->state.leaves = l->leaves;
        l->state.leaf_count = LEAVES;
        l->state.hooks = &l->hook;
        l->state.hook_count = 1;
}

static void changed(struct world *w, size_t i, int64_t now)
{
        if (!w->waiting[i])
                w->waiting[i] = now;
}

static int new_ca(struct world *w, int64_t now)
{
        assert_true(w->ca_count < CAS_MAX);
        w->cas[w->ca_count] = (struct plan_ca){now - HOUR, now + w->wishes.ca_lifetime};
        return w->ca_count++;
}

static bool killed(struct world *w)
{
        if (!chance(40))
                return false;
        w->kills++;
        return true;
}

/* The authority's fields in the order in which folder writes them; a kill leaves the rest as it was. */
static bool write_authority(struct world *w, int key, int next_key, const struct bundle *bundle)
{
        w->version++;
        w->key = key;
        if (killed(w))
                return false;
        w->next_key = next_key;
        if (killed(w))
                return false;
        w->bundle = *bundle;
        return !killed(w);
}

static bool add_ca(struct world *w, int64_t now, bool signs)
{
        struct bundle b = {.count = 0};
        int ca = new_ca(w, now);
        if (signs)
                b.cas[b.count++] = ca;
        for (size_t i = 0; i < w->bundle.count; i++) {
                if (now < w->cas[w->bundle.cas[i]].not_after)
                        b.cas[b.count++] = w->bundle.cas[i];
        }
        if (!signs)
                b.cas[b.count++] = ca;
        assert_true(b.count < BUNDLE_MAX);
        return write_authority(w, signs ? ca : w->key, signs ? NOBODY : ca, &b);
}

static void issue(struct world *w, size_t i, int64_t now)
{
        const struct plan_ca *ca = &w->cas[w->key];
        int64_t end = now + w->wishes.leaf_lifetime;
        w->leaves[i] = (struct leaf){w->key, now - HOUR, end < ca->not_after ? end : ca->not_after, w->bundle};
        changed(w, i, now);
}

static bool drop_others(struct world *w)
{
        struct bundle only = {.cas = {w->key}, .count = 1};
        w->rotations++;
        return write_authority(w, w->key, NOBODY, &only);
}

/* False when killed. */
static bool take(struct world *w, const struct plan_step *step, int64_t now)
{
        switch (step->action) {
        case PLAN_NONE:
                return true;
        case PLAN_ISSUE_CA:
                return add_ca(w, now, true);
        case PLAN_ADD_CA:
                return add_ca(w, now, false);
        case PLAN_PUBLISH:
                w->leaves[step->index].bundle = w->bundle;
                changed(w, step->index, now);
                return !killed(w);
        case PLAN_HOOK:
                w->hook = w->bundle;
                changed(w, LEAVES, now);
                return !killed(w);
        case PLAN_ISSUE_LEAF:
                issue(w, step->index, now);
                return !killed(w);
        case PLAN_SETTLE:
                w->version++;
                w->settled_at = now;
                w->settled_bundle = w->bundle;
                w->settled_signer = place_of(&w->bundle, w->key);
                return !killed(w);
        case PLAN_SWITCH_CA: {
                struct bundle same = w->bundle;
                return write_authority(w, w->next_key, NOBODY, &same);
        }
        case PLAN_DROP_CA:
                return drop_others(w);
        }
        abort();
}

static void certgen(struct world *w, int64_t now, bool rotate)
{
        struct plan_wishes wishes = w->wishes;
        wishes.rotate_ca = rotate;
        for (int i = 0; i < STEPS_MAX; i++) {
                struct look l;
                look(w, &l);
                struct plan_step step = plan_next(&l.state, &wishes, now);
                if (step.action == PLAN_NONE) {
                        assert_true(step.when > now);
                        return;
                }
                /* Another Job may be faster between look and write: the resourceVersion refuses ours. */
                if (chance(10)) {
                        certgen(w, now, false);
                        if (w->version != l.version) {
                                w->conflicts++;
                                continue;
                        }
                        look(w, &l);
                        step = plan_next(&l.state, &wishes, now);
                }
                if (!take(w, &step, now))
                        return;
                if (step.action == PLAN_ADD_CA)
                        wishes.rotate_ca = false;
        }
        fail_msg("the plan runs in circles");
}

/* ---- the readers ---- */

static bool reloads(struct world *w, size_t i, int64_t now)
{
        bool due = w->waiting[i] && (w->waiting[i] + w->wishes.ca_overlap - HOUR <= now || chance(30));
        if (due)
                w->waiting[i] = 0;
        return due;
}

/* Everybody has what was stored an overlap ago, many have what is newer. */
static void reload(struct world *w, int64_t now)
{
        for (size_t i = 0; i < LEAVES; i++) {
                if (reloads(w, i, now))
                        w->loaded[i] = w->leaves[i];
        }
        if (reloads(w, LEAVES, now))
                w->loaded_hook = w->hook;
}

static void expect_trust(const struct world *w, size_t server, const struct bundle *verifier, int64_t now)
{
        const struct leaf *leaf = &w->loaded[server];
        if (!bundle_has(verifier, leaf->issuer))
                fail_msg("day %d: leaf %zu is signed by CA %d, which its peer does not know",
                         (int)((now - START) / DAY), server, leaf->issuer);
        if (now >= leaf->not_after || now >= w->cas[leaf->issuer].not_after)
                fail_msg("day %d: leaf %zu or its CA has expired", (int)((now - START) / DAY), server);
}

static void live(struct world *w, int years, unsigned seed)
{
        chance_state = seed;
        w->key = w->next_key = NOBODY;
        for (size_t i = 0; i < LEAVES; i++)
                w->leaves[i].issuer = NOBODY;
        /* The first run must not be the killed one: before it there is nothing to trust. */
        for (int i = 0; w->leaves[ENVOY].issuer == NOBODY || !bundle_equal(&w->hook, &w->bundle); i++) {
                assert_true(i < 100);
                certgen(w, START, false);
        }
        memcpy(w->loaded, w->leaves, sizeof(w->loaded));
        w->loaded_hook = w->hook;
        memset(w->waiting, 0, sizeof(w->waiting));
        int skipped = 0;
        for (int64_t now = START; now < START + years * 365 * DAY; now += HOUR) {
                bool daily = (now - START) % DAY == 0;
                bool skips = chance(3) && skipped < SKIPPED_MAX;
                if (daily && !skips)
                        certgen(w, now, chance(500));
                if (daily)
                        skipped = skips ? skipped + 1 : 0;
                reload(w, now);
                expect_trust(w, WEBHOOK, &w->loaded_hook, now);
                expect_trust(w, XDS, &w->loaded[ENVOY].bundle, now);
                expect_trust(w, ENVOY, &w->loaded[XDS].bundle, now);
        }
}

static void years__usual_lifetimes__every_peer_accepts_every_other(void **state)
{
        (void)state;
        for (unsigned seed = 1; seed <= 4; seed++) {
                struct world *w = mem_zalloc(sizeof(*w));
                w->wishes =
                        (struct plan_wishes){.leaf_lifetime = 365 * DAY, .ca_lifetime = 3650 * DAY, .ca_overlap = DAY};
                live(w, 40, seed);
                assert_true(w->rotations >= 8 && w->kills >= 8 && w->conflicts >= 8);
                mem_free(w);
        }
}

static void years__short_lifetimes__many_rotations_without_a_gap(void **state)
{
        (void)state;
        for (unsigned seed = 11; seed <= 14; seed++) {
                struct world *w = mem_zalloc(sizeof(*w));
                w->wishes = (struct plan_wishes){
                        .leaf_lifetime = 30 * DAY, .ca_lifetime = 120 * DAY, .ca_overlap = 2 * DAY};
                live(w, 20, seed);
                assert_true(w->rotations >= 60 && w->kills >= 40 && w->conflicts >= 40);
                mem_free(w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(years__usual_lifetimes__every_peer_accepts_every_other),
                cmocka_unit_test(years__short_lifetimes__many_rotations_without_a_gap),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
