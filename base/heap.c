/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <assert.h>

void heap_done(struct heap *h)
{
        mem_free(h->nodes);
        *h = (struct heap){0};
}

static void place(struct heap *h, struct heap_node *node, size_t i)
{
        h->nodes[i] = node;
        node->place = i + 1;
}

static void rise(struct heap *h, struct heap_node *node, size_t i)
{
        while (i && h->nodes[(i - 1) / 2]->key > node->key) {
                place(h, h->nodes[(i - 1) / 2], i);
                i = (i - 1) / 2;
        }
        place(h, node, i);
}

static void sink(struct heap *h, struct heap_node *node, size_t i)
{
        for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
                if (child + 1 < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
                        child++;
                if (h->nodes[child]->key >= node->key)
                        break;
                place(h, h->nodes[child], i);
        }
        place(h, node, i);
}

static void settle(struct heap *h, struct heap_node *node, size_t i)
{
        if (i && h->nodes[(i - 1) / 2]->key > node->key)
                rise(h, node, i);
        else
                sink(h, node, i);
}

void heap_set(struct heap *h, struct heap_node *node, int64_t key)
{
        node->key = key;
        if (node->place) {
                assert(h->nodes[node->place - 1] == node);
                settle(h, node, node->place - 1);
                return;
        }
        if (h->count == h->room) {
                h->room = h->room ? h->room * 2 : 16;
                h->nodes = mem_resize(h->nodes, h->room, sizeof(struct heap_node *));
        }
        rise(h, node, h->count++);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
        if (!node->place)
                return;
        size_t i = node->place - 1;
        assert(h->nodes[i] == node);
        node->place = 0;
        struct heap_node *last = h->nodes[--h->count];
        if (last != node)
                settle(h, last, i);
}

struct heap_node *heap_first(const struct heap *h)
{
        return h->count ? h->nodes[0] : NULL;
}
