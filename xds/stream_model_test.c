/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams against a model that is too simple to be wrong: a million random steps. Two replicas of the cache, clients of
 * both variants that subscribe, acknowledge, refuse, lag, read slowly, vanish and come back to either replica. The
 * universe is small, so that everything collides all the time. STREAM_SEED and STREAM_STEPS set the schedule.
 *
 * The model keeps, per client and name, what the server must believe that the client has (view), and whether an answer
 * is owed though nothing differs (must). Each response is checked against it as a whole, and from time to time
 * everybody reads and acknowledges until nothing is left, and then has to have what the cache has.
 */
#include "xds/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CDS RESOURCE_CLUSTER
#define EDS RESOURCE_CLUSTER_LOAD_ASSIGNMENT
#define LDS RESOURCE_LISTENER
#define RDS RESOURCE_ROUTE_CONFIGURATION

enum {
        STEPS = 1000000,
        EPOCH = 20000, /* steps until both replicas start anew */
        CALM = 400,    /* steps between the moments of rest */
        TYPES = RESOURCE_SERVED_TYPES,
        NAMES = 6,
        CONTENTS = 4, /* 0: none */
        REPLICAS = 2,
        CLIENTS = 5,
        UNANSWERED_MAX = 6,
};

/* ---- the universe ---- */

static char *const names[NAMES] = {"a", "b", "c", "d", "e", "f"};
static char star[] = "*";
static struct resource *resources[TYPES][NAMES][CONTENTS];

struct replica {
        struct cache *cache;
        uint8_t staged[TYPES][NAMES], visible[TYPES][NAMES], last[TYPES][NAMES];
};

/* One type of one client, as its server has to see it. */
struct side {
        bool requested, named, wild, answer;
        bool explicit[NAMES], must[NAMES], owed[NAMES];
        uint8_t view[NAMES];
        uint16_t round[NAMES];               /* Delta: the nonce, cut to its last two bytes */
        uint64_t unanswered[UNANSWERED_MAX]; /* oldest first */
        unsigned unanswered_count;
        uint64_t gate, answered, sent; /* numbers of responses */
        int64_t gate_time, changes_since, removals_since;
        uint8_t has[NAMES]; /* what the client itself has; survives a new stream */
};

struct peer {
        struct stream *stream; /* NULL: away */
        struct replica *replica;
        enum stream_variant variant;
        struct side sides[TYPES];
        uint64_t nonce;
        int64_t progress;
};

static struct {
        struct replica replicas[REPLICAS];
        struct peer peers[CLIENTS];
        int64_t now;
        uint64_t random;
        struct stream_response response;
        size_t responses, refusals, stalls;
} m;

static unsigned pick(unsigned n)
{
        m.random ^= m.random << 13; /* xorshift64 */
        m.random ^= m.random >> 7;
        m.random ^= m.random << 17;
        return (unsigned)(m.random >> 32) % n;
}

static int endpoints_of(unsigned cluster)
{
        return cluster < 4 ? (int)cluster / 2 : -1;
}

static bool is_complete(const struct peer *p, unsigned type)
{
        return p->variant == STREAM_SOTW && (type == CDS || type == LDS);
}

static bool is_subscribed(const struct side *s, unsigned name)
{
        return s->wild || s->explicit[name];
}

static void forget(struct side *s, unsigned name)
{
        s->view[name] = 0;
        s->round[name] = 0;
        s->must[name] = s->owed[name] = false;
}

/* ---- what waits, in the model ---- */

static bool has_change(const struct peer *p, unsigned type, unsigned name)
{
        const struct side *s = &p->sides[type];
        uint8_t visible = p->replica->visible[type][name];
        if (!is_subscribed(s, name))
                return false;
        return visible ? s->must[name] || s->view[name] != visible : s->must[name] && p->variant == STREAM_DELTA;
}

static bool has_changes(const struct peer *p, unsigned type)
{
        for (unsigned n = 0; n < NAMES; n++)
                if (has_change(p, type, n))
                        return true;
        return p->sides[type].answer;
}

static bool has_removal(const struct peer *p, unsigned type, unsigned name)
{
        const struct side *s = &p->sides[type];
        return !p->replica->visible[type][name] && s->view[name] && !s->must[name] && is_subscribed(s, name) &&
               (p->variant == STREAM_DELTA || is_complete(p, type));
}

