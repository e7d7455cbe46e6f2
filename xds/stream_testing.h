/* SPDX-License-Identifier: Apache-2.0 */
/* stream_testing - a cache, streams on it and their responses as short texts, for the tests of stream. */
#pragma once

#include "xds/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CDS RESOURCE_CLUSTER
#define EDS RESOURCE_CLUSTER_LOAD_ASSIGNMENT
#define LDS RESOURCE_LISTENER
#define RDS RESOURCE_ROUTE_CONFIGURATION
#define SDS RESOURCE_SECRET

enum { CLIENTS = 8, TEXT = 4096 };

struct client {
        struct stream *stream;
        enum stream_variant variant;
        char nonces[RESOURCE_SERVED_TYPES][STREAM_NONCE_SIZE]; /* of the last response of that type */
        char versions[RESOURCE_SERVED_TYPES][RESOURCE_VERSION_LENGTH + 1];
};

struct fixture {
        struct cache *cache;
        int64_t now;
        struct client clients[CLIENTS];
        size_t count;
        struct stream_response response;
        struct stream_outcome outcome;
        char text[TEXT];
};

static inline void fixture_init(struct fixture *f)
{
        *f = (struct fixture){.cache = cache_new(), .now = 1000 * DURATION_SECOND};
}

static inline void fixture_done(struct fixture *f)
{
        for (size_t i = 0; i < f->count; i++)
                stream_free(f->clients[i].stream);
        stream_response_done(&f->response);
        cache_free(f->cache);
}

static inline void later(struct fixture *f, int64_t nanos)
{
        f->now += nanos;
}

/* ---- the cache ---- */

static inline void stage_cluster(struct fixture *f, const char *name, const char *content, const char *endpoints)
{
        struct resource *r = resource_new(CDS, name, content, strlen(content));
        cache_set(f->cache, r, endpoints);
        resource_unref(r);
}

static inline void stage(struct fixture *f, enum resource_type type, const char *name, const char *content)
{
        struct resource *r = resource_new(type, name, content, strlen(content));
        cache_set(f->cache, r, NULL);
        resource_unref(r);
}

static inline void commit(struct fixture *f)
{
        cache_commit(f->cache, f->now);
}

static inline void put(struct fixture *f, enum resource_type type, const char *name, const char *content)
{
        stage(f, type, name, content);
        commit(f);
}

static inline void drop(struct fixture *f, enum resource_type type, const char *name)
{
        cache_remove(f->cache, type, name);
        commit(f);
}

/* ---- clients ---- */

static inline struct client *client_add(struct fixture *f, enum stream_variant variant, struct stream *s)
{
        assert_true(f->count < CLIENTS);
        f->clients[f->count] = (struct client){.stream = s, .variant = variant};
        return &f->clients[f->count++];
}

static inline struct client *connect_ads(struct fixture *f, enum stream_variant variant)
{
        return client_add(f, variant, stream_new(f->cache, variant, NULL, f->now));
}

