/* SPDX-License-Identifier: Apache-2.0 */
/* create, update, patch: decode, admit, validate, admit, store; in kube-apiserver's order. */
#include "e2e/devkube/admission.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/call.h"
#include "e2e/devkube/decode.h"
#include "e2e/devkube/delete.h"
#include "e2e/devkube/meta.h"
#include "e2e/devkube/patch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A patch without a resourceVersion is applied again when it lost a race. */
enum { PATCH_TRIES = 5 };

static bool is_crd(const struct resource *r)
{
        return builtin_is(r, "CustomResourceDefinition");
}

/* Also what a stored object sets in motion. */
static void answer_stored(struct call *c, int code, const struct object *o)
{
        json_auto_t *value = object_json(c->version, o);
        if (is_crd(c->resource))
                resource_define(value);
        call_answer_object(c, code, value);
}

static bool names_fit(struct call *c, const json_t *object)
{
        const char *ns = js_text_or_empty(object, "metadata.namespace"),
                   *name = js_text_or_empty(object, "metadata.name");
        if (*ns && !str_equal(ns, c->ns ? c->ns : ""))
                return fail_bad_request(&c->failure,
                                        "the namespace of the provided object does not match the namespace "
                                        "sent on the request");
        if (c->name && *name && !str_equal(name, c->name))
                return fail_bad_request(&c->failure,
                                        "the name of the object (%s) does not match the name on the URL (%s)", name,
                                        c->name);
        if (c->name && !*name)
                return fail_bad_request(&c->failure, "name must be provided");
        return true;
}

bool call_needs_namespace(struct call *c)
{
        if (!c->resource->namespaced)
                return true;
        const struct resource *namespaces = resource_find("", "v1", "namespaces");
        AUTO_OBJECT *o = store_get(namespaces, NULL, c->ns);
        return o || fail_not_found(&c->failure, namespaces, c->ns);
}

/* ---- create ---- */

static bool create(struct call *c, json_t **object)
{
        if (!call_needs_namespace(c))
                return false;
        if (*js_text_or_empty(*object, "metadata.resourceVersion"))
                return fail(&c->failure, 500, "", "resourceVersion should not be set on objects to be created");
        if (c->resource->custom && c->version->status)
                json_object_del(*object, "status");
        /* Mutating webhooks see it as it came; the rest is filled in behind them. */
        json_object_set_new(js_object(*object, "metadata"), "creationTimestamp", json_null());
        AUTO_STR *given_name = mem_strdup(js_text_or_empty(*object, "metadata.name"));
        struct admission a = {.operation = "CREATE", .name = given_name, .object = *object};
        bool admitted = admission_mutate(c, &a);
        *object = a.object;
        if (!admitted || !decode_again(c, *object, NULL))
                return false;
        meta_create(c->resource, c->resource->namespaced ? c->ns : NULL, *object);
        AUTO_STR *name = mem_strdup(js_text_or_empty(*object, "metadata.name"));
        a.name = name;
        if (!decode_validate(c, *object, NULL) || !admission_validate(c, &a))
                return false;
        AUTO_OBJECT *present = store_get(c->resource, c->resource->namespaced ? c->ns : NULL, name);
        if (present)
                return fail_exists(&c->failure, c->resource, name);
        if (c->dry_run) {
                call_answer_object(c, 201, *object);
                return true;
        }
        AUTO_OBJECT *stored = NULL;
        if (!store_put(c->resource, object_new(c->resource, *object), NULL, &stored))
                return fail_exists(&c->failure, c->resource, name);
        answer_stored(c, 201, stored);
        return true;
}

bool write_create(struct call *c)
{
        json_t *object = decode_body(c);
        bool done = object && decode_object(c, object, NULL) && names_fit(c, object) && create(c, &object);
        json_decref(object);
        return done;
}

/* ---- update ---- */

/* An update of the status changes nothing else, and one of the object leaves the status alone. */
static void keep_other_part(const struct call *c, json_t *object, const json_t *old)
{
        if (!c->version->status)
                return;
        json_t *status = json_object_get(str_equal(c->sub, "status") ? object : old, "status");
        json_incref(status);
        if (str_equal(c->sub, "status")) {
                json_object_clear(object);
                json_object_update(object, js_unconst(old));
        }
        if (status)
                json_object_set_new(object, "status", status);
        else
                json_object_del(object, "status");
}

