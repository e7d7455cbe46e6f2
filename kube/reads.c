/* SPDX-License-Identifier: Apache-2.0 */
/* What a compile read, and what its reader depends on (store.h, "readers"). */
#include "kube/store_private.h"

#include <assert.h>
#include <string.h>

enum { FIRST_SLOTS = 64, TEXT_SIZE = 1024 };

/*
 * A filled node is kept as it is: only a change of the store can end it. An absent one may end with any of its
 * readers, so its address is copied.
 */
struct read {
        struct node *node; /* NULL: absent */
        struct address address;
};

struct reads {
        struct arena *text;
        struct read *items;
        uint32_t count, capacity;
        uint32_t *slots; /* item + 1 by hash, linear probing, at most half full; 0: free */
        uint32_t slot_count;
        const struct store *store;
        uint64_t generation; /* of the store when the first was read */
};

struct reads *reads_new(void)
{
        struct reads *r = mem_zalloc(sizeof(*r));
        r->text = arena_new(TEXT_SIZE);
        r->slot_count = FIRST_SLOTS;
        r->slots = mem_calloc(r->slot_count, sizeof(*r->slots));
        return r;
}

void reads_free(struct reads *r)
{
        if (!r)
                return;
        arena_free(r->text);
        mem_free(r->items);
        mem_free(r->slots);
        mem_free(r);
}

void reads_clear(struct reads *r)
{
        if (r->count)
                memset(r->slots, 0, r->slot_count * sizeof(*r->slots));
        r->count = 0;
        arena_reset(r->text);
}

static bool same_address(const struct address *a, const struct address *b)
{
        return a->hash == b->hash && a->space == b->space && strcmp(a->name, b->name) == 0 &&
               strcmp(a->namespace, b->namespace) == 0;
}

/* The slot of what is sought, or the free one where it belongs. */
static uint32_t *slot_of(const struct reads *r, const struct address *a, const struct node *n)
{
        for (uint32_t i = a->hash;; i++) {
                uint32_t *slot = &r->slots[i & (r->slot_count - 1)];
                if (*slot == 0)
                        return slot;
                const struct read *item = &r->items[*slot - 1];
                if (n ? item->node == n : !item->node && same_address(&item->address, a))
                        return slot;
        }
}

static void grow_slots(struct reads *r)
{
        mem_free(r->slots);
        r->slot_count *= 2;
        r->slots = mem_calloc(r->slot_count, sizeof(*r->slots));
        for (uint32_t i = 0; i < r->count; i++)
                *slot_of(r, &r->items[i].address, r->items[i].node) = i + 1;
}

void reads_add(struct reads *r, const struct store *s, const struct address *a, struct node *n)
{
        if (r->count == 0) {
                r->store = s;
                r->generation = s->generation;
        }
        assert(r->store == s && r->generation == s->generation);
        if (n && !node_is_filled(n))
                n = NULL;
        uint32_t *slot = slot_of(r, a, n);
        if (*slot)
                return;
        if (r->count == r->capacity) {
                r->capacity = r->capacity ? r->capacity * 2 : FIRST_SLOTS / 2;
                r->items = mem_resize(r->items, r->capacity, sizeof(*r->items));
        }
        r->items[r->count] = (struct read){.node = n, .address = *a};
        if (!n) {
                r->items[r->count].address.namespace = arena_strdup(r->text, a->namespace);
                r->items[r->count].address.name = arena_strdup(r->text, a->name);
        }
        *slot = ++r->count;
        if (r->count * 2 > r->slot_count)
                grow_slots(r);
}

/* ---- readers ---- */

static bool unchanged(const struct store *s, const struct store_reader *reader, const struct reads *r)
{
        if (reader->link_count != r->count)
                return false;
        for (uint32_t i = 0; i < r->count; i++) {
                const struct read *item = &r->items[i];
                const struct node *n = item->node ? item->node : index_find(&s->index, &item->address);
                if (reader->links[i].node != n)
                        return false;
        }
        return true;
}

static void link_to(struct store_link *l, struct node *n, struct store_reader *reader)
{
        *l = (struct store_link){.node = n, .reader = reader, .next = n->readers, .previous = &n->readers};
        if (l->next)
                l->next->previous = &l->next;
        n->readers = l;
}

static void unlink_all(struct store *s, struct store_link *links, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++) {
                struct store_link *l = &links[i];
                *l->previous = l->next;
                if (l->next)
                        l->next->previous = l->previous;
                if (!l->node->readers)
                        store_unread(s, l->node);
                index_drop_unused(&s->index, l->node);
        }
        mem_free(links);
}

void store_reader_set(struct store *s, struct store_reader *reader, const struct reads *r)
{
        uint32_t count = r ? r->count : 0;
        assert(count == 0 || (r->store == s && r->generation == s->generation));
        if (count && unchanged(s, reader, r))
                return;
        struct store_link *links = count ? mem_calloc(count, sizeof(*links)) : NULL;
        for (uint32_t i = 0; i < count; i++) {
                struct read *item = &r->items[i];
                link_to(&links[i], item->node ? item->node : index_need(&s->index, &item->address), reader);
        }
        /* The old ones go last: what both have lives on. */
        unlink_all(s, reader->links, reader->link_count);
        reader->links = links;
        reader->link_count = count;
}

void store_readers(const struct store *s, enum kind kind, const char *namespace, const char *name, store_dirty_fn *each,
                   void *arg)
{
        struct address a = address_of_key(kind, namespace, name);
        const struct node *n = index_find(&s->index, &a);
        for (const struct store_link *l = n ? n->readers : NULL; l; l = l->next)
                each(l->reader, arg);
}
