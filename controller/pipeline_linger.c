/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline_linger - a Secret that is deleted stays for a minute while hosts use it, so that one which is deleted and
 * created again costs no connection and no status (rules.md, TLSSecretInvalid).
 */
#include "controller/pipeline_internal.h"

#include "base/time.h"

#include <utlist.h>

/* All of one length: the list is in order of their ends. */
struct linger {
        struct linger *next, *prev;
        int64_t until; /* monotonic */
        char *namespace, *name;
        char *key;
};

static void linger_free(struct linger *l)
{
        if (!l)
                return;
        mem_free(l->namespace);
        mem_free(l->name);
        mem_free(l->key);
        mem_free(l);
}

static void take_out(struct pipeline *p, struct linger *l)
{
        DL_DELETE(p->lingers, l);
        map_remove(p->lingers_by_key, l->key);
}

static void note_reader(struct store_reader *reader, void *arg)
{
        (void)reader;
        *(bool *)arg = true;
}

bool pipeline_lingers(const struct object *o, void *arg)
{
        struct pipeline *p = arg;
        bool is_read = false;
        if (o->kind == KIND_SECRET)
                store_readers(p->options.store, o->kind, o->namespace, o->name, note_reader, &is_read);
        if (!is_read)
                return false;
        struct linger *l = mem_zalloc(sizeof(*l));
        *l = (struct linger){
                .until = p->options.monotonic() + SECRET_LINGER,
                .namespace = mem_strdup(o->namespace),
                .name = mem_strdup(o->name),
                .key = mem_printf("%s/%s", o->namespace, o->name),
        };
        /* It has lingered before, and has come back since. */
        struct linger *before = map_get(p->lingers_by_key, l->key);
        if (before)
                take_out(p, before);
        linger_free(before);
        DL_APPEND(p->lingers, l);
        map_set(p->lingers_by_key, l->key, l);
        return true;
}

int64_t pipeline_linger_due(const struct pipeline *p)
{
        return p->lingers ? p->lingers->until : INT64_MAX;
}

void pipeline_expire(struct pipeline *p)
{
        pthread_rwlock_wrlock(p->options.lock);
        int64_t now = p->options.monotonic();
        for (struct linger *l; (l = p->lingers) && l->until <= now;) {
                take_out(p, l);
                store_expire(p->options.store, KIND_SECRET, l->namespace, l->name, &p->hooks);
                linger_free(l);
                if (p->options.monotonic() >= now + HOLD_MAX)
                        break;
        }
        pthread_rwlock_unlock(p->options.lock);
}

void pipeline_linger_done(struct pipeline *p)
{
        for (struct linger *l; (l = p->lingers);) {
                DL_DELETE(p->lingers, l);
                linger_free(l);
        }
        map_free(p->lingers_by_key);
}
