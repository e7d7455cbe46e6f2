/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lint_load.h"

#include "base/file.h"
#include "base/map.h"
#include "base/time.h"
#include "base/yaml.h"
#include "cmd/inspector.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct source {
        struct lint_load *load;
        const char *file;
};

__attribute__((format(printf, 2, 3))) static void complain(struct lint_load *l, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        AUTO(arena) *a = arena_new(256);
        fprintf(stderr, "gatehouse lint: %s\n", arena_vprintf(a, format, ap));
        va_end(ap);
        l->problems++;
}

/* ---- objects ---- */

static void note_place(struct lint_load *l, const struct object *o, const char *file, unsigned line)
{
        AUTO_STR *key = mem_printf("%s/%s/%s", kind_info(o->kind)->name, o->namespace, o->name);
        /* The index, not the place itself: the array moves when it grows. One more, for a value is never NULL. */
        size_t before = (size_t)(uintptr_t)map_set(l->by_key, key, (void *)(uintptr_t)(l->count + 1));
        if (before) {
                struct lint_place *old = &l->places[before - 1];
                old->replaced = true;
                complain(l, "%s:%u: %s %s/%s is given again: the one at %s:%u does not count", file, line,
                         kind_info(o->kind)->name, o->namespace, o->name, old->file, old->line);
        }
        struct lint_place *place = arena_push(l->arena, &l->places, &l->count);
        *place = (struct lint_place){
                .kind = o->kind,
                .namespace = arena_strdup(l->arena, o->namespace),
                .name = arena_strdup(l->arena, o->name),
                .file = file,
                .line = line,
        };
}

/* A name that the API server would make: the object is judged all the same. */
static void complete_name(json_t *json)
{
        json_t *meta = json_object_get(json, "metadata");
        const json_t *prefix = json_object_get(meta, "generateName");
        if (!json_object_get(meta, "name") && json_is_string(prefix))
                json_object_set_new(meta, "name", json_sprintf("%sxxxxx", json_string_value(prefix)));
}

static void load_object(const struct source *s, json_t *json, unsigned line)
{
        struct lint_load *l = s->load;
        const char *version = json_string_value(json_object_get(json, "apiVersion"));
        const char *name = json_string_value(json_object_get(json, "kind"));
        if (!version || !name) {
                complain(l, "%s:%u: no Kubernetes object: apiVersion or kind is missing", s->file, line);
                return;
        }
        const char *slash = strchr(version, '/');
        AUTO_STR *group = mem_strndup(version, slash ? (size_t)(slash - version) : 0);
        enum kind kind;
        if (!kind_find(group, name, &kind))
                return;
        complete_name(json);
        struct object_options options = {
                .inspector = &inspector, .report_unknown = true, .default_namespace = l->default_namespace};
        struct err e = {0};
        struct object *o = object_decode(kind, json, &options, &e);
        if (!o) {
                complain(l, "%s:%u: %s: %s", s->file, line, name, e.text);
                return;
        }
        note_place(l, o, s->file, line);
        /* Age decides who owns a name: what stands first counts as older. */
        o->created = (int64_t)l->count * TIME_MICROS_PER_SECOND;
        o->resource_version = arena_printf(o->arena, "%zu", l->count);
        l->put(o, l->arg);
}

static bool is_list(const json_t *json)
{
        const char *kind = json_string_value(json_object_get(json, "kind"));
        return kind && str_has_suffix(kind, "List") && json_is_array(json_object_get(json, "items"));
}

/* Items of an IngressRouteList need not repeat what they are. */
static void complete_item(const json_t *list, json_t *item)
{
        const char *kind = json_string_value(json_object_get(list, "kind"));
        size_t n = strlen(kind) - strlen("List");
        if (!n || json_object_get(item, "kind"))
                return;
        json_object_set_new(item, "kind", json_stringn(kind, n));
        json_object_set(item, "apiVersion", json_object_get(list, "apiVersion"));
}

static bool load_document(const struct yaml_document *d, void *arg)
{
        struct source *s = arg;
        if (!is_list(d->value)) {
                load_object(s, d->value, d->line);
                return true;
        }
        size_t i;
        json_t *item;
        json_array_foreach (json_object_get(d->value, "items"), i, item) {
                complete_item(d->value, item);
                load_object(s, item, i < d->item_count ? d->item_lines[i] : d->line);
        }
        return true;
}

/* ---- files ---- */

static void load_text(struct lint_load *l, const char *file, const struct buf *text)
{
        struct source source = {l, arena_strdup(l->arena, file)};
        struct err e = {0};
        if (!yaml_read(buf_data(text), buf_len(text), load_document, &source, &e))
                complain(l, "%s: %s", file, e.text);
}

static void load_stdin(struct lint_load *l)
{
        AUTO(buf) *text = buf_new(LINT_FILE_MAX);
        char piece[65536];
        size_t n;
        while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
                buf_append(text, piece, n);
        if (buf_full(text) || ferror(stdin))
                complain(l, "stdin: cannot be read, or larger than %d bytes", LINT_FILE_MAX);
        else
                load_text(l, "stdin", text);
}

static void load_file(struct lint_load *l, const char *path)
{
        struct err e = {0};
        AUTO(buf) *text = file_read(path, LINT_FILE_MAX, &e);
        if (text)
                load_text(l, path, text);
        else
                complain(l, "%s", e.text);
}

static int is_wanted(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static bool is_manifest(const char *name)
{
        return str_has_suffix(name, ".yaml") || str_has_suffix(name, ".yml") || str_has_suffix(name, ".json");
}

static bool is_folder(const char *path)
{
        struct stat st;
        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The number of manifests found. */
static size_t load_folder(struct lint_load *l, const char *path, unsigned depth)
{
        size_t found = 0;
        struct dirent **entries;
        int n = depth > LINT_DEPTH_MAX ? -1 : scandir(path, &entries, is_wanted, alphasort);
        if (n < 0) {
                complain(l, "%s: the folder cannot be read, or folders are nested too deeply", path);
                return 1; /* said already that something is wrong with it */
        }
        for (int i = 0; i < n; i++) {
                AUTO_STR *child = file_join(path, entries[i]->d_name);
                if (is_folder(child)) {
                        found += load_folder(l, child, depth + 1);
                } else if (is_manifest(child)) {
                        found++;
                        load_file(l, child);
                }
                free(entries[i]);
        }
        free(entries);
        return found;
}

void lint_load_path(struct lint_load *l, const char *path)
{
        if (str_equal(path, "-"))
                load_stdin(l);
        else if (!is_folder(path))
                load_file(l, path);
        else if (!load_folder(l, path, 1)) /* a path that is wrong must not look like manifests that are fine */
                complain(l, "%s: there is no manifest in it (.yaml, .yml, .json)", path);
}
