/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/list_page.h"

#include "base/json_arena.h"
#include "base/json_read.h"
#include "base/mem.h"

#include <string.h>

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

static bool read_metadata(struct list_page *page, const struct skim *metadata, struct err *e)
{
        struct skim value;
        if (skim_member(metadata, "resourceVersion", &value))
                page->version = skim_string(&value);
        if (!page->version || !page->version[0])
                return err_set(e, "the list has no resourceVersion");
        if (!skim_member(metadata, "continue", &value))
                return true;
        page->next = skim_string(&value);
        if (!page->next)
                return err_set(e, "the list's continue token cannot be read");
        if (!page->next[0])
                mem_free(mem_take(&page->next));
        return true;
}

/* Fills what is there of n members in one walk: a page is large. False when text is no whole object. */
static bool find_members(const char *text, size_t n, const char *const *keys, struct skim *values, size_t count)
{
        struct skim all = skim_text(text, n), key, value;
        struct skim_walk w;
        if (!skim_begin(&w, &all) || w.close != '}')
                return false;
        while (skim_next(&w, &key, &value)) {
                for (size_t i = 0; i < count; i++) {
                        size_t length = strlen(keys[i]);
                        if (!values[i].size && key.size == length + 2 && memcmp(key.text + 1, keys[i], length) == 0)
                                values[i] = value;
                }
        }
        return skim_rest_is_blank(&w);
}

bool list_page_read(struct list_page *out, const char *text, size_t n, struct err *e)
{
        static const char *const keys[] = {"kind", "items", "metadata"};
        struct skim values[COUNT_OF(keys)] = {0};
        *out = (struct list_page){0};
        if (!find_members(text, n, keys, values, COUNT_OF(keys)))
                return err_set(e, "the answer is no Kubernetes list");
        AUTO_STR *kind = skim_string(&values[0]);
        if (!kind || !str_has_suffix(kind, "List"))
                return err_set(e, "the answer is no Kubernetes list but a %.100s", kind ? kind : "riddle");
        out->items = values[1];
        if (!is_whole_list(&out->items))
                return err_set(e, "the list's items cannot be told apart");
        return read_metadata(out, &values[2], e);
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
