/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/keypair.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "certs/inspect.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { FILE_CRT, FILE_KEY, FILE_CA, FILE_COUNT };

struct stamps {
        struct file_stamp file[FILE_COUNT];
};

struct ends {
        int64_t crt, ca; /* microseconds since 1970; ca 0: there is none */
};

struct keypair {
        char *name;
        char *path[FILE_COUNT]; /* [FILE_CA] NULL where none is wanted */
        struct stamps seen;     /* of what was last judged */
        bool refused;           /* it was found wanting: look again, dates may begin to hold */
        pthread_mutex_t lock;   /* for what follows; held for a copy only */
        struct pair *pair;
        struct ends ends; /* of the pair */
        char problem[ERR_TEXT_MAX];
};

static struct stamps stamps_get(const struct keypair *k)
{
        struct stamps s = {0};
        for (int i = 0; i < FILE_COUNT; i++) {
                if (k->path[i])
                        s.file[i] = file_stamp_get(k->path[i]);
        }
        return s;
}

static bool stamps_equal(const struct stamps *a, const struct stamps *b)
{
        for (int i = 0; i < FILE_COUNT; i++) {
                if (!file_stamp_equal(&a->file[i], &b->file[i]))
                        return false;
        }
        return true;
}

static bool check_dates(const struct inspect_facts *facts, int64_t now, struct err *e)
{
        char text[TIME_TEXT_MAX];
        if (now >= facts->not_after) {
                time_format_seconds(facts->not_after, text);
                return err_set(e, "expired at %s", text);
        }
        time_format_seconds(facts->not_before, text);
        return now >= facts->not_before || err_set(e, "not valid before %s", text);
}

/* When nobody can be verified by the bundle any more. */
static bool check_bundle(struct arena *a, const struct buf *ca, int64_t *end, struct err *e)
{
        struct inspect_cert *certs;
        size_t count;
        const char *problem;
        if (!inspect_bundle(a, buf_data(ca), buf_len(ca), &certs, &count, &problem))
                return err_set(e, "%s", problem);
        for (size_t i = 0; i < count; i++) {
                if (certs[i].not_after > *end)
                        *end = certs[i].not_after;
        }
        return true;
}

static bool check(const struct keypair *k, const struct buf *crt, const struct buf *key, const struct buf *ca,
                  int64_t now, struct ends *ends, struct err *e)
{
        AUTO(arena) *a = arena_new(1024);
        struct inspect_facts facts;
        inspect_pair(a, buf_data(crt), buf_len(crt), buf_data(key), buf_len(key), &facts);
        if (!facts.ok)
                return err_set(e, "%s, %s: %s", k->path[FILE_CRT], k->path[FILE_KEY], facts.problem);
        if (!check_dates(&facts, now, e))
                return err_wrap(e, "%s", k->path[FILE_CRT]);
        ends->crt = facts.not_after;
        return !ca || check_bundle(a, ca, &ends->ca, e) || err_wrap(e, "%s", k->path[FILE_CA]);
}

static struct pair *load(const struct keypair *k, int64_t now, struct ends *ends, struct err *e)
{
        AUTO(buf) *crt = file_read(k->path[FILE_CRT], INSPECT_CHAIN_BYTES_MAX, e);
        AUTO(buf) *key = crt ? file_read_secret(k->path[FILE_KEY], INSPECT_KEY_BYTES_MAX, e) : NULL;
        AUTO(buf) *ca = key && k->path[FILE_CA] ? file_read(k->path[FILE_CA], INSPECT_BUNDLE_BYTES_MAX, e) : NULL;
        if (!key || (k->path[FILE_CA] && !ca) || !check(k, crt, key, ca, now, ends, e))
                return NULL;
        return pair_new(buf_data(crt), buf_len(crt), buf_data(key), buf_len(key), ca ? buf_data(ca) : NULL,
                        ca ? buf_len(ca) : 0);
}

static void use(struct keypair *k, struct pair *pair, struct ends ends)
{
        pthread_mutex_lock(&k->lock);
        struct pair *old = k->pair;
        k->pair = pair;
        k->ends = ends;
        k->problem[0] = '\0';
        pthread_mutex_unlock(&k->lock);
        pair_unref(old);
}

/* Says it once, not at every look. */
static void refuse(struct keypair *k, const struct err *e)
{
        pthread_mutex_lock(&k->lock);
        bool news = strcmp(k->problem, e->text) != 0;
        snprintf(k->problem, sizeof(k->problem), "%s", e->text);
        pthread_mutex_unlock(&k->lock);
        if (news)
                log_warn("changed certificate files cannot be used: the old ones stay", "name", k->name, "problem",
                         e->text, NULL);
}

struct keypair *keypair_new(const struct keypair_files *files, int64_t now, struct err *e)
{
        AUTO(keypair) *k = mem_zalloc(sizeof(*k));
        pthread_mutex_init(&k->lock, NULL);
        k->name = mem_strdup(files->name);
        k->path[FILE_CRT] = mem_strdup(files->crt);
        k->path[FILE_KEY] = mem_strdup(files->key);
        k->path[FILE_CA] = mem_strdup(files->ca);
        k->seen = stamps_get(k);
        k->pair = load(k, now, &k->ends, e);
        return k->pair ? mem_take(&k) : NULL;
}

void keypair_free(struct keypair *k)
{
        if (!k)
                return;
        pair_unref(k->pair);
        for (int i = 0; i < FILE_COUNT; i++)
                mem_free(k->path[i]);
        mem_free(k->name);
        pthread_mutex_destroy(&k->lock);
        mem_free(k);
}

bool keypair_poll(struct keypair *k, int64_t now)
{
        struct stamps before = stamps_get(k);
        if (stamps_equal(&before, &k->seen) && !k->refused)
                return false;
        struct err e = {0};
        struct ends ends = {0};
        struct pair *pair = load(k, now, &ends, &e);
        struct stamps after = stamps_get(k);
        if (!stamps_equal(&before, &after)) {
                /* Swapped under our eyes: the next look finds all of it in place. */
                pair_unref(pair);
                return false;
        }
        k->seen = before;
        k->refused = !pair;
        if (!pair) {
                refuse(k, &e);
                return false;
        }
        use(k, pair, ends);
        log_info("certificate files reloaded", "name", k->name, NULL);
        return true;
}

struct pair *keypair_get(struct keypair *k)
{
        pthread_mutex_lock(&k->lock);
        struct pair *p = pair_ref(k->pair);
        pthread_mutex_unlock(&k->lock);
        return p;
}

static struct ends get_ends(struct keypair *k)
{
        pthread_mutex_lock(&k->lock);
        struct ends ends = k->ends;
        pthread_mutex_unlock(&k->lock);
        return ends;
}

int64_t keypair_not_after(struct keypair *k)
{
        return get_ends(k).crt;
}

int64_t keypair_ca_not_after(struct keypair *k)
{
        return get_ends(k).ca;
}

void keypair_problem(struct keypair *k, char text[ERR_TEXT_MAX])
{
        pthread_mutex_lock(&k->lock);
        memcpy(text, k->problem, ERR_TEXT_MAX);
        pthread_mutex_unlock(&k->lock);
}
