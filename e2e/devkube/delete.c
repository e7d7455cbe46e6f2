/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/delete.h"
#include "e2e/devkube/admission.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/selector.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

static void delete_all(const struct resource *r, const char *ns)
{
        struct query q = {.ns = ns};
        AUTO(listing) *l = listing_new(r, &q);
        uint64_t rv;
        for (size_t i = 0; i < l->count; i++)
                store_remove(r, l->objects[i], &rv);
}

/* The namespace controller's work; it does not wait for finalizers. */
static void empty_namespace(const char *ns)
{
        size_t count;
        const struct resource **all = resources_all(&count);
        for (size_t i = 0; i < count; i++) {
                if (all[i]->namespaced)
                        delete_all(all[i], ns);
        }
        mem_free(all);
}

static void undefine(const char *crd)
{
        const char *dot = strchr(crd, '.');
        AUTO_STR *plural = mem_strndup(crd, (size_t)(dot ? dot - crd : 0));
        const struct resource *gone = resource_undefine(plural, dot ? dot + 1 : "");
        if (gone)
                delete_all(gone, NULL);
}

bool delete_stored(const struct resource *r, const struct object *o, uint64_t *rv)
{
        if (builtin_is(r, "Namespace"))
                empty_namespace(o->name);
        if (!store_remove(r, o, rv))
                return false;
        if (builtin_is(r, "CustomResourceDefinition"))
                undefine(o->name);
        return true;
}

static bool read_delete_options(struct call *c, json_t **options)
{
        struct err e;
        const struct buf *body = c->request->body;
        *options = buf_len(body) ? js_parse(buf_data(body), buf_len(body), &e) : json_object();
        if (!*options)
                return fail_bad_request(&c->failure, "error decoding DeleteOptions: %s", e.text);
        c->dry_run |= js_array_has(json_object_get(*options, "dryRun"), "All");
        return true;
}

static bool preconditions_hold(struct call *c, const json_t *options, const json_t *old)
{
        static const struct {
                const char *path, *field, *what, *then;
        } checks[] = {
                {"preconditions.uid", "metadata.uid", "UID", "deleted and then recreated"},
                {"preconditions.resourceVersion", "metadata.resourceVersion", "ResourceVersion", "modified"},
        };
        for (size_t i = 0; i < COUNT_OF(checks); i++) {
                const char *wanted = js_str(options, checks[i].path), *is = js_text_or_empty(old, checks[i].field);
                if (!wanted || str_equal(wanted, is))
                        continue;
                AUTO_STR *why = mem_printf("the %s in the precondition (%s) does not match the %s in record (%s). The "
                                           "object might have been %s",
                                           checks[i].what, wanted, checks[i].what, is, checks[i].then);
                return fail_conflict(&c->failure, c->resource, c->name, why);
        }
        return true;
}

/* Something must let go of it first: it is marked, and removed by the update that takes the last finalizer off. */
static bool mark(struct call *c, const struct object *current, json_t *old)
{
        json_t *meta = js_object(old, "metadata");
        if (!json_object_get(meta, "deletionTimestamp")) {
                char now[TIME_TEXT_MAX];
                time_format_seconds(time_now_micros(), now);
                js_set_str(meta, "deletionTimestamp", now);
                json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(0));
                if (json_object_get(meta, "generation"))
                        json_object_set_new(meta, "generation", json_integer(js_int(meta, "generation", 0) + 1));
                if (!c->dry_run && !store_put(c->resource, object_new(c->resource, old), current, NULL))
                        return false;
        }
        call_answer_object(c, 200, old);
        return true;
}

static void answer_deleted(struct call *c, const json_t *old)
{
        json_auto_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:s}}", "kind", "Status", "apiVersion",
                                        "v1", "metadata", "status", "Success", "details", "name", c->name, "kind",
                                        c->resource->plural, "uid", js_text_or_empty(old, "metadata.uid"));
        if (*c->resource->group)
                js_set_str(js_object(status, "details"), "group", c->resource->group);
        call_answer(c, 200, status);
}

/* false without a failure: the object changed meanwhile. */
static bool delete_once(struct call *c, const json_t *options)
{
        AUTO_OBJECT *current = store_get(c->resource, c->ns, c->name);
        if (!current)
                return fail_not_found(&c->failure, c->resource, c->name);
        json_auto_t *old = object_json(c->version, current);
        struct admission a = {.operation = "DELETE", .name = c->name, .old = old};
        if (!preconditions_hold(c, options, old) || !admission_mutate(c, &a) || !admission_validate(c, &a))
                return false;
        if (!js_empty(js_get(old, "metadata.finalizers")))
                return mark(c, current, old);
        uint64_t rv;
        if (!c->dry_run && !delete_stored(c->resource, current, &rv))
                return false;
        answer_deleted(c, old);
        return true;
}

static bool delete_retried(struct call *c, const json_t *options)
{
        bool done;
        do
                done = delete_once(c, options);
        while (!done && !c->failure.code);
        return done;
}

bool delete_one(struct call *c)
{
        json_t *options = NULL;
        bool done = read_delete_options(c, &options) && delete_retried(c, options);
        json_decref(options);
        return done;
}

/* One of a collection; one that is gone already is fine. */
static bool delete_listed(struct call *c, const struct object *o, const json_t *options)
{
        struct call one = *c;
        const char *slash = strchr(o->key, '/');
        one.name = mem_strdup(o->name);
        one.ns = slash ? mem_strndup(o->key, (size_t)(slash - o->key)) : NULL;
        bool done = delete_retried(&one, options);
        if (!done && one.failure.code == 404) {
                failure_done(&one.failure);
                done = true;
        }
        c->failure = one.failure;
        mem_free(one.name);
        mem_free(one.ns);
        return done;
}

/* Answers with what was there, as kube-apiserver does. */
bool delete_many(struct call *c)
{
        struct query q;
        AUTO(selector) *labels = NULL;
        AUTO(selector) *fields = NULL;
        json_t *options = NULL;
        bool done = read_delete_options(c, &options) && call_query(c, &q, &labels, &fields);
        AUTO(listing) *l = done ? listing_new(c->resource, &q) : NULL;
        for (size_t i = 0; done && i < l->count; i++)
                done = delete_listed(c, l->objects[i], options);
        json_decref(options);
        if (done)
                read_answer_listing(c, l);
        return done;
}

bool delete_finalized(struct call *c)
{
        return fail_not_found(&c->failure, c->resource, c->name);
}
