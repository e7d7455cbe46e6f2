/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/envoy_admin.h"

#include "cmd/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20 }; /* one short line a listener and worker */

/* The answer to a request that Envoy grants. */
static struct buf *ask(const char *socket_path, const char *path, bool post, struct err *e)
{
        AUTO_STR *url = mem_printf("http://localhost%s", path);
        long status = 0;
        AUTO(buf) *answer = fetch(&(struct fetch){url, socket_path, post, ANSWER_MAX}, &status, e);
        if (!answer)
                err_wrap(e, "Envoy's admin interface on %s", socket_path);
        else if (status != 200)
                err_set(e, "Envoy's admin interface on %s answers %ld to %s", socket_path, status, path);
        else
                return mem_take(&answer);
        return NULL;
}

bool envoy_admin_fail_health(const char *socket_path, struct err *e)
{
        AUTO(buf) *answer = ask(socket_path, "/healthcheck/fail", true, e);
        return answer != NULL;
}

/* "listener.0.0.0.0_8080.downstream_cx_active" counts; "...worker_1.downstream_cx_active" is a part of it. */
static bool counts(const char *name, size_t n, uint16_t stats_port)
{
        static const char suffix[] = ".downstream_cx_active";
        AUTO_STR *text = mem_strndup(name, n);
        AUTO_STR *stats = mem_printf("_%u%s", (unsigned)stats_port, suffix);
        return str_has_prefix(text, "listener.") && str_has_suffix(text, suffix) && !strstr(text, ".worker_") &&
               !str_has_prefix(text, "listener.admin.") && !str_has_suffix(text, stats);
}

bool envoy_admin_count(const char *stats, uint16_t stats_port, size_t *open, struct err *e)
{
        size_t sum = 0;
        for (const char *line = stats; *line;) {
                size_t n = strcspn(line, "\n");
                const char *colon = memchr(line, ':', n);
                if (colon && counts(line, (size_t)(colon - line), stats_port)) {
                        char *end;
                        errno = 0;
                        unsigned long value = strtoul(colon + 1, &end, 10);
                        if (errno || end == colon + 1 || end != line + n)
                                return err_set(e, "Envoy's statistics are not to be understood: %.100s", line);
                        sum += value;
                }
                line += n + (line[n] == '\n');
        }
        *open = sum;
        return true;
}

bool envoy_admin_open_connections(const char *socket_path, uint16_t stats_port, size_t *open, struct err *e)
{
        AUTO(buf) *stats = ask(socket_path, "/stats?filter=downstream_cx_active", false, e);
        return stats && envoy_admin_count(buf_data(stats), stats_port, open, e);
}