static bool has_removals(const struct peer *p, unsigned type)
{
        for (unsigned n = 0; n < NAMES; n++)
                if (has_removal(p, type, n))
                        return true;
        return false;
}

static void note_waiting(struct peer *p)
{
        for (unsigned t = 0; t < TYPES; t++) {
                struct side *s = &p->sides[t];
                bool changes = has_changes(p, t), removals = has_removals(p, t);
                s->changes_since = !changes ? 0 : s->changes_since ? s->changes_since : m.now;
                s->removals_since = !removals ? 0 : s->removals_since ? s->removals_since : m.now;
        }
}

/* ---- the cache ---- */

static void replica_commit(struct replica *r)
{
        size_t changed = 0;
        for (unsigned t = 0; t < TYPES; t++)
                for (unsigned n = 0; n < NAMES; n++) {
                        if (r->visible[t][n] == r->staged[t][n])
                                continue;
                        changed++;
                        if (!r->staged[t][n])
                                r->last[t][n] = r->visible[t][n];
                        r->visible[t][n] = r->staged[t][n];
                        for (unsigned i = 0; i < CLIENTS && !r->visible[t][n]; i++) {
                                struct peer *p = &m.peers[i];
                                struct side *s = &p->sides[t];
                                if (!p->stream || p->replica != r)
                                        continue;
                                if (!is_subscribed(s, n))
                                        s->owed[n] = false;
                                if (p->variant == STREAM_SOTW)
                                        s->must[n] = s->owed[n] = false;
                                if (p->variant == STREAM_SOTW && !is_complete(p, t))
                                        s->view[n] = 0;
                        }
                }
        assert_int_equal(cache_commit(r->cache, m.now), changed);
}

static void replica_change(struct replica *r)
{
        unsigned t = pick(TYPES), n = pick(NAMES), content = pick(CONTENTS);
        if (!content)
                cache_remove(r->cache, (enum resource_type)t, names[n]);
        else
                cache_set(r->cache, resources[t][n][content],
                          t == CDS && endpoints_of(n) >= 0 ? names[endpoints_of(n)] : NULL);
        r->staged[t][n] = (uint8_t)content;
        if (pick(2))
                replica_commit(r);
}

/* ---- requests ---- */

static void send_request(struct peer *p, struct stream_request *request, uint64_t nonce, bool refused,
                         enum stream_reply reply)
{
        char text[STREAM_NONCE_SIZE];
        snprintf(text, sizeof(text), "%llx", (unsigned long long)nonce);
        request->nonce = nonce ? text : NULL;
        request->refused = refused ? "refused" : NULL;
        struct stream_outcome outcome;
        struct err e;
        assert_true(stream_request(p->stream, request, m.now, &outcome, &e));
        assert_int_equal(outcome.reply, reply);
        m.refusals += reply == STREAM_NACKS;
}

/* Takes the oldest (Delta) or all (SotW) that wait for an answer; the number of the one that is answered, or 0. */
static uint64_t answer_one(struct peer *p, struct side *s)
{
        if (!s->unanswered_count)
                return 0;
        unsigned taken = p->variant == STREAM_SOTW ? s->unanswered_count : 1;
        uint64_t nonce = s->unanswered[taken - 1];
        memmove(s->unanswered, s->unanswered + taken, (s->unanswered_count - taken) * sizeof(*s->unanswered));
        s->unanswered_count -= taken;
        s->answered = nonce;
        p->progress = m.now;
        return nonce;
}

static void subscribe_wildcard(struct peer *p, unsigned type)
{
        struct side *s = &p->sides[type];
        for (unsigned n = 0; n < NAMES; n++) {
                bool there = p->replica->visible[type][n];
                s->must[n] = s->must[n] || (s->wild && there) || (s->owed[n] && there);
        }
        s->wild = true;
        s->answer = true;
}

static void unsubscribe_wildcard(struct side *s)
{
        for (unsigned n = 0; s->wild && n < NAMES; n++)
                if (!s->explicit[n])
                        forget(s, n);
        s->wild = false;
}

/* The client lists what it has, most of it, sometimes what it never had. */
static size_t list_known(struct peer *p, unsigned type, struct stream_known known[NAMES])
{
        struct side *s = &p->sides[type];
        size_t count = 0;
        for (unsigned n = 0; n < NAMES; n++) {
                if (pick(16) == 0)
                        s->has[n] = (uint8_t)pick(CONTENTS);
                if (!s->has[n] || pick(8) == 0)
                        continue;
                known[count++] = (struct stream_known){names[n], resources[type][n][s->has[n]]->version};
                if (is_subscribed(s, n))
                        s->view[n] = s->has[n];
        }
        return count;
}

