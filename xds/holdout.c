/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/holdout.h"

#include "base/map.h"
#include "base/table.h"
#include "xds/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

enum {
        RECENT = 32,  /* so many publications may be unanswered: more than a stream tracks */
        INSERTS = 16, /* so many new hosts are inserted one by one; more are sorted */
};

enum verdict {
        OPEN,     /* shown, nobody has said anything yet */
        HELD,     /* a suspect that waits to be tried */
        REFUSED,  /* held out until it changes */
        ACCEPTED, /* by at least one Envoy */
};

/* One host. */
struct part {
        struct part *next, *prev; /* among those that are OPEN or HELD, or among those that are REFUSED */
        const struct resource *offered;
        const struct resource *previous;         /* what was shown before, while nobody has answered; or NULL */
        const struct resource *accepted;         /* NULL: nothing yet */
        const struct resource *fallback;         /* stands for that, made when it is needed; or NULL */
        uint64_t since;                          /* number of the first publication with it, 0: none yet */
        uint64_t previous_since, previous_until; /* publications with the previous one */
        uint64_t refused;                        /* mark of the content that was refused last, 0: none */
        uint64_t group;                          /* of suspects: the lowest that is HELD is tried first; 0: none */
        enum verdict verdict;
        bool gone;   /* only in the list still */
        bool marked; /* refused before our time, holdout_suspect() */
        char host[];
};

struct publication {
        uint64_t mark, number;
};

struct holdout {
        struct resource *(*fallback)(const char *host); /* NULL: none, or they are refused, too */
        struct table hosts;
        struct part **list; /* by host up to sorted */
        size_t count, sorted, room;
        size_t gone;           /* of these */
        struct part *unjudged; /* OPEN or HELD */
        struct part *refused;
        struct publication recent[RECENT];
        uint64_t published; /* number of the last */
        uint64_t acted;     /* NACKs of publications up to here say nothing new */
        uint64_t tried;     /* ACKs of publications up to here do not end the trial of a group */
        uint64_t accepted;  /* number of the last publication that was */
        uint64_t disturbed; /* in publications up to here was something that nobody judged, and it is gone */
        uint64_t groups;    /* last one used */
        uint64_t proving;   /* the group that has a bad one in it if what is shown of it is accepted, 0: none */
        bool moved;         /* what is shown may be another list than what was published last */
        bool released;      /* since the last publication: of the unjudged, more than the last ones may be new */
        const struct resource **parts;
        size_t parts_room;
};

static uint64_t hash_part(const void *part)
{
        const char *host = ((const struct part *)part)->host;
        return map_hash(host, strlen(host));
}

static bool matches_part(const void *part, const void *host)
{
        return str_equal(((const struct part *)part)->host, host);
}

static struct part *part_find(const struct holdout *h, const char *host)
{
        return table_find(&h->hosts, map_hash(host, strlen(host)), host);
}

struct holdout *holdout_new(struct resource *(*fallback)(const char *host))
{
        static const struct table_ops ops = {hash_part, matches_part};
        struct holdout *h = mem_zalloc(sizeof(*h));
        h->fallback = fallback;
        table_init(&h->hosts, &ops);
        return h;
}

static void part_free(struct part *p)
{
        resource_unref(p->offered);
        resource_unref(p->previous);
        resource_unref(p->accepted);
        resource_unref(p->fallback);
        mem_free(p);
}

void holdout_free(struct holdout *h)
{
        if (!h)
                return;
        for (size_t i = 0; i < h->count; i++)
                part_free(h->list[i]);
        table_done(&h->hosts);
        mem_free(h->list);
        mem_free(h->parts);
        mem_free(h);
}

/* ---- the list, by host ---- */

static int by_host(const void *a, const void *b)
{
        const struct part *const *x = a;
        const struct part *const *y = b;
        return strcmp((*x)->host, (*y)->host);
}

