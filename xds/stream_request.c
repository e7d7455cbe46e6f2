/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request means. Source: Envoy documentation, "xDS REST and gRPC protocol": "ACK/NACK and resource instance
 * versioning", "How the client specifies what resources to return", "Unsubscribing From Resources", "Incremental xDS".
 */
#include "xds/stream_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "For Listener and Cluster resource types": an empty request for others names nothing. */
static bool has_legacy_wildcard(const struct state *st)
{
        return st->type == RESOURCE_LISTENER || st->type == RESOURCE_CLUSTER;
}

/* ---- answers to our responses ---- */

/* The number of a response of ours, 0 when it is none. */
static uint64_t parse_nonce(const char *nonce)
{
        if (!nonce || !*nonce || strlen(nonce) >= STREAM_NONCE_SIZE)
                return 0;
        char *end;
        uint64_t number = strtoull(nonce, &end, 16);
        return *end ? 0 : number;
}

/* What was tracked in response number nonce; forgets it and older ones. */
static uint64_t take_tracked(struct state *st, uint64_t nonce)
{
        uint64_t mark = 0;
        size_t kept = 0;
        for (size_t i = 0; st->tracked && i < STATE_TRACKED_MAX && st->tracked[i].nonce; i++) {
                struct state_tracked entry = st->tracked[i];
                st->tracked[i].nonce = 0;
                if (entry.nonce == nonce)
                        mark = entry.mark;
                if (entry.nonce > nonce)
                        st->tracked[kept++] = entry;
        }
        return mark;
}

/* Envoy gives all of what it refuses, before or behind the reason: both ends are kept. */
static char *error_dup(const char *message)
{
        enum { HEAD = STREAM_ERROR_LENGTH_MAX / 4, TAIL = STREAM_ERROR_LENGTH_MAX - HEAD };
        size_t n = strlen(message);
        return n <= STREAM_ERROR_LENGTH_MAX ? mem_strdup(message)
                                            : mem_printf("%.*s ... %s", HEAD, message, message + n - TAIL);
}

static bool was_refused(const struct state *st, const struct subscription *sub)
{
        return sub->round == (uint16_t)st->answered_nonce && sub->queue == QUEUE_NONE && sub->sent &&
               sub->sent == sub->watch.name->mark;
}

static int by_name(const void *a, const void *b)
{
        const struct subscription *const *x = a;
        const struct subscription *const *y = b;
        return strcmp((*x)->watch.name->text, (*y)->watch.name->text);
}

/*
 * Envoy takes none of a response behind the first resource that it refuses (of listeners and clusters it does): they
 * are sent again in two parts, and so on, until the bad one is alone; that is not sent again.
 */
static void split_refused(struct state *st, struct stream_outcome *outcome)
{
        size_t n;
        struct subscription **refused = state_collect(st, was_refused, &n);
        if (n == 1)
                outcome->culprit = refused[0]->watch.name;
        if (n > 1) {
                qsort(refused, n, sizeof(struct subscription *), by_name);
                st->limit = (uint32_t)(n + 1) / 2;
                for (size_t i = 0; i < n; i++) {
                        refused[i]->forced = true;
                        state_update(st, refused[i]);
                }
        }
        mem_free(refused);
}

/* A NACK is error_detail alone; the version of a NACK says nothing (ibid., "ACK and NACK semantics summary"). */
static void note_reply(struct state *st, const struct stream_request *request, uint64_t nonce, int64_t now,
                       struct stream_outcome *outcome)
{
        if (!nonce || nonce > st->sent_nonce || nonce <= st->answered_nonce)
                return; /* says nothing new about a response */
        st->answered_nonce = nonce;
        st->stream->progress = now;
        outcome->reply = request->refused ? STREAM_NACKS : STREAM_ACKS;
        outcome->tracked = take_tracked(st, nonce);
        if (!request->refused)
                return;
        st->nacks++;
        mem_free(st->refused);
        st->refused = error_dup(request->refused);
        if (st->stream->variant == STREAM_DELTA && !has_legacy_wildcard(st))
                split_refused(st, outcome);
}