/* Of a refused response with several resources, each is sent again. */
static void refuse(struct peer *p, unsigned type, uint64_t nonce)
{
        struct side *s = &p->sides[type];
        bool in_it[NAMES];
        unsigned count = 0;
        for (unsigned n = 0; n < NAMES; n++) {
                in_it[n] = s->round[n] == (uint16_t)nonce && s->view[n] && !has_change(p, type, n) &&
                           s->view[n] == p->replica->visible[type][n];
                count += in_it[n];
        }
        for (unsigned n = 0; n < NAMES && count > 1 && type != CDS && type != LDS; n++)
                s->must[n] = s->must[n] || in_it[n];
}

static void delta_request(struct peer *p, unsigned type)
{
        struct side *s = &p->sides[type];
        const bool first = !s->requested;
        uint64_t nonce = !first && pick(2) ? answer_one(p, s) : 0;
        bool refused = nonce && pick(5) == 0;
        if (refused)
                refuse(p, type, nonce);
        char *subscribe[4], *unsubscribe[2];
        struct stream_known known[NAMES];
        struct stream_request request = {.type = (enum resource_type)type, .names = subscribe};
        request.unsubscribe = unsubscribe;
        request.known = known;
        s->requested = true;
        if (pick(3) == 0 && !first) {
                unsigned n = pick(NAMES + 1);
                unsubscribe[request.unsubscribe_count++] = n == NAMES ? star : names[n];
                if (n == NAMES) {
                        unsubscribe_wildcard(s);
                } else if (s->explicit[n]) {
                        s->explicit[n] = false;
                        s->must[n] = true;
                        if (!s->wild)
                                forget(s, n);
                }
        }
        bool wildcard = false; /* twice in one request is once */
        for (unsigned i = pick(4); i; i--) {
                unsigned n = pick(NAMES + 1);
                subscribe[request.name_count++] = n == NAMES ? star : names[n];
                if (n == NAMES) {
                        if (!wildcard)
                                subscribe_wildcard(p, type);
                        wildcard = true;
                        continue;
                }
                s->explicit[n] = true;
                s->must[n] = s->must[n] || !first || s->owed[n] || !p->replica->visible[type][n];
        }
        if (first && !request.name_count && (type == CDS || type == LDS))
                subscribe_wildcard(p, type);
        if (first && (request.known_count = list_known(p, type, known)))
                s->answer = false;
        send_request(p, &request, nonce, refused, !nonce ? STREAM_ASKS : refused ? STREAM_NACKS : STREAM_ACKS);
}

static void sotw_request(struct peer *p, unsigned type)
{
        struct side *s = &p->sides[type];
        const bool first = !s->requested;
        bool wanted[NAMES] = {false}, wild = false;
        char *list[NAMES + 2];
        struct stream_request request = {.type = (enum resource_type)type, .names = list};
        const bool same = !first && pick(2);
        for (unsigned n = 0; n < NAMES; n++) {
                wanted[n] = same ? s->explicit[n] : pick(3) == 0;
                if (wanted[n])
                        list[request.name_count++] = names[n];
        }
        wild = same ? s->wild && s->named : pick(4) == 0;
        if (wild)
                list[request.name_count++] = star;
        if (!first && s->sent && pick(8) == 0) { /* about a response before the last, or about none */
                send_request(p, &request, s->sent - 1, false, STREAM_STALE);
                return;
        }
        s->requested = true;
        s->named = s->named || request.name_count;
        wild = wild || (!s->named && (type == CDS || type == LDS));
        bool changed = first || wild != s->wild;
        for (unsigned n = 0; n < NAMES; n++) {
                changed = changed || wanted[n] != s->explicit[n];
                if (wanted[n] && !s->explicit[n])
                        s->must[n] = p->replica->visible[type][n] != 0;
                s->must[n] = s->must[n] || (wild && !s->wild && s->owed[n]);
                s->explicit[n] = wanted[n];
                if (!wanted[n] && !wild)
                        if (s->view[n] || s->must[n] || is_subscribed(s, n))
                                forget(s, n);
        }
        s->wild = wild;
        bool any = wild;
        for (unsigned n = 0; n < NAMES; n++)
                any = any || wanted[n];
        if (is_complete(p, type))
                s->answer = (s->answer || changed) && any;
        uint64_t nonce = s->sent;
        bool answers = answer_one(p, s) != 0, refused = answers && pick(5) == 0;
        send_request(p, &request, nonce, refused, !answers ? STREAM_ASKS : refused ? STREAM_NACKS : STREAM_ACKS);
}

