/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Years of daily certgen runs that are skipped, killed between any two writes and run twice at once, by clocks that
 * jump by days, on Secrets that get lost, broken or put back from a backup, with readers that lag by up to the overlap.
 * At every hour every peer must accept every other, and after every write whoever reads only now must accept all that
 * was written. No cryptography: a certificate is the number of its issuer and its dates.
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
enum fault { LOST_CA, OLD_CA, LOST_LEAF, BROKEN_LEAF, GARBAGE_BUNDLE, WIPED_HOOK, OTHER_NAMES, FAULTS };
enum { WEBHOOK, XDS, ENVOY }; /* the leaves */

struct bundle {
        int cas[BUNDLE_MAX];
        size_t count;
};

struct leaf {
        int issuer; /* NOBODY: nothing stored */
        int64_t not_before, not_after;
        struct bundle bundle; /* none: not readable */
        bool broken;          /* half-written, or of somebody else: no reader takes it */
        int names;            /* which names it was made for */
};

struct authority {
        int key, next_key; /* whose they are; NOBODY */
        struct bundle bundle;
        int64_t settled_at; /* for exactly this bundle and signer: */
        struct bundle settled_bundle;
        int settled_signer;
};

/* What is stored. The authority's fields are written one by one, as files are. */
struct world {
        struct plan_ca cas[CAS_MAX]; /* every CA ever made */
        int ca_count;
        struct authority authority, backup;
        struct leaf leaves[LEAVES];
        struct bundle hook;
        int names;   /* the present ones */
        int version; /* of the authority */
        bool jumps, faulty;
        int64_t ca_fault; /* the last one */
        int64_t time;     /* the true one, whatever the clock of a run says */
        struct plan_wishes wishes;
        /* What is loaded: copies of what was stored up to an overlap ago. */
        struct leaf loaded[LEAVES];
        struct bundle loaded_hook;
        int64_t waiting[LEAVES + 1]; /* since when there is something newer than what is loaded; 0: there is not */
        int rotations, kills, conflicts, jumped, faults[FAULTS];
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

/* What the bytes would tell: as rotation finds it out. */
struct look {
        struct bundle all; /* the authority's and its strays */
        struct plan_ca bundle[BUNDLE_MAX];
        struct plan_leaf leaves[LEAVES];
        struct plan_hook hook;
        struct plan_state state;
        int version;
};

static void add_strays(const struct world *w, const struct bundle *published, int64_t now, struct look *l)
{
        for (size_t i = 0; i < published->count; i++) {
                int ca = published->cas[i];
                if (now >= w->cas[ca].not_after || bundle_has(&l->all, ca))
                        continue;
                assert_true(l->all.count < BUNDLE_MAX);
                l->all.cas[l->all.count++] = ca;
                l->state.authority.strays = true;
        }
}

static void look_at_authority(const struct world *w, int64_t now, struct look *l)
{
        const struct authority *stored = &w->authority;
        struct plan_authority *a = &l->state.authority;
        l->all = stored->bundle;
        bool lost = stored->bundle.count == 0;
        for (size_t i = 0; i < LEAVES; i++) {
                const struct leaf *leaf = &w->leaves[i];
                lost |= bundle_has(&leaf->bundle, leaf->issuer) && !bundle_has(&stored->bundle, leaf->issuer);
        }
        for (size_t i = 0; i < LEAVES && lost; i++)
                add_strays(w, &w->leaves[i].bundle, now, l);
        if (lost)
                add_strays(w, &w->hook, now, l);
        for (size_t i = 0; i < l->all.count; i++)
                l->bundle[i] = w->cas[l->all.cas[i]];
        a->bundle = l->bundle;
        a->count = l->all.count;
        a->signer = place_of(&l->all, stored->key);
        a->next = place_of(&l->all, stored->next_key);
        if (a->next == a->signer)
                a->next = PLAN_NOBODY;
        for (size_t i = 0; i < LEAVES && a->signer != PLAN_NOBODY; i++)
                a->unknown |= w->leaves[i].bundle.count && !bundle_has(&w->leaves[i].bundle, stored->key);
        a->unknown |= a->signer != PLAN_NOBODY && w->hook.count && !bundle_has(&w->hook, stored->key);
        if (stored->settled_signer == a->signer && bundle_equal(&stored->settled_bundle, &l->all))
                a->settled_at = stored->settled_at;
}

static void look(const struct world *w, int64_t now, struct look *l)
{
        *l = (struct look){.version = w->version, .hook = {true, bundle_equal(&w->hook, &w->authority.bundle), false}};
        look_at_authority(w, now, l);
        for (size_t i = 0; i < LEAVES; i++) {
                const struct leaf *leaf = &w->leaves[i];
                l->leaves[i] = (struct plan_leaf){
                        .problem = leaf->issuer == NOBODY    ? "missing"
                                   : leaf->broken            ? "garbage"
                                   : leaf->names != w->names ? "other names"
                                                             : NULL,
                        .stored = leaf->issuer != NOBODY,
                        .not_before = leaf->not_before,
                        .not_after = leaf->not_after,
                        .issuer = place_of(&l->all, leaf->issuer),
                        .published = bundle_equal(&leaf->bundle, &w->authority.bundle),
                };
        }
        l->state.leaves = l->leaves;
        l->state.leaf_count = LEAVES;
        l->state.hooks = &l->hook;
        l->state.hook_count = 1;
}

static void changed(struct world *w, size_t i)
{
        if (!w->waiting[i])
                w->waiting[i] = w->time;
}

static int new_ca(struct world *w, int64_t now)
{
        assert_true(w->ca_count < CAS_MAX);
        w->cas[w->ca_count] =
                (struct plan_ca){plan_not_before(now, w->wishes.ca_lifetime), now + w->wishes.ca_lifetime};
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
        w->authority.key = key;
        if (killed(w))
                return false;
        w->authority.next_key = next_key;
        if (killed(w))
                return false;
        w->authority.bundle = *bundle;
        return !killed(w);
}

static bool adopt(struct world *w, const struct look *l, int64_t now)
{
        const struct authority *a = &w->authority;
        bool waits =
                l->state.authority.signer != PLAN_NOBODY && !plan_in_use(&l->state, l->state.authority.signer, now);
        return write_authority(w, waits ? NOBODY : a->key, waits ? a->key : a->next_key, &l->all);
}

static bool add_ca(struct world *w, int64_t now, bool signs)
{
        struct bundle b = {.count = 0};
        const struct bundle *old = &w->authority.bundle;
        int ca = new_ca(w, now);
        if (signs)
                b.cas[b.count++] = ca;
        for (size_t i = 0; i < old->count; i++) {
                if (now < w->cas[old->cas[i]].not_after)
                        b.cas[b.count++] = old->cas[i];
        }
        if (!signs)
                b.cas[b.count++] = ca;
        assert_true(b.count < BUNDLE_MAX);
        return write_authority(w, signs ? ca : w->authority.key, signs ? NOBODY : ca, &b);
}

static void issue(struct world *w, size_t i, int issuer, int64_t now)
{
        const struct plan_ca *ca = &w->cas[issuer];
        int64_t from = plan_not_before(now, w->wishes.leaf_lifetime), end = now + w->wishes.leaf_lifetime;
        w->leaves[i] = (struct leaf){.issuer = issuer,
                                     .not_before = from > ca->not_before ? from : ca->not_before,
                                     .not_after = end < ca->not_after ? end : ca->not_after,
                                     .bundle = w->authority.bundle,
                                     .names = w->names};
        changed(w, i);
}

static bool drop_others(struct world *w)
{
        struct bundle only = {.cas = {w->authority.key}, .count = 1};
        w->rotations++;
        return write_authority(w, w->authority.key, NOBODY, &only);
}

static bool settle(struct world *w, const struct look *l, int64_t now)
{
        w->version++;
        w->authority.settled_at = now;
        w->authority.settled_bundle = l->all;
        w->authority.settled_signer = l->state.authority.signer;
        return !killed(w);
}

/* False when killed. */
static bool take(struct world *w, const struct look *l, const struct plan_step *step, int64_t now)
{
        switch (step->action) {
        case PLAN_NONE:
                return true;
        case PLAN_ADOPT:
                return adopt(w, l, now);
        case PLAN_ISSUE_CA:
                return add_ca(w, now, true);
        case PLAN_ADD_CA:
                return add_ca(w, now, false);
        case PLAN_PUBLISH:
                w->leaves[step->index].bundle = w->authority.bundle;
                changed(w, step->index);
                return !killed(w);
        case PLAN_HOOK:
                w->hook = w->authority.bundle;
                changed(w, LEAVES);
                return !killed(w);
        case PLAN_ISSUE_LEAF:
                issue(w, step->index, l->all.cas[plan_issuer(&l->state.authority, now)], now);
                return !killed(w);
        case PLAN_SETTLE:
                return settle(w, l, now);
        case PLAN_UNSETTLE:
                w->version++;
                w->authority.settled_at = 0;
                return !killed(w);
        case PLAN_SWITCH_CA: {
                struct bundle same = w->authority.bundle;
                return write_authority(w, w->authority.next_key, NOBODY, &same);
        }
        case PLAN_DROP_CA:
                return drop_others(w);
        }
        abort();
}

/* Whoever reads all only now, what cannot be read left out. */
static void expect_published(const struct world *w)
{
        const struct bundle *verifiers[LEAVES] = {&w->hook, &w->leaves[ENVOY].bundle, &w->leaves[XDS].bundle};
        for (size_t i = 0; i < LEAVES; i++) {
                const struct leaf *leaf = &w->leaves[i];
                if (leaf->issuer != NOBODY && !leaf->broken && verifiers[i]->count &&
                    !bundle_has(verifiers[i], leaf->issuer))
                        fail_msg("leaf %zu of CA %d was published to a peer that was not given that CA", i,
                                 leaf->issuer);
                /* Envoy takes a pair without a look at its dates. */
                if (leaf->issuer != NOBODY && leaf->not_before > w->time)
                        fail_msg("leaf %zu is not valid yet", i);
        }
}

static void certgen(struct world *w, int64_t now, bool rotate)
{
        struct plan_wishes wishes = w->wishes;
        wishes.rotate_ca = rotate;
        for (int i = 0; i < STEPS_MAX; i++) {
                struct look l;
                look(w, now, &l);
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
                        look(w, now, &l);
                        step = plan_next(&l.state, &wishes, now);
                }
                bool alive = take(w, &l, &step, now);
                expect_published(w);
                if (!alive)
                        return;
                if (step.action == PLAN_ADD_CA)
                        wishes.rotate_ca = false;
        }
        fail_msg("the plan runs in circles");
}

