/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/folder.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct folder {
        char *path;
        int lock; /* the folder itself; -1 without */
};

struct place {
        enum rotation_kind kind;
        enum rotation_field field;
        const char *name;
        mode_t mode;
};

/* In the order of writing: a key before the certificate that makes it count. */
static const struct place places[] = {
        {ROTATION_AUTHORITY, ROTATION_KEY, "ca.key", 0600},
        {ROTATION_AUTHORITY, ROTATION_NEXT, "ca-next.key", 0600},
        {ROTATION_AUTHORITY, ROTATION_BUNDLE, "ca.crt", 0644},
        {ROTATION_AUTHORITY, ROTATION_SETTLED, "ca-settled", 0644},
        {ROTATION_LEAF, ROTATION_KEY, "tls.key", 0600},
        {ROTATION_LEAF, ROTATION_CRT, "tls.crt", 0644},
        {ROTATION_LEAF, ROTATION_BUNDLE, "ca.crt", 0644},
};

struct folder *folder_open(const char *path, bool read_only, struct err *e)
{
        if (!read_only && !file_make_dirs(path, e))
                return NULL;
        struct folder *f = mem_zalloc(sizeof(*f));
        f->path = mem_strdup(path);
        f->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->lock < 0 && read_only && errno == ENOENT)
                return f;
        if (f->lock < 0 || flock(f->lock, LOCK_EX) != 0) {
                err_set_errno(e, "%s", path);
                folder_free(f);
                return NULL;
        }
        return f;
}

void folder_free(struct folder *f)
{
        if (!f)
                return;
        if (f->lock >= 0)
                close(f->lock);
        mem_free(f->path);
        mem_free(f);
}

/* The authority's files lie in the folder, a leaf's in one of its own. */
static char *place_dir(const struct folder *f, const struct rotation_object *o)
{
        return o->kind == ROTATION_AUTHORITY ? mem_strdup(f->path) : file_join(f->path, o->name);
}

/* The content in *out, NULL where there is no such file. */
static bool read_place(const char *path, struct buf **out, struct err *e)
{
        *out = NULL;
        if (access(path, F_OK) != 0 && errno == ENOENT)
                return true;
        *out = file_read_secret(path, ROTATION_FIELD_MAX, e);
        return *out != NULL;
}

static bool read_object(const struct folder *f, struct rotation_object *o, struct err *e)
{
        AUTO_STR *dir = place_dir(f, o);
        for (size_t i = 0; i < COUNT_OF(places); i++) {
                if (places[i].kind != o->kind)
                        continue;
                AUTO_STR *path = file_join(dir, places[i].name);
                AUTO(buf) *content = NULL;
                if (!read_place(path, &content, e))
                        return false;
                if (!content)
                        continue;
                rotation_set(o, places[i].field, buf_data(content), buf_len(content));
                o->stored = true;
        }
        return true;
}

bool folder_read(struct folder *f, struct rotation *r, struct err *e)
{
        rotation_clear(r);
        size_t count;
        struct rotation_object *objects = rotation_objects(r, &count);
        for (size_t i = 0; i < count; i++) {
                if (!read_object(f, &objects[i], e))
                        return false;
        }
        return true;
}

static bool same(const struct buf *a, const struct buf *b)
{
        return a && b && buf_len(a) == buf_len(b) && memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0;
}

static bool write_place(const char *path, const struct buf *wanted, mode_t mode, struct err *e)
{
        AUTO(buf) *present = NULL;
        if (!read_place(path, &present, e))
                return false;
        if (same(present, wanted) || (!present && !wanted))
                return true;
        if (!wanted)
                return unlink(path) == 0 || err_set_errno(e, "%s", path);
        return file_write(path, buf_data(wanted), buf_len(wanted), mode, e);
}

bool folder_write(struct rotation_object *o, void *arg, struct err *e)
{
        const struct folder *f = arg;
        AUTO_STR *dir = place_dir(f, o);
        if (!file_make_dirs(dir, e))
                return false;
        for (size_t i = 0; i < COUNT_OF(places); i++) {
                if (places[i].kind != o->kind)
                        continue;
                AUTO_STR *path = file_join(dir, places[i].name);
                if (!write_place(path, o->fields[places[i].field], places[i].mode, e))
                        return false;
        }
        return true;
}