/* ---- names ---- */

static bool is_wildcard_name(const char *name)
{
        return strcmp(name, "*") == 0;
}

static bool check_name(const char *name, struct err *e)
{
        if (strnlen(name, STREAM_NAME_LENGTH_MAX + 1) > STREAM_NAME_LENGTH_MAX)
                return err_set(e, "a resource name is longer than %d bytes", STREAM_NAME_LENGTH_MAX);
        return true;
}

static bool check_names(const struct state *st, const struct stream_request *request, struct err *e)
{
        size_t have = st->stream->variant == STREAM_DELTA ? st->count : 0;
        if (request->name_count > STREAM_NAMES_MAX || request->known_count > STREAM_NAMES_MAX ||
            have + request->name_count > STREAM_NAMES_MAX)
                return err_set_code(e, ENOSPC, "more than %d resource names of type %s on one stream", STREAM_NAMES_MAX,
                                    resource_type_url(st->type));
        for (size_t i = 0; i < request->name_count; i++)
                if (!check_name(request->names[i], e))
                        return false;
        for (size_t i = 0; i < request->known_count; i++)
                if (!check_name(request->known[i].name, e))
                        return false;
        return true;
}

static void update_all(struct state *st)
{
        size_t n;
        struct cache_name *const *all = cache_list(st->stream->cache, st->type, &n);
        for (size_t i = 0; i < n; i++)
                state_update(st, state_subscribe_name(st, all[i]));
}

/* ---- Delta ---- */

static void delta_unsubscribe(struct state *st, const char *name)
{
        if (is_wildcard_name(name)) {
                state_wildcard_end(st);
                return;
        }
        struct subscription *sub = state_find_text(st, name);
        if (!sub || !sub->is_explicit)
                return; /* never subscribed: ignored */
        state_set_explicit(st, sub, false);
        if (!st->wildcard) {
                state_drop(st, sub);
                return;
        }
        /* The client cannot know whether the wildcard still names it: tell. */
        sub->forced = true;
        state_update(st, sub);
}

/* A wildcard that is there already names all again: each is answered. */
static void delta_wildcard(struct state *st)
{
        bool again = st->wildcard;
        state_wildcard_begin(st);
        st->answer = true;
        size_t n;
        struct cache_name *const *all = cache_list(st->stream->cache, st->type, &n);
        for (size_t k = 0; again && k < n; k++)
                state_subscribe_name(st, all[k])->forced = true;
}

/* Names (into named, NULL for "*") and wildcard, not yet queued: what the client has is not known yet. */
static void delta_subscribe(struct state *st, const struct stream_request *request, bool first,
                            struct subscription **named)
{
        bool wildcard = false; /* a request may be full of them */
        for (size_t i = 0; i < request->name_count; i++) {
                if (is_wildcard_name(request->names[i])) {
                        if (!wildcard)
                                delta_wildcard(st);
                        wildcard = true;
                        continue;
                }
                struct subscription *sub = state_subscribe(st, request->names[i]);
                state_set_explicit(st, sub, true);
                /* Only the first request may leave out what the client has (initial_resource_versions). */
                sub->forced = sub->forced || !first || !sub->watch.name->resource;
                named[i] = sub;
        }
}

static void delta_known(struct state *st, const struct stream_request *request, struct stream_outcome *outcome)
{
        for (size_t i = 0; i < request->known_count; i++) {
                const struct stream_known *known = &request->known[i];
                struct subscription *sub = state_find_text(st, known->name);
                if (!sub && st->wildcard) /* it is gone: the client is told */
                        sub = state_subscribe(st, known->name);
                if (!sub)
                        continue;
                state_set_sent(st, sub, cache_mark(known->version));
                if (sub->watch.name->tracked)
                        outcome->tracked = sub->sent;
                state_update(st, sub);
        }
}