/* ---- the readers ---- */

static bool reloads(struct world *w, size_t i, int64_t now)
{
        /* A clock that jumps may end an overlap early, but not before the next run, a day later. */
        int64_t lag = w->jumps && w->wishes.ca_overlap > DAY ? DAY : w->wishes.ca_overlap;
        bool due = w->waiting[i] && (w->waiting[i] + lag - HOUR <= now || chance(30));
        if (due)
                w->waiting[i] = 0;
        return due;
}

/* Everybody has what was stored an overlap ago, many have what is newer; nobody takes what cannot be used. */
static void reload(struct world *w, int64_t now)
{
        for (size_t i = 0; i < LEAVES; i++) {
                const struct leaf *leaf = &w->leaves[i];
                if (leaf->issuer != NOBODY && !leaf->broken && leaf->bundle.count && now >= leaf->not_before &&
                    now < leaf->not_after && reloads(w, i, now))
                        w->loaded[i] = *leaf;
        }
        if (w->hook.count && reloads(w, LEAVES, now))
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
        if (now < leaf->not_before || now < w->cas[leaf->issuer].not_before)
                fail_msg("day %d: leaf %zu or its CA is not valid yet", (int)((now - START) / DAY), server);
}

/* ---- faults ---- */

/* One thing goes wrong at a time: the last fault is mended. */
static bool is_mended(const struct world *w, int64_t now)
{
        struct look l;
        look(w, now, &l);
        bool mended = !l.state.authority.strays && !l.state.authority.unknown &&
                      l.state.authority.signer != PLAN_NOBODY && l.hook.published;
        for (size_t i = 0; i < LEAVES; i++)
                mended = mended && !l.leaves[i].problem && l.leaves[i].published && l.leaves[i].issuer != PLAN_NOBODY;
        return mended;
}