static void peer_request(struct peer *p, unsigned type)
{
        if (p->variant == STREAM_DELTA)
                delta_request(p, type);
        else
                sotw_request(p, type);
}

/* ---- responses ---- */

static unsigned index_of(const char *name)
{
        assert_true(name[0] >= 'a' && name[0] < 'a' + NAMES && !name[1]);
        return (unsigned)(name[0] - 'a');
}

/* Listeners and routes not before the ACK of clusters, except after 5 s. */
static void check_gate(const struct peer *p, unsigned type)
{
        const struct side *clusters = &p->sides[CDS], *s = &p->sides[type];
        if ((type != LDS && type != RDS) || clusters->gate <= clusters->answered)
                return;
        assert_true(m.now >= clusters->gate_time + STREAM_ORDER_WAIT || m.now >= s->changes_since + STREAM_ORDER_WAIT);
}

/* Removals after all else, except after 10 s. */
static void check_removal_order(const struct peer *p, unsigned type)
{
        if (m.now >= p->sides[type].removals_since + 2 * STREAM_ORDER_WAIT)
                return;
        for (unsigned t = 0; t < TYPES; t++)
                assert_true(t == type || !has_changes(p, t));
        if (type != LDS)
                assert_false(has_removals(p, LDS));
        if (type == CDS)
                assert_false(has_removals(p, RDS) || has_removals(p, EDS));
}

/* The cluster was new or changed: its endpoints are owed. */
static void owe(struct peer *p, unsigned cluster)
{
        int n = endpoints_of(cluster);
        if (n < 0)
                return;
        struct side *s = &p->sides[EDS];
        bool there = p->replica->visible[EDS][n];
        if (is_subscribed(s, (unsigned)n))
                s->must[n] = s->must[n] || there || p->variant == STREAM_DELTA;
        else if (there)
                s->owed[n] = true;
}

static void accept_change(struct peer *p, unsigned type, unsigned n)
{
        struct side *s = &p->sides[type];
        bool news = has_change(p, type, n);
        s->view[n] = s->has[n] = p->replica->visible[type][n];
        s->round[n] = (uint16_t)(p->nonce + 1);
        s->must[n] = s->owed[n] = false;
        if (type == CDS && news)
                owe(p, n);
}

static void check_parts(struct peer *p, unsigned type)
{
        struct side *s = &p->sides[type];
        const struct stream_response *r = &m.response;
        bool seen[NAMES] = {false};
        for (size_t i = 0; i < r->count; i++) {
                unsigned n = index_of(r->resources[i]->name);
                assert_false(seen[n]);
                seen[n] = true;
                assert_ptr_equal(r->resources[i], resources[type][n][p->replica->visible[type][n]]);
                assert_true(has_change(p, type, n)); /* no change, no frame */
                accept_change(p, type, n);
        }
        assert_true(p->variant == STREAM_DELTA || !r->removed_count);
        for (size_t i = 0; i < r->removed_count; i++) {
                unsigned n = index_of(r->removed[i]);
                assert_false(seen[n]);
                seen[n] = true;
                if (has_removal(p, type, n))
                        check_removal_order(p, type);
                else
                        assert_true(has_change(p, type, n) && !p->replica->visible[type][n]);
                s->view[n] = s->has[n] = 0;
                s->must[n] = s->owed[n] = false;
        }
        assert_true(r->count || r->removed_count || s->answer);
}