static void delta_request(struct state *st, const struct stream_request *request, int64_t now,
                          struct stream_outcome *outcome)
{
        const bool first = !st->requested;
        st->requested = true;
        if (!first) /* the nonce of an earlier stream means nothing here */
                note_reply(st, request, parse_nonce(request->nonce), now, outcome);
        for (size_t i = 0; i < request->unsubscribe_count; i++)
                delta_unsubscribe(st, request->unsubscribe[i]);
        struct subscription **named = mem_calloc(request->name_count + 1, sizeof(*named)); /* explicit: they stay */
        delta_subscribe(st, request, first, named);
        if (first && !request->name_count && !request->unsubscribe_count && has_legacy_wildcard(st)) {
                state_wildcard_begin(st);
                st->answer = true;
        }
        if (first && request->known_count) {
                st->answer = false; /* it has something: no change, no frame */
                delta_known(st, request, outcome);
        }
        bool all = false;
        for (size_t i = 0; i < request->name_count; i++) {
                if (named[i])
                        state_update(st, named[i]);
                else if (!all)
                        update_all(st);
                all = all || !named[i];
        }
        mem_free(named);
        if (first && st->wildcard)
                update_all(st);
}

/* ---- State of the World ---- */

static bool is_not_named(const struct state *st, const struct subscription *sub)
{
        return sub->is_explicit && sub->round != st->round;
}

/* Takes the names of a request for all the names; whether that changes anything. */
static bool sotw_names(struct state *st, const struct stream_request *request)
{
        bool changed = false;
        uint32_t named = 0;
        st->round++;
        for (size_t i = 0; i < request->name_count; i++) {
                if (is_wildcard_name(request->names[i]))
                        continue;
                struct subscription *sub = state_subscribe(st, request->names[i]);
                if (!sub->is_explicit) {
                        changed = sub->forced = true; /* answered though it may have been sent before */
                        state_set_explicit(st, sub, true);
                        sub->round = (uint16_t)(st->round - 1);
                        state_update(st, sub);
                }
                named += sub->round != st->round;
                sub->round = st->round;
        }
        if (named == st->explicit_count)
                return changed;
        size_t n;
        struct subscription **gone = state_collect(st, is_not_named, &n);
        for (size_t i = 0; i < n; i++) {
                state_set_explicit(st, gone[i], false);
                if (st->wildcard)
                        state_update(st, gone[i]);
                else
                        state_drop(st, gone[i]);
        }
        mem_free(gone);
        return true;
}

static void sotw_request(struct state *st, const struct stream_request *request, int64_t now,
                         struct stream_outcome *outcome)
{
        const bool first = !st->requested;
        const uint64_t nonce = parse_nonce(request->nonce);
        if (st->sent_nonce && nonce != st->sent_nonce) {
                outcome->reply = STREAM_STALE;
                return;
        }
        note_reply(st, request, nonce, now, outcome);
        st->requested = true;
        st->named = st->named || request->name_count;
        bool wildcard = !st->named && has_legacy_wildcard(st);
        for (size_t i = 0; i < request->name_count; i++)
                wildcard = wildcard || is_wildcard_name(request->names[i]);
        const bool had_wildcard = st->wildcard;
        if (wildcard)
                state_wildcard_begin(st);
        bool changed = sotw_names(st, request) || first || wildcard != had_wildcard;
        if (wildcard && !had_wildcard)
                update_all(st);
        if (!wildcard)
                state_wildcard_end(st);
        if (!state_is_complete(st))
                return;
        st->answer = (st->answer || changed) && (wildcard || st->explicit_count);
        state_end_waits(st);
}

bool stream_request(struct stream *s, const struct stream_request *request, int64_t now, struct stream_outcome *outcome,
                    struct err *e)
{
        if ((unsigned)request->type >= RESOURCE_SERVED_TYPES || (s->only >= 0 && (int)request->type != s->only))
                return err_set(e, "this service has no resources of that type");
        *outcome = (struct stream_outcome){.reply = STREAM_ASKS};
        struct state *st = state_get(s, request->type);
        if (!check_names(st, request, e))
                return false;
        stream_touch(s, now);
        if (s->variant == STREAM_DELTA)
                delta_request(st, request, now, outcome);
        else
                sotw_request(st, request, now, outcome);
        return true;
}