static void go_wrong(struct world *w, enum fault fault, struct leaf *leaf)
{
        bool hits_ca = fault == LOST_CA || fault == OLD_CA;
        /* Certificates that end meanwhile need a key: it may get lost again only after the overlaps. */
        if (hits_ca && w->time < w->ca_fault + 20 * DAY)
                return;
        if (hits_ca)
                w->ca_fault = w->time;
        w->faults[fault]++;
        switch (fault) {
        case LOST_CA:
                w->version++;
                w->authority = (struct authority){.key = NOBODY, .next_key = NOBODY};
                return;
        case OLD_CA:
                w->version++;
                w->authority = w->backup;
                return;
        case LOST_LEAF:
                *leaf = (struct leaf){.issuer = NOBODY};
                return;
        case BROKEN_LEAF:
                leaf->broken = true;
                return;
        case GARBAGE_BUNDLE:
                leaf->bundle.count = 0;
                return;
        case WIPED_HOOK:
                w->hook.count = 0;
                return;
        case OTHER_NAMES:
                w->names++;
                return;
        case FAULTS:
                break;
        }
        abort();
}

/* The clock of a run: at most as far off as certificates are dated back. */
static int64_t run_clock(struct world *w, int64_t now)
{
        if (!w->jumps || !chance(6))
                return now;
        w->jumped++;
        int64_t by = now - plan_not_before(now, w->wishes.leaf_lifetime);
        return chance(2) ? now + by : now - by;
}