/* "a b" into names; the text is cut up in place. */
static inline size_t split(char *text, char **names, size_t max)
{
        size_t n = 0;
        for (char *save, *name = strtok_r(text, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
                assert_true(n < max);
                names[n++] = name;
        }
        return n;
}

struct ask {
        const char *names, *unsubscribe; /* "a b", NULL: none */
        const char *known;               /* "a=content b=content" */
        const char *nonce;               /* NULL: the last response's in SotW, none in Delta */
        const char *refused;
};

static inline const char *version_of(const char *content, char version[RESOURCE_VERSION_LENGTH + 1])
{
        struct resource *r = resource_new(SDS, "", content, strlen(content));
        memcpy(version, r->version, sizeof(r->version));
        resource_unref(r);
        return version;
}

static inline void ask(struct fixture *f, struct client *c, enum resource_type type, struct ask a)
{
        char texts[3][TEXT], *names[64], *unsubscribe[64], *pairs[64];
        snprintf(texts[0], TEXT, "%s", a.names ? a.names : "");
        snprintf(texts[1], TEXT, "%s", a.unsubscribe ? a.unsubscribe : "");
        snprintf(texts[2], TEXT, "%s", a.known ? a.known : "");
        struct stream_known known[64];
        char versions[64][RESOURCE_VERSION_LENGTH + 1];
        struct stream_request request = {
                .type = type,
                .nonce = a.nonce                     ? a.nonce
                         : c->variant == STREAM_SOTW ? c->nonces[type]
                                                     : "",
                .refused = a.refused,
                .names = names,
                .name_count = split(texts[0], names, 64),
                .unsubscribe = unsubscribe,
                .unsubscribe_count = split(texts[1], unsubscribe, 64),
                .known = known,
                .known_count = split(texts[2], pairs, 64),
        };
        for (size_t i = 0; i < request.known_count; i++) {
                char *content = strchr(pairs[i], '=');
                *content = '\0';
                known[i] = (struct stream_known){pairs[i], version_of(content + 1, versions[i])};
        }
        struct err e = {0};
        if (!stream_request(c->stream, &request, f->now, &f->outcome, &e))
                fail_msg("refused: %s", e.text);
}

/* A first request, or a change of names between responses. */
static inline void subscribe(struct fixture *f, struct client *c, enum resource_type type, const char *names)
{
        ask(f, c, type, (struct ask){.names = names});
}

/* In SotW an ACK repeats the names. */
static inline void ack(struct fixture *f, struct client *c, enum resource_type type, const char *names)
{
        ask(f, c, type, (struct ask){.names = c->variant == STREAM_SOTW ? names : NULL, .nonce = c->nonces[type]});
        assert_int_equal(f->outcome.reply, STREAM_ACKS);
}

static inline void nack(struct fixture *f, struct client *c, enum resource_type type, const char *names)
{
        const char *repeated = c->variant == STREAM_SOTW ? names : NULL;
        ask(f, c, type, (struct ask){.names = repeated, .nonce = c->nonces[type], .refused = "no"});
        assert_int_equal(f->outcome.reply, STREAM_NACKS);
}

static const char *const type_texts[RESOURCE_SERVED_TYPES] = {
        [CDS] = "CDS", [EDS] = "EDS", [LDS] = "LDS", [RDS] = "RDS", [SDS] = "SDS"};

/* The next response as "CDS a=1 b=2 -gone", "" when there is none. Its nonce is the client's last of that type. */
static inline const char *pull(struct fixture *f, struct client *c)
{
        struct stream_response *r = &f->response;
        f->text[0] = '\0';
        if (!stream_next(c->stream, f->now, r))
                return f->text;
        size_t n = (size_t)snprintf(f->text, TEXT, "%s", type_texts[r->type]);
        for (size_t i = 0; i < r->count && n < TEXT; i++)
                n += (size_t)snprintf(f->text + n, TEXT - n, " %s=%.*s", r->resources[i]->name,
                                      r->resources[i]->size > 16 ? 3 : (int)r->resources[i]->size,
                                      (const char *)r->resources[i]->bytes);
        for (size_t i = 0; i < r->removed_count && n < TEXT; i++)
                n += (size_t)snprintf(f->text + n, TEXT - n, " -%s", r->removed[i]);
        assert_true(n < TEXT);
        memcpy(c->nonces[r->type], r->nonce, sizeof(r->nonce));
        memcpy(c->versions[r->type], r->version, sizeof(r->version));
        return f->text;
}

#define expect(f, c, text) assert_string_equal(pull((f), (c)), (text))
#define expect_nothing(f, c) expect(f, c, "")

/* A test that gets a fixture f. */
#define TEST(name)                                                                                                     \
        static void name##_on(struct fixture *f);                                                                      \
        static void name(void **state)                                                                                 \
        {                                                                                                              \
                (void)state;                                                                                           \
                struct fixture f;                                                                                      \
                fixture_init(&f);                                                                                      \
                name##_on(&f);                                                                                         \
                fixture_done(&f);                                                                                      \
        }                                                                                                              \
        static void name##_on(struct fixture *f)

/* The first build is done, and a client connects. */
static inline struct client *open_ads(struct fixture *f, enum stream_variant variant)
{
        commit(f);
        cache_open(f->cache, f->now);
        return connect_ads(f, variant);
}