static bool fail_other_uid(struct call *c, const char *uid, const char *is)
{
        AUTO_STR *why = mem_printf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, is);
        return fail_conflict(&c->failure, c->resource, c->name, why);
}

static bool revision_fits(struct call *c, const json_t *object, const struct object *current)
{
        const char *rv = js_text_or_empty(object, "metadata.resourceVersion"), *uid = js_str(object, "metadata.uid");
        const char *name = js_text_or_empty(object, "metadata.name");
        bool unconditional = str_equal(c->verb, "patch") || builtin_allows_unconditional_update(c->resource);
        if ((!*rv || str_equal(rv, "0")) && !unconditional)
                return fail_needs_revision(&c->failure, c->resource, name);
        if (*rv && !str_equal(rv, "0") && strtoull(rv, NULL, 10) != current->rv)
                return fail_conflict(&c->failure, c->resource, name, NULL);
        json_auto_t *old = object_json(c->version, current);
        const char *old_uid = js_text_or_empty(old, "metadata.uid");
        if (!uid || !*uid || str_equal(uid, old_uid))
                return true;
        if (str_equal(c->verb, "patch")) {
                json_auto_t *causes = json_array();
                cause_invalid_str(causes, "metadata.uid", uid, "field is immutable");
                return fail_if_causes(&c->failure, c->resource, name, causes);
        }
        return fail_other_uid(c, uid, old_uid);
}

static void count_generation(const struct call *c, json_t *object, const json_t *old)
{
        if (!str_equal(c->sub, "status") && (c->resource->custom || builtin_has_generation(c->resource)) &&
            meta_spec_differs(c->version, object, old))
                json_object_set_new(js_object(object, "metadata"), "generation",
                                    json_integer(js_int(old, "metadata.generation", 0) + 1));
}

static bool unchanged(const json_t *object, const json_t *old)
{
        json_auto_t *a = json_copy(js_unconst(object));
        json_auto_t *meta = json_copy(json_object_get(object, "metadata"));
        json_object_set(meta, "resourceVersion", js_get(old, "metadata.resourceVersion"));
        json_object_set(a, "metadata", meta);
        return json_equal(a, old);
}

enum outcome { DONE, FAILED, LOST_RACE };

/* What is admitted and differs goes in; the last finalizer off a doomed object removes it. */
static enum outcome commit(struct call *c, const json_t *object, const json_t *old, const struct object *current)
{
        if (c->dry_run || unchanged(object, old)) {
                call_answer_object(c, 200, c->dry_run ? object : old);
                return DONE;
        }
        uint64_t rv;
        if (js_get(object, "metadata.deletionTimestamp") && js_empty(js_get(object, "metadata.finalizers"))) {
                call_answer_object(c, 200, object);
                return delete_stored(c->resource, current, &rv) ? DONE : LOST_RACE;
        }
        AUTO_OBJECT *stored = NULL;
        if (!store_put(c->resource, object_new(c->resource, object), current, &stored))
                return LOST_RACE;
        answer_stored(c, 200, stored);
        return DONE;
}

/* object: decoded; replaced by what it became. */
static enum outcome update(struct call *c, json_t **object, const json_t *old, const struct object *current)
{
        AUTO_STR *given_rv = mem_strdup(js_text_or_empty(*object, "metadata.resourceVersion"));
        AUTO_STR *given_uid = mem_strdup(js_text_or_empty(*object, "metadata.uid"));
        keep_other_part(c, *object, old);
        meta_update(*object, old);
        if (*given_rv)
                js_set_str(js_object(*object, "metadata"), "resourceVersion", given_rv);
        struct admission a = {.operation = "UPDATE", .name = c->name, .object = *object, .old = old};
        bool admitted = admission_mutate(c, &a);
        *object = a.object;
        if (!admitted || !decode_again(c, *object, old))
                return FAILED;
        json_auto_t *asked = json_pack("{s:{s:s, s:s, s:s}}", "metadata", "name", c->name, "resourceVersion", given_rv,
                                       "uid", given_uid);
        if (!revision_fits(c, asked, current))
                return FAILED;
        meta_update(*object, old);
        js_set_str(js_object(*object, "metadata"), "resourceVersion",
                   js_text_or_empty(old, "metadata.resourceVersion"));
        count_generation(c, *object, old);
        if (!decode_validate(c, *object, old) || !admission_validate(c, &a))
                return FAILED;
        return commit(c, *object, old, current);
}

