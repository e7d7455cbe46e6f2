/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_watch.h"

#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct file_watch {
        int fd;
};

struct file_watch *file_watch_new(void)
{
        int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (fd < 0)
                return NULL;
        struct file_watch *w = mem_zalloc(sizeof(*w));
        w->fd = fd;
        return w;
}

void file_watch_free(struct file_watch *w)
{
        if (!w)
                return;
        close(w->fd);
        mem_free(w);
}

void file_watch_add(struct file_watch *w, const char *path)
{
        if (!path)
                return;
        const char *slash = strrchr(path, '/');
        AUTO_STR *folder = !slash          ? mem_strdup(".")
                           : slash == path ? mem_strdup("/")
                                           : mem_strndup(path, (size_t)(slash - path));
        /* The same folder again is the same watch. */
        inotify_add_watch(w->fd, folder, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR);
}

int file_watch_fd(const struct file_watch *w)
{
        return w->fd;
}

bool file_watch_take(struct file_watch *w)
{
        char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
        bool any = false;
        while (read(w->fd, events, sizeof(events)) > 0)
                any = true;
        return any;
}
