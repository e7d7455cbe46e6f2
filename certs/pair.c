/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/pair.h"

#include <stdatomic.h>
#include <string.h>

struct shared {
        struct pair pair; /* first: a pair is its shared */
        atomic_uint refs;
};

static const char *copy(const char *p, size_t n)
{
        return n ? mem_strndup(p, n) : mem_strdup("");
}

struct pair *pair_new(const char *crt, size_t crt_len, const char *key, size_t key_len, const char *ca, size_t ca_len)
{
        struct shared *s = mem_zalloc(sizeof(*s));
        s->pair = (struct pair){
                .crt = copy(crt, crt_len),
                .crt_len = crt_len,
                .key = copy(key, key_len),
                .key_len = key_len,
                .ca = copy(ca, ca_len),
                .ca_len = ca_len,
        };
        atomic_init(&s->refs, 1);
        return &s->pair;
}

struct pair *pair_ref(struct pair *p)
{
        atomic_fetch_add_explicit(&((struct shared *)p)->refs, 1, memory_order_relaxed);
        return p;
}

void pair_unref(struct pair *p)
{
        struct shared *s = (struct shared *)p;
        if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
                return;
        mem_wipe((char *)p->key, p->key_len);
        mem_free((char *)p->crt);
        mem_free((char *)p->key);
        mem_free((char *)p->ca);
        mem_free(s);
}