/* Where the host stands, or would stand, in the sorted part. */
static size_t place_of(const struct holdout *h, const char *host)
{
        size_t low = 0, high = h->sorted;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(h->list[middle]->host, host) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void sort_list(struct holdout *h)
{
        if (h->count - h->sorted > INSERTS)
                qsort(h->list, h->count, sizeof(struct part *), by_host);
        else
                for (; h->sorted < h->count; h->sorted++) {
                        struct part *p = h->list[h->sorted];
                        size_t to = place_of(h, p->host);
                        memmove(h->list + to + 1, h->list + to, (h->sorted - to) * sizeof(struct part *));
                        h->list[to] = p;
                }
        h->sorted = h->count;
}

/* Takes out those that are gone; order stays. */
static void sweep_list(struct holdout *h)
{
        size_t kept = 0, sorted = 0;
        for (size_t i = 0; i < h->count; i++) {
                struct part *p = h->list[i];
                if (p->gone) {
                        part_free(p);
                        continue;
                }
                sorted += i < h->sorted;
                h->list[kept++] = p;
        }
        h->count = kept;
        h->sorted = sorted;
        h->gone = 0;
}

static struct part *part_add(struct holdout *h, const char *host)
{
        size_t n = strlen(host);
        struct part *p = mem_zalloc(sizeof(*p) + n + 1);
        memcpy(p->host, host, n + 1);
        p->verdict = ACCEPTED; /* of nothing */
        table_add(&h->hosts, p);
        if (h->count == h->room) {
                h->room = h->room ? 2 * h->room : 64;
                h->list = mem_resize(h->list, h->room, sizeof(struct part *));
        }
        h->list[h->count++] = p;
        return p;
}

/* ---- one host ---- */

/* The list of those with that verdict; NULL: none, most are accepted. */
static struct part **list_of(struct holdout *h, enum verdict verdict)
{
        switch (verdict) {
        case OPEN:
        case HELD:
                return &h->unjudged;
        case REFUSED:
                return &h->refused;
        case ACCEPTED:
                return NULL;
        }
        __builtin_unreachable();
}

/* Comes last in the list of its verdict. */
static void judge(struct holdout *h, struct part *p, enum verdict verdict)
{
        struct part **from = list_of(h, p->verdict), **to = list_of(h, verdict);
        p->verdict = verdict;
        if (from)
                DL_DELETE(*from, p); /* NOLINT(clang-analyzer-core.NullDereference): all but the last have a next one */
        if (to)
                DL_APPEND(*to, p);
}

static void replace(const struct resource **slot, const struct resource *with)
{
        const struct resource *old = *slot;
        *slot = with ? resource_ref(with) : NULL;
        resource_unref(old);
}

static bool is_shown(const struct part *p)
{
        return p->verdict == OPEN || p->verdict == ACCEPTED;
}

static const struct resource *shown(const struct part *p)
{
        return is_shown(p) ? p->offered : p->accepted ? p->accepted : p->fallback;
}

/* The content goes before it was judged: nothing follows from answers about it for others. */
static void part_leaves_trial(struct holdout *h, struct part *p)
{
        if (p->verdict == OPEN && p->since)
                h->disturbed = h->published;
        if (p->group && p->group == h->proving)
                h->proving = 0;
        p->group = 0;
}

/* It stays in the list until that is looked at: a hundred thousand that go together cost one walk. */
static void part_remove(struct holdout *h, struct part *p)
{
        part_leaves_trial(h, p);
        judge(h, p, ACCEPTED);
        table_remove(&h->hosts, p);
        p->gone = true;
        h->gone++;
}

bool holdout_offer(struct holdout *h, const char *host, const struct resource *part)
{
        struct part *p = part_find(h, host);
        if (!part) {
                if (!p)
                        return false;
                part_remove(h, p);
                return h->moved = true;
        }
        if (!p)
                p = part_add(h, host);
        if (p->offered && str_equal(p->offered->version, part->version))
                return false;
        if (p->verdict == OPEN && p->since) { /* its answer may still come */
                replace(&p->previous, p->offered);
                p->previous_since = p->since;
                p->previous_until = h->published;
        }
        part_leaves_trial(h, p);
        /* After a refusal the others come first: the next try waits for an ACK of what is shown without it. */
        const bool waits = (p->verdict == HELD || p->verdict == REFUSED) && h->accepted <= h->acted;
        replace(&p->offered, part);
        p->marked = false;
        p->since = 0;
        if (p->accepted && str_equal(p->accepted->version, part->version))
                judge(h, p, ACCEPTED);
        else if (cache_mark(part->version) == p->refused)
                judge(h, p, REFUSED);
        else
                judge(h, p, waits ? HELD : OPEN);
        p->group = p->verdict == HELD ? ++h->groups : 0;
        return h->moved = true;
}

void holdout_suspect(struct holdout *h, const char *host)
{
        struct part *p = part_find(h, host);
        if (p && p->verdict == OPEN && !p->accepted)
                p->marked = true;
}

/* ---- publishing ---- */

const struct resource *const *holdout_parts(struct holdout *h, size_t *n)
{
        if (h->gone)
                sweep_list(h);
        sort_list(h);
        if (h->parts_room < h->count) {
                h->parts_room = 2 * h->count;
                h->parts = mem_resize(h->parts, h->parts_room, sizeof(*h->parts));
        }
        *n = 0;
        for (size_t i = 0; i < h->count; i++) {
                struct part *p = h->list[i];
                if (h->fallback && !is_shown(p) && !p->accepted && !p->fallback)
                        p->fallback = h->fallback(p->host);
                if (shown(p))
                        h->parts[(*n)++] = shown(p);
        }
        return h->parts;
}

bool holdout_published(struct holdout *h, uint64_t mark)
{
        const bool known = h->published && h->accepted == h->published && h->recent[h->published % RECENT].mark == mark;
        h->published++;
        h->moved = false;
        h->recent[h->published % RECENT] = (struct publication){.mark = mark, .number = h->published};
        /* From the last one on: until the first Envoy has answered all are unjudged, and few of them are new. */
        for (struct part *p = h->unjudged ? h->unjudged->prev : NULL; p; p = p == h->unjudged ? NULL : p->prev) {
                if (p->verdict == OPEN && p->since && !h->released)
                        break;
                if (p->verdict == OPEN && !p->since)
                        p->since = h->published;
        }
        h->released = false;
        return known;
}

/* The number of the latest publication of that mark, 0: too long ago, or never. */
static uint64_t number_of(const struct holdout *h, uint64_t mark)
{
        uint64_t number = 0;
        for (size_t i = 0; i < RECENT; i++)
                if (h->recent[i].mark == mark && h->recent[i].number > number)
                        number = h->recent[i].number;
        return number;
}

/* ---- answers ---- */

static bool was_shown(uint64_t since, uint64_t number)
{
        return since && since <= number;
}

static void release(struct holdout *h, struct part *p, uint64_t group)
{
        h->released = true;
        p->verdict = OPEN;
        p->since = 0;
        p->group = group;
}

static void hold(struct part *p, uint64_t group)
{
        p->verdict = HELD;
        p->marked = false;
        p->since = 0;
        p->group = group;
}

static void convict(struct holdout *h, struct part *p)
{
        p->refused = cache_mark(p->offered->version);
        p->group = 0;
        judge(h, p, REFUSED);
}

static size_t count_held(const struct holdout *h, uint64_t group)
{
        size_t n = 0;
        for (const struct part *p = h->unjudged; p; p = p->next)
                n += p->verdict == HELD && p->group == group;
        return n;
}

/* The shown half is accepted, so the bad one is in the other half. Whether some of that are to be tried. */
static bool split_proven_group(struct holdout *h)
{
        const uint64_t group = h->proving;
        const size_t held = count_held(h, group);
        size_t keep = held / 2;
        h->proving = held > 1 ? ++h->groups : 0;
        for (struct part *p = h->unjudged, *next; p; p = next) {
                next = p->next;
                if (p->verdict != HELD || p->group != group)
                        continue;
                if (held == 1)
                        convict(h, p);
                else if (keep && keep--)
                        release(h, p, h->proving);
                else
                        hold(p, h->proving);
        }
        return held > 1;
}

/* The oldest group of suspects is tried; whether there is one. */
static bool try_next_group(struct holdout *h)
{
        uint64_t group = 0;
        for (const struct part *p = h->unjudged; p; p = p->next)
                if (p->verdict == HELD && (!group || p->group < group))
                        group = p->group;
        for (struct part *p = h->unjudged; group && p; p = p->next)
                if (p->verdict == HELD && p->group == group)
                        release(h, p, 0);
        return group;
}

static void accept_part(struct holdout *h, struct part *p, uint64_t number)
{
        if (p->verdict == OPEN && was_shown(p->since, number)) {
                replace(&p->accepted, p->offered);
                replace(&p->previous, NULL);
                replace(&p->fallback, NULL);
                p->group = 0;
                judge(h, p, ACCEPTED);
        } else if (p->previous && was_shown(p->previous_since, number) && number <= p->previous_until) {
                replace(&p->accepted, p->previous);
                replace(&p->previous, NULL);
        }
}

bool holdout_accepted(struct holdout *h, uint64_t mark)
{
        const uint64_t number = number_of(h, mark);
        if (!number)
                return false;
        if (number > h->accepted)
                h->accepted = number;
        for (struct part *p = h->unjudged, *next; p; p = next) {
                next = p->next;
                accept_part(h, p, number);
        }
        if (number <= h->acted || number <= h->tried)
                return false; /* says nothing about what is on trial */
        bool again = (h->proving && split_proven_group(h)) || try_next_group(h);
        if (again)
                h->tried = h->published;
        return again;
}

/* Shown in that publication and not judged; or it has changed since, and what it is now is as suspect. */
static bool is_suspect(const struct part *p, uint64_t number)
{
        return p->verdict == OPEN &&
               (was_shown(p->since, number) || (p->previous && was_shown(p->previous_since, number)));
}

static size_t count_suspects(const struct holdout *h, uint64_t number)
{
        size_t n = 0;
        for (const struct part *p = h->unjudged; p; p = p->next)
                n += is_suspect(p, number);
        return n;
}

/* Whether some suspects are to be held back before others, those that were refused before our time. */
static bool has_marked_suspects(const struct holdout *h, uint64_t number)
{
        size_t marked = 0, others = 0;
        for (const struct part *p = h->unjudged; p; p = p->next) {
                if (!is_suspect(p, number))
                        continue;
                if (p->marked)
                        marked++;
                else
                        others++;
        }
        return marked && others;
}

/* Nobody is suspect, so it may be these: whether there were any. */
static bool drop_fallbacks(struct holdout *h)
{
        bool any = false;
        for (size_t i = 0; i < h->count; i++) {
                any |= h->list[i]->fallback && !is_shown(h->list[i]);
                replace(&h->list[i]->fallback, NULL);
        }
        if (any)
                h->fallback = NULL;
        return any;
}

bool holdout_refused(struct holdout *h, uint64_t mark)
{
        const uint64_t number = number_of(h, mark);
        if (number <= h->acted)
                return false; /* unknown, or another Envoy has said so already */
        const size_t suspects = count_suspects(h, number);
        if (!suspects) /* what an Envoy had accepted, this one refuses; or it has gone already */
                return number == h->published && !h->moved && drop_fallbacks(h);
        const bool certain = number > h->disturbed; /* that one of the suspects is to blame */
        const bool by_mark = has_marked_suspects(h, number);
        size_t keep = suspects / 2;
        const uint64_t group = ++h->groups;
        h->acted = h->published;
        h->proving = certain && suspects > 1 ? group : 0;
        for (struct part *p = h->unjudged, *next; p; p = next) {
                next = p->next;
                if (!is_suspect(p, number))
                        continue;
                if (certain && suspects == 1)
                        convict(h, p);
                else if (by_mark ? !p->marked : keep && keep--)
                        p->group = h->proving;
                else
                        hold(p, group);
        }
        return true;
}

/* ---- for people ---- */

bool holdout_is_refused(const struct holdout *h, const char *host)
{
        const struct part *p = part_find(h, host);
        return p && p->verdict == REFUSED;
}

void holdout_each_refused(const struct holdout *h, void (*each)(const char *host, void *arg), void *arg)
{
        for (const struct part *p = h->refused; p; p = p->next)
                each(p->host, arg);
}

size_t holdout_held(const struct holdout *h)
{
        size_t n = 0;
        for (const struct part *p = h->unjudged; p; p = p->next)
                n += p->verdict == HELD;
        for (const struct part *p = h->refused; p; p = p->next)
                n++;
        return n;
}