static void begin(struct world *w)
{
        w->time = START;
        w->authority.key = w->authority.next_key = NOBODY;
        for (size_t i = 0; i < LEAVES; i++)
                w->leaves[i].issuer = NOBODY;
        /* The first run must not be the killed one: before it there is nothing to trust. */
        for (int i = 0; w->leaves[ENVOY].issuer == NOBODY || !bundle_equal(&w->hook, &w->authority.bundle); i++) {
                assert_true(i < 100);
                certgen(w, START, false);
        }
        w->backup = w->authority;
        memcpy(w->loaded, w->leaves, sizeof(w->loaded));
        w->loaded_hook = w->hook;
        memset(w->waiting, 0, sizeof(w->waiting));
}

static void live(struct world *w, int years, unsigned seed)
{
        chance_state = seed;
        begin(w);
        int skipped = 0;
        for (int64_t now = START; now < START + years * 365 * DAY; now += HOUR) {
                w->time = now;
                bool daily = (now - START) % DAY == 0;
                bool skips = chance(3) && skipped < SKIPPED_MAX;
                if (daily && !skips)
                        certgen(w, run_clock(w, now), chance(500));
                if (daily)
                        skipped = skips ? skipped + 1 : 0;
                if (daily && chance(100))
                        w->backup = w->authority;
                reload(w, now);
                if (daily && w->faulty && chance(4) && is_mended(w, now))
                        go_wrong(w, (enum fault)((chance_state >> 12) % FAULTS),
                                 &w->leaves[(chance_state >> 20) % LEAVES]);
                expect_trust(w, WEBHOOK, &w->loaded_hook, now);
                expect_trust(w, XDS, &w->loaded[ENVOY].bundle, now);
                expect_trust(w, ENVOY, &w->loaded[XDS].bundle, now);
        }
}

static const struct plan_wishes usual = {.leaf_lifetime = 365 * DAY, .ca_lifetime = 3650 * DAY, .ca_overlap = DAY};
static const struct plan_wishes hasty = {.leaf_lifetime = 30 * DAY, .ca_lifetime = 120 * DAY, .ca_overlap = 2 * DAY};

/* How often things happened in the lives of sixteen seeds. */
static struct world lives(struct world start, int years, unsigned seed)
{
        struct world sum = {0};
        for (unsigned i = 0; i < 16; i++) {
                struct world *w = mem_zalloc(sizeof(*w));
                *w = start;
                live(w, years, seed + i);
                sum.rotations += w->rotations;
                sum.kills += w->kills;
                sum.conflicts += w->conflicts;
                sum.jumped += w->jumped;
                for (int f = 0; f < FAULTS; f++)
                        sum.faults[f] += w->faults[f];
                mem_free(w);
        }
        return sum;
}

static void years__usual_lifetimes__every_peer_accepts_every_other(void **state)
{
        (void)state;
        struct world w = lives((struct world){.wishes = usual}, 40, 1);
        assert_true(w.rotations >= 128 && w.kills >= 128 && w.conflicts >= 128);
}

static void years__short_lifetimes__many_rotations_without_a_gap(void **state)
{
        (void)state;
        struct world w = lives((struct world){.wishes = hasty}, 20, 11);
        assert_true(w.rotations >= 960 && w.kills >= 640 && w.conflicts >= 640);
}

static void years__clocks_of_runs_jump_by_days__without_a_gap(void **state)
{
        (void)state;
        struct world w = lives((struct world){.wishes = usual, .jumps = true}, 40, 21);
        assert_true(w.rotations >= 128 && w.jumped >= 4000);
        w = lives((struct world){.wishes = hasty, .jumps = true}, 20, 31);
        assert_true(w.rotations >= 960 && w.jumped >= 4000);
}

static void years__secrets_lost_broken_and_put_back__without_a_gap(void **state)
{
        (void)state;
        struct world w = lives((struct world){.wishes = usual, .faulty = true, .jumps = true}, 40, 41);
        for (int f = 0; f < FAULTS; f++)
                assert_true(w.faults[f] >= 80);
        w = lives((struct world){.wishes = hasty, .faulty = true}, 20, 51);
        for (int f = 0; f < FAULTS; f++)
                assert_true(w.faults[f] >= 80);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(years__usual_lifetimes__every_peer_accepts_every_other),
                cmocka_unit_test(years__short_lifetimes__many_rotations_without_a_gap),
                cmocka_unit_test(years__clocks_of_runs_jump_by_days__without_a_gap),
                cmocka_unit_test(years__secrets_lost_broken_and_put_back__without_a_gap),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
