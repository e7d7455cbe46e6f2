/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_watch - hears of changes beside files: inotify on their folders.
 *
 * Kubelet renames a symlink in the folder, certgen --pem the files themselves: both are heard. It only says that
 * something happened, perhaps nothing of interest; look at the files then, and once in a while without it (a folder
 * that is renamed away is not followed).
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>

struct file_watch;

/* NULL where the machine has no inotify left: polling still works. */
struct file_watch *file_watch_new(void);
void file_watch_free(struct file_watch *w);
AUTO_DEFINE(file_watch)

/* Watches the folder of this file; NULL and folders that are not there are left out. */
void file_watch_add(struct file_watch *w, const char *path);
/* Readable when there is something to take. */
int file_watch_fd(const struct file_watch *w);
/* Takes all that has happened: was there anything? Does not block. */
bool file_watch_take(struct file_watch *w);
