/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap - writes what Envoy starts with (operations.md, "Commands"). */
#include "base/file.h"
#include "cmd/bootstrap_config.h"
#include "cmd/commands.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MODE = 0644 }; /* no secret in them; Envoy may run as somebody else */

static int fail(const struct err *e)
{
        fprintf(stderr, "gatehouse bootstrap: %s\n", e->text);
        return 1;
}

/* Envoy may start in another folder than this one. NULL stays NULL. */
static const char *absolute(struct arena *a, const char *path)
{
        char here[PATH_MAX];
        if (!path || path[0] == '/')
                return path;
        return arena_printf(a, "%s/%s", getcwd(here, sizeof(here)) ? here : ".", path);
}

static const char *host_name(struct arena *a)
{
        char name[HOST_NAME_MAX + 1];
        return gethostname(name, sizeof(name)) == 0 ? arena_strdup(a, name) : "envoy";
}

static struct xds_client_options complete_client(const struct options *o)
{
        struct xds_client_options x = o->xds_client;
        x.ca_file = absolute(o->arena, x.ca_file);
        x.cert_file = absolute(o->arena, x.cert_file);
        x.key_file = absolute(o->arena, x.key_file);
        return x;
}

static struct bootstrap_options complete(const struct options *o)
{
        struct bootstrap_options b = o->bootstrap;
        if (!b.resources_dir) {
                const char *file = absolute(o->arena, o->arguments.items[0]);
                b.resources_dir = arena_strndup(o->arena, file, (size_t)(strrchr(file, '/') - file));
        }
        b.resources_dir = absolute(o->arena, b.resources_dir);
        if (!b.node_id)
                b.node_id = host_name(o->arena);
        return b;
}

/* Envoy would start without them, and say for ever that it cannot reach the server. */
static bool check_files(const struct xds_client_options *x, struct err *e)
{
        const char *const paths[] = {x->ca_file, x->cert_file, x->key_file};
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
                assert(paths[i]); /* the options say so */
                if (access(paths[i], R_OK) != 0)
                        return err_set_errno(e, "%s (gatehouse certgen makes it)", paths[i]);
        }
        return true;
}

static bool write_resource(const char *dir, const char *name, const struct buf *text, struct err *e)
{
        AUTO_STR *path = file_join(dir, name);
        return file_write(path, buf_data(text), buf_len(text), FILE_MODE, e);
}

static bool write_resources(const char *dir, const struct xds_client_options *x, struct err *e)
{
        AUTO(buf) *pair = bootstrap_pair(x);
        AUTO(buf) *ca = bootstrap_ca(x);
        return file_make_dirs(dir, e) && write_resource(dir, BOOTSTRAP_PAIR_FILE, pair, e) &&
               write_resource(dir, BOOTSTRAP_CA_FILE, ca, e);
}

static bool write_config(const char *file, const struct buf *text, struct err *e)
{
        if (strcmp(file, "-") != 0)
                return file_write(file, buf_data(text), buf_len(text), FILE_MODE, e);
        return (fwrite(buf_data(text), 1, buf_len(text), stdout) == buf_len(text) && fflush(stdout) == 0) ||
               err_set_errno(e, "cannot write to standard output");
}

/* What the configuration names is there before it is. */
int bootstrap_run(const struct options *o)
{
        const struct xds_client_options x = complete_client(o);
        const struct bootstrap_options b = complete(o);
        struct err e = {0};
        if (!x.insecure && (!check_files(&x, &e) || !write_resources(b.resources_dir, &x, &e)))
                return fail(&e);
        AUTO(buf) *text = bootstrap_config(&b, &x, o->admin_address);
        return write_config(o->arguments.items[0], text, &e) ? 0 : fail(&e);
}
