/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/list_page.h"

#include "base/json_arena.h"
#include "base/json_read.h"
#include "base/mem.h"

void list_page_done(struct list_page *page)
{
        mem_free(page->version);
        mem_free(page->next);
}

/* null, as Go writes an empty list, is an empty list. */
static bool is_whole_list(const struct skim *items)
{
        struct skim_walk w;
        struct skim key, value;
        if (items->size == 4 && items->text[0] == 'n')
                return true;
        if (!skim_begin(&w, items) || w.close != ']')
                return false;
        while (skim_next(&w, &key, &value))
                ;
        return w.ended;
}

static bool read_metadata(struct list_page *page, const struct skim *list, struct err *e)
{
        struct skim metadata, value;
        if (!skim_member(list, "metadata", &metadata))
                return err_set(e, "the list has no metadata");
        if (skim_member(&metadata, "resourceVersion", &value))
                page->version = skim_string(&value);
        if (!page->version || !page->version[0])
                return err_set(e, "the list has no resourceVersion");
        if (!skim_member(&metadata, "continue", &value))
                return true;
        page->next = skim_string(&value);
        if (!page->next)
                return err_set(e, "the list's continue token cannot be read");
        if (!page->next[0])
                mem_free(mem_take(&page->next));
        return true;
}

bool list_page_read(struct list_page *out, const char *text, size_t n, struct err *e)
{
        bool rest_is_blank;
        struct skim list = skim_value(text, n, &rest_is_blank), kind;
        *out = (struct list_page){0};
        if (!list.whole || !rest_is_blank || !skim_member(&list, "kind", &kind))
                return err_set(e, "the answer is no Kubernetes list");
        AUTO_STR *name = skim_string(&kind);
        if (!name || !str_has_suffix(name, "List"))
                return err_set(e, "the answer is no Kubernetes list but a %.100s", name ? name : "riddle");
        if (!skim_member(&list, "items", &out->items) || !is_whole_list(&out->items))
                return err_set(e, "the list's items cannot be told apart");
        return read_metadata(out, &list, e);
}

static void read_item(const struct skim *item, void (*on_object)(json_t *object, void *arg),
                      void (*on_bad)(const char *name, const char *why, void *arg), void *arg)
{
        struct err e = {0};
        AUTO_JSON *object = json_read(item->text, item->size, &e);
        if (json_is_object(object)) {
                on_object(object, arg);
                return;
        }
        AUTO_STR *name = skim_object_name(item);
        on_bad(name, object ? "no JSON object" : e.text, arg);
}

void list_page_each(const struct list_page *page, void (*on_object)(json_t *object, void *arg),
                    void (*on_bad)(const char *name, const char *why, void *arg), void *arg)
{
        struct skim_walk w;
        struct skim key, item;
        if (!skim_begin(&w, &page->items))
                return;
        while (skim_next(&w, &key, &item)) {
                /* Hundreds of small pieces between what lives on would leave the heap full of holes. */
                json_arena_begin();
                read_item(&item, on_object, on_bad, arg);
                json_arena_end();
        }
}