static void check_whole(struct peer *p, unsigned type)
{
        struct side *s = &p->sides[type];
        const struct stream_response *r = &m.response;
        bool seen[NAMES] = {false};
        assert_true(has_changes(p, type) || has_removals(p, type));
        for (size_t i = 0; i < r->count; i++) {
                unsigned n = index_of(r->resources[i]->name);
                assert_false(seen[n]);
                seen[n] = true;
                bool lingers = has_removal(p, type, n);
                assert_true(is_subscribed(s, n) && (lingers || p->replica->visible[type][n]));
                uint8_t content = lingers ? p->replica->last[type][n] : p->replica->visible[type][n];
                assert_ptr_equal(r->resources[i], resources[type][n][content]);
                if (lingers)
                        s->view[n] = s->has[n] = content;
        }
        for (unsigned n = 0; n < NAMES; n++) {
                if (is_subscribed(s, n) && p->replica->visible[type][n])
                        assert_true(seen[n]);
                if (!seen[n] && has_removal(p, type, n))
                        check_removal_order(p, type);
        }
        for (unsigned n = 0; n < NAMES; n++) {
                if (!seen[n])
                        s->view[n] = s->has[n] = 0;
                else if (p->replica->visible[type][n])
                        accept_change(p, type, n);
        }
}

/* What the version says must follow from what the client now has. */
static void check_version(const struct peer *p, unsigned type)
{
        struct cache_sum sum = {0};
        const uint8_t *of = p->variant == STREAM_SOTW ? p->sides[type].view : p->replica->visible[type];
        for (unsigned n = 0; n < NAMES; n++)
                if (of[n])
                        cache_sum_add(&sum, names[n], cache_mark(resources[type][n][of[n]]->version));
        char text[RESOURCE_VERSION_LENGTH + 1];
        cache_sum_text(&sum, text);
        assert_string_equal(m.response.version, text);
}

static bool peer_pull(struct peer *p)
{
        if (!stream_next(p->stream, m.now, &m.response)) {
                for (unsigned t = 0; t < TYPES; t++) /* only these may have to wait */
                        assert_true(!has_changes(p, t) || t == LDS || t == RDS || !cache_is_open(p->replica->cache));
                return false;
        }
        assert_true(cache_is_open(p->replica->cache));
        m.responses++;
        const unsigned type = m.response.type;
        struct side *s = &p->sides[type];
        bool changes = has_changes(p, type);
        if (changes)
                check_gate(p, type);
        if (is_complete(p, type))
                check_whole(p, type);
        else
                check_parts(p, type);
        if (type == RESOURCE_SECRET || !changes || p->variant == STREAM_SOTW || m.response.count)
                check_version(p, type);
        s->answer = false;
        s->sent = strtoull(m.response.nonce, NULL, 16);
        assert_int_equal(s->sent, ++p->nonce);
        if (s->unanswered_count == UNANSWERED_MAX)
                memmove(s->unanswered, s->unanswered + 1, --s->unanswered_count * sizeof(*s->unanswered));
        s->unanswered[s->unanswered_count++] = s->sent;
        if (changes) {
                s->gate = s->sent;
                s->gate_time = m.now;
        }
        p->progress = m.now;
        return true;
}

/* ---- coming and going ---- */

static void peer_connect(struct peer *p)
{
        p->replica = &m.replicas[pick(REPLICAS)];
        p->variant = pick(2) ? STREAM_DELTA : STREAM_SOTW;
        p->stream = stream_new(p->replica->cache, p->variant, p, m.now);
        p->nonce = 0;
        p->progress = m.now;
        for (unsigned t = 0; t < TYPES; t++) {
                uint8_t has[NAMES];
                memcpy(has, p->sides[t].has, sizeof(has));
                p->sides[t] = (struct side){0};
                memcpy(p->sides[t].has, has, sizeof(has));
        }
}

static void peer_leave(struct peer *p)
{
        stream_free(p->stream);
        p->stream = NULL;
}

static void peer_act(struct peer *p)
{
        if (!p->stream) {
                peer_connect(p);
                return;
        }
        assert_ptr_equal(stream_owner(p->stream), p);
        unsigned action = pick(40);
        if (action == 0)
                peer_leave(p);
        else if (action < 14)
                peer_request(p, pick(TYPES));
        else
                peer_pull(p);
}

static void check_stall(struct peer *p)
{
        if (!stream_is_stalled(p->stream, m.now))
                return;
        assert_true(m.now >= p->progress + GRPC_STALL_WAIT);
        m.stalls++;
        peer_leave(p);
}

/* Answers what waits for an answer, naming what is named already. */
static void settle_request(struct peer *p, unsigned type)
{
        struct side *s = &p->sides[type];
        char *list[NAMES + 1];
        struct stream_request request = {.type = (enum resource_type)type, .names = list};
        for (unsigned n = 0; p->variant == STREAM_SOTW && n < NAMES; n++)
                if (s->explicit[n])
                        list[request.name_count++] = names[n];
        if (p->variant == STREAM_SOTW && s->wild && s->named)
                list[request.name_count++] = star;
        uint64_t nonce = answer_one(p, s);
        send_request(p, &request, nonce, false, STREAM_ACKS);
}

