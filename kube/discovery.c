/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/discovery.h"

#include "base/json_read.h"

#include <string.h>

struct discovery {
        struct client *client;
        const struct discovery_candidate *candidates;
        size_t count, next;
        discovery_done_fn *done;
        void *arg;
        struct call *call;
};

static const char *root_of(const char *group_version)
{
        return strchr(group_version, '/') ? "/apis" : "/api";
}

char *discovery_path(const struct discovery_candidate *c)
{
        return mem_printf("%s/%s/%s", root_of(c->group_version), c->group_version, c->resource);
}

static void finish(struct discovery *d, const struct discovery_result *result)
{
        discovery_done_fn *done = d->done;
        void *arg = d->arg;
        mem_free(d);
        done(result, arg);
}

/* Whether an APIResourceList has a resource of that name. */
static bool has_resource(const json_t *list, const char *name)
{
        size_t i;
        const json_t *r;
        json_array_foreach (json_object_get(list, "resources"), i, r) {
                if (str_equal(json_string_value(json_object_get(r, "name")), name))
                        return true;
        }
        return false;
}

static void ask_next(struct discovery *d);

static void on_list(const struct response *r, void *arg)
{
        struct discovery *d = arg;
        const struct discovery_candidate *c = &d->candidates[d->next];
        struct discovery_result result = {.found = -1, .error = r->error};
        d->call = NULL;
        if (r->code != 200 && r->code != 404) {
                if (r->code)
                        err_set_code(&result.error, r->code, "discovery of %s was answered with %d", c->group_version,
                                     r->code);
                finish(d, &result);
                return;
        }
        AUTO_JSON *list = r->code == 200 ? json_read(r->body, r->size, &result.error) : NULL;
        if (r->code == 200 && !json_is_array(json_object_get(list, "resources"))) {
                err_set_code(&result.error, r->code, "discovery of %s was answered with no list of resources",
                             c->group_version);
                finish(d, &result);
                return;
        }
        if (list && has_resource(list, c->resource)) {
                AUTO_STR *status = mem_printf("%s/status", c->resource);
                result.answered = true;
                result.found = (int)d->next;
                result.has_status = has_resource(list, status);
                finish(d, &result);
                return;
        }
        d->next++;
        ask_next(d);
}

static void ask_next(struct discovery *d)
{
        if (d->next == d->count) {
                struct discovery_result none = {.answered = true, .found = -1};
                finish(d, &none);
                return;
        }
        const char *group_version = d->candidates[d->next].group_version;
        AUTO_STR *path = mem_printf("%s/%s", root_of(group_version), group_version);
        struct request request = {.method = "GET", .path = path, .verb = "get", .resource = "discovery"};
        d->call = client_request(d->client, &request, on_list, d);
}

struct discovery *discovery_ask(struct client *client, const struct discovery_candidate *candidates, size_t n,
                                discovery_done_fn *done, void *arg)
{
        struct discovery *d = mem_zalloc(sizeof(*d));
        d->client = client;
        d->candidates = candidates;
        d->count = n;
        d->done = done;
        d->arg = arg;
        ask_next(d);
        return d;
}

void discovery_cancel(struct discovery *d)
{
        if (!d)
                return;
        client_cancel(d->call);
        mem_free(d);
}
