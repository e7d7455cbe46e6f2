/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 16 * 1024 };

/* A descriptor closed when its scope ends. */
static void close_auto(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}
#define AUTO_FD __attribute__((cleanup(close_auto))) int

static bool read_all(int fd, const char *path, struct buf *b, size_t max, struct err *e)
{
        char step[READ_STEP];
        bool fine = true;
        while (fine) {
                ssize_t n = read(fd, step, sizeof(step));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        fine = err_set_errno(e, "cannot read %s", path);
                else if (n == 0)
                        break;
                else if (!buf_append(b, step, (size_t)n))
                        fine = err_set(e, "%s is larger than the %zu bytes allowed", path, max);
        }
        mem_wipe(step, sizeof(step));
        return fine;
}

static struct buf *read_file(const char *path, size_t max, bool secret, struct err *e)
{
        AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                err_set_errno(e, "cannot open %s", path);
                return NULL;
        }
        AUTO(buf) *b = buf_new(max);
        if (secret)
                buf_set_secret(b);
        return read_all(fd, path, b, max, e) ? mem_take(&b) : NULL;
}

struct buf *file_read(const char *path, size_t max, struct err *e)
{
        return read_file(path, max, false, e);
}

struct buf *file_read_secret(const char *path, size_t max, struct err *e)
{
        return read_file(path, max, true, e);
}

static bool write_all(int fd, const char *p, size_t n)
{
        while (n) {
                ssize_t w = write(fd, p, n);
                if (w < 0 && errno == EINTR)
                        continue;
                if (w < 0)
                        return false;
                p += w;
                n -= (size_t)w;
        }
        return true;
}

bool file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
        AUTO_STR *temporary = mem_printf("%s.XXXXXX", path);
        AUTO_FD fd = mkostemp(temporary, O_CLOEXEC); /* created with mode 0600 */
        if (fd < 0)
                return err_set_errno(e, "cannot create %s", temporary);
        if (!write_all(fd, p, n) || fchmod(fd, mode) || fsync(fd) || rename(temporary, path)) {
                err_set_errno(e, "cannot write %s", path);
                unlink(temporary);
                return false;
        }
        return true;
}

/* EEXIST is also said of what is no directory. */
static bool make_dir(const char *path)
{
        if (mkdir(path, 0755) == 0)
                return true;
        struct stat st;
        if (errno != EEXIST || stat(path, &st))
                return false;
        errno = ENOTDIR;
        return S_ISDIR(st.st_mode);
}

bool file_make_dirs(const char *path, struct err *e)
{
        if (!*path)
                return err_set(e, "the name of a directory is empty");
        AUTO_STR *partial = mem_strdup(path);
        for (char *p = partial + 1;; p++) {
                if (*p && *p != '/')
                        continue;
                char end = *p;
                *p = '\0';
                if (!make_dir(partial))
                        return err_set_errno(e, "cannot create directory %s", partial);
                if (!end)
                        return true;
                *p = end;
        }
}

char *file_join(const char *dir, const char *name)
{
        return mem_printf(str_has_suffix(dir, "/") ? "%s%s" : "%s/%s", dir, name);
}

struct file_stamp file_stamp_get(const char *path)
{
        struct stat st;
        if (stat(path, &st))
                return (struct file_stamp){0};
        return (struct file_stamp){
                .device = st.st_dev,
                .inode = st.st_ino,
                .modified = (int64_t)st.st_mtim.tv_sec * DURATION_SECOND + st.st_mtim.tv_nsec,
                .changed = (int64_t)st.st_ctim.tv_sec * DURATION_SECOND + st.st_ctim.tv_nsec,
                .size = st.st_size,
        };
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
        return a->device == b->device && a->inode == b->inode && a->modified == b->modified &&
               a->changed == b->changed && a->size == b->size;
}