/* Everybody reads and acknowledges until nothing is left: then all have what the cache has. */
static void rest(struct peer *p)
{
        if (!cache_is_open(p->replica->cache))
                return;
        for (int rounds = 0; rounds < 4; rounds++) {
                while (peer_pull(p))
                        note_waiting(p);
                for (unsigned t = 0; t < TYPES; t++)
                        while (p->sides[t].unanswered_count)
                                settle_request(p, t);
        }
        assert_false(peer_pull(p));
        for (unsigned t = 0; t < TYPES; t++) {
                assert_false(has_changes(p, t) || has_removals(p, t));
                for (unsigned n = 0; n < NAMES; n++)
                        if (is_subscribed(&p->sides[t], n) && p->replica->visible[t][n])
                                assert_int_equal(p->sides[t].has[n], p->replica->visible[t][n]);
        }
        assert_true(stream_due(p->stream) == INT64_MAX);
}

static void begin_epoch(void)
{
        for (unsigned i = 0; i < CLIENTS; i++)
                if (m.peers[i].stream)
                        peer_leave(&m.peers[i]);
        for (unsigned i = 0; i < REPLICAS; i++) {
                cache_free(m.replicas[i].cache);
                m.replicas[i] = (struct replica){.cache = cache_new()};
        }
}

static void step(unsigned number)
{
        struct replica *r = &m.replicas[pick(REPLICAS)];
        unsigned action = pick(16);
        if (action < 3)
                replica_change(r);
        else
                peer_act(&m.peers[pick(CLIENTS)]);
        if (pick(200) == 0)
                m.now += pick(3) * STREAM_ORDER_WAIT / 2 + (pick(10) == 0 ? GRPC_STALL_WAIT : 0);
        if (!cache_is_open(r->cache) && pick(100) == 0) {
                replica_commit(r);
                cache_open(r->cache, m.now);
                for (unsigned i = 0; i < CLIENTS; i++)
                        if (m.peers[i].stream && m.peers[i].replica == r)
                                m.peers[i].progress = m.now;
        }
        for (unsigned i = 0; i < CLIENTS; i++) {
                struct peer *p = &m.peers[i];
                if (!p->stream)
                        continue;
                check_stall(p);
                if (p->stream && number % CALM == 0)
                        rest(p);
                if (p->stream)
                        note_waiting(p);
        }
        for (unsigned i = 0; number % CALM == 0 && i < REPLICAS; i++)
                while (stream_take_ready(m.replicas[i].cache))
                        ;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
        const char *text = getenv(variable);
        return text ? strtoull(text, NULL, 0) : otherwise;
}

static void stream__a_million_random_steps__agrees_with_the_model(void **state)
{
        (void)state;
        uint64_t seed = number_from("STREAM_SEED", (uint64_t)time(NULL));
        uint64_t steps = number_from("STREAM_STEPS", STEPS);
        print_message("STREAM_SEED=%llu\n", (unsigned long long)seed);
        m.random = ((seed + 1) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
        m.now = 1000 * DURATION_SECOND;
        for (unsigned t = 0; t < TYPES; t++)
                for (unsigned n = 0; n < NAMES; n++)
                        for (unsigned c = 1; c < CONTENTS; c++) {
                                char content = (char)('0' + (int)c);
                                resources[t][n][c] = resource_new((enum resource_type)t, names[n], &content, 1);
                        }
        for (uint64_t i = 0; i < steps; i++) {
                if (i % EPOCH == 0)
                        begin_epoch();
                step((unsigned)i);
        }
        print_message("%zu responses, %zu refused, %zu stalled\n", m.responses, m.refusals, m.stalls);
        assert_true(m.responses > steps / 20 && m.refusals > steps / 200 && (m.stalls || steps < STEPS));
        begin_epoch();
        for (unsigned i = 0; i < REPLICAS; i++)
                cache_free(m.replicas[i].cache);
        stream_response_done(&m.response);
        for (unsigned t = 0; t < TYPES; t++)
                for (unsigned n = 0; n < NAMES; n++)
                        for (unsigned c = 1; c < CONTENTS; c++)
                                resource_unref(resources[t][n][c]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(stream__a_million_random_steps__agrees_with_the_model),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