static bool update_or_conflict(struct call *c, json_t **object, const json_t *old, const struct object *current)
{
        switch (update(c, object, old, current)) {
        case DONE:
                return true;
        case FAILED:
                return false;
        case LOST_RACE:
                break;
        }
        return fail_conflict(&c->failure, c->resource, c->name, NULL);
}

bool write_update(struct call *c)
{
        if (str_equal(c->sub, "finalize"))
                return delete_finalized(c);
        json_t *object = decode_body(c);
        AUTO_OBJECT *current = store_get(c->resource, c->ns, c->name);
        json_auto_t *old = current ? object_json(c->version, current) : NULL;
        bool done = object && decode_object(c, object, old) && names_fit(c, object);
        if (done && !current && builtin_creates_on_update(c->resource)) {
                js_object(object, "metadata");
                json_object_del(json_object_get(object, "metadata"), "resourceVersion");
                done = create(c, &object);
        } else if (done && !current && *js_text_or_empty(object, "metadata.uid")) {
                done = fail_other_uid(c, js_text_or_empty(object, "metadata.uid"), "");
        } else if (done && !current) {
                done = fail_not_found(&c->failure, c->resource, c->name);
        } else if (done) {
                done = update_or_conflict(c, &object, old, current);
        }
        json_decref(object);
        return done;
}

/* ---- patch ---- */

static json_t *apply_patch(struct call *c, const json_t *old, const json_t *patch)
{
        const char *type = request_header(c->request, "Content-Type");
        AUTO_STR *kind = mem_strndup(type ? type : "", strcspn(type ? type : "", "; "));
        struct err e = {0};
        json_t *result = NULL;
        if (str_equal(kind, "application/json-patch+json"))
                result = patch_json(old, patch, &e);
        else if (str_equal(kind, "application/merge-patch+json"))
                result = json_is_object(patch) ? patch_merge(old, patch) : NULL;
        else if (str_equal(kind, "application/strategic-merge-patch+json") && !c->resource->custom)
                result = patch_strategic(old, patch, &e);
        else
                fail(&c->failure, 415, "UnsupportedMediaType",
                     "the body of the request was in an unknown format - accepted media types include: "
                     "application/json-patch+json, application/merge-patch+json%s, application/apply-patch+yaml",
                     c->resource->custom ? "" : ", application/strategic-merge-patch+json");
        if (json_is_object(result))
                return result;
        json_decref(result);
        if (!c->failure.code && str_has_prefix(kind, "application/json-patch") && json_is_array(patch))
                fail(&c->failure, 422, "Invalid", "the server rejected our request due to an error in our request");
        else if (!c->failure.code)
                fail_bad_request(&c->failure, "%s", *e.text ? e.text : "the patch is not an object");
        return NULL;
}

static enum outcome patch_once(struct call *c, const json_t *patch)
{
        AUTO_OBJECT *current = store_get(c->resource, c->ns, c->name);
        if (!current) {
                fail_not_found(&c->failure, c->resource, c->name);
                return FAILED;
        }
        json_auto_t *old = object_json(c->version, current);
        json_t *patched = apply_patch(c, old, patch);
        json_t *object = patched ? json_deep_copy(patched) : NULL;
        enum outcome o = FAILED;
        if (object && decode_object(c, object, old) && names_fit(c, object))
                o = update(c, &object, old, current);
        json_decref(object);
        json_decref(patched);
        return o;
}

bool write_patch(struct call *c)
{
        const char *type = request_header(c->request, "Content-Type");
        if (type && str_has_prefix(type, "application/apply-patch"))
                return fail(&c->failure, 415, "UnsupportedMediaType",
                            "devkube has no server-side apply: use kubectl apply without --server-side");
        struct err e;
        json_auto_t *patch = js_parse(buf_data(c->request->body), buf_len(c->request->body), &e);
        if (!patch)
                return fail_bad_request(&c->failure, "error decoding patch: %s", e.text);
        for (int i = 0; i < PATCH_TRIES; i++) {
                enum outcome o = patch_once(c, patch);
                if (o != LOST_RACE)
                        return o == DONE;
        }
        return fail_conflict(&c->failure, c->resource, c->name, NULL);
}
