/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file - whole files with a limit, safe replacement, and notice of change.
 *
 * Reading refuses what is larger than the caller's maximum. Writing goes to a new file that is renamed over the old
 * one, so a reader sees the old or the new content. A watch sees kubelet's swap of the "..data" symlink as a change.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* The content, or NULL with an error that names the path. */
struct buf *file_read(const char *path, size_t max, struct err *e);
/* The same in a buffer that wipes itself, for keys and tokens. */
struct buf *file_read_secret(const char *path, size_t max, struct err *e);

/* Replaces path by n bytes at p with the given mode (0600 for keys), synced to disk before it shows. */
bool file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *e);

/* Creates path and what is missing above it; existing directories are fine. */
bool file_make_dirs(const char *path, struct err *e);

/* "<dir>/<name>" for mem_free(); a slash that dir ends with is the one. */
char *file_join(const char *dir, const char *name) __attribute__((returns_nonnull));

/*
 * What decides whether a path's content is a new one: follows symlinks, so a swapped symlink changes it. All zero for
 * a path that cannot be looked at. Poll it: secrets appear within kubelet's sync period anyway.
 */
struct file_stamp {
        uint64_t device, inode;
        int64_t modified, changed; /* nanoseconds */
        int64_t size;
};
struct file_stamp file_stamp_get(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);
