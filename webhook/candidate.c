/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/candidate.h"

#include <assert.h>
#include <string.h>

/* Whether any rule is about objects of this kind when they are sent to the webhook. */
static bool is_judged(enum kind kind)
{
        switch (kind) {
        case KIND_INGRESSROUTE:
        case KIND_TLSCERTIFICATEDELEGATION:
        case KIND_INGRESS:
        case KIND_SERVICE:
        case KIND_NAMESPACE:
                return true;
        case KIND_INGRESSCLASS:
        case KIND_SECRET:
        case KIND_ENDPOINTSLICE:
        case KIND_ENDPOINTS:
                return false;
        }
        assert(false);
        return false;
}

/* By group and kind; other versions of our own group may come to mean something else. */
static bool find_kind(const struct admission_review *r, enum kind *kind)
{
        return kind_find(r->group, r->kind, kind) &&
               (!str_equal(r->group, "contour.heptio.com") || str_equal(r->version, "v1beta1"));
}

static enum candidate_type classify(const struct admission_review *r, const struct candidate *c)
{
        if (r->operation == OPERATION_DELETE || r->operation == OPERATION_CONNECT)
                return CANDIDATE_PASS;
        if (!c->kind_known)
                return CANDIDATE_UNKNOWN;
        return r->subresource[0] || !is_judged(c->kind) ? CANDIDATE_PASS : CANDIDATE_OBJECT;
}

/*
 * At admission an object with generateName has no name yet. "*" is in no name that Kubernetes stores, so the
 * placeholder can neither collide nor be named by another object.
 */
static void give_name(const struct admission_review *r, struct arena *a, json_t *object)
{
        json_t *metadata = json_object_get(object, "metadata");
        const char *name = json_string_value(json_object_get(metadata, "name"));
        if (!json_is_object(metadata) || (name && name[0]))
                return;
        const char *prefix = json_string_value(json_object_get(metadata, "generateName"));
        if (r->name[0])
                json_object_set_new(metadata, "name", json_string(r->name));
        else if (prefix)
                json_object_set_new(metadata, "name", json_string(arena_printf(a, "%s*", prefix)));
}

static struct object *decode(const struct admission_review *r, enum kind kind, json_t *json, struct arena *a,
                             struct err *e)
{
        struct object_options options = {
                .report_unknown = true,
                .default_namespace = kind_info(kind)->namespaced && r->namespace[0] ? r->namespace : NULL,
        };
        give_name(r, a, json);
        return object_decode(kind, json, &options, e);
}

/* Everything that is neither metadata nor status nor the type counts as content. */
static bool is_content(const char *key)
{
        return !str_equal(key, "metadata") && !str_equal(key, "status") && !str_equal(key, "kind") &&
               !str_equal(key, "apiVersion");
}

static bool has_all_of(json_t *a, json_t *b)
{
        const char *key;
        json_t *value;
        json_object_foreach (a, key, value) {
                if (is_content(key) && !json_equal(value, json_object_get(b, key)))
                        return false;
        }
        return true;
}

static bool read_objects(const struct admission_review *r, struct candidate *c, struct err *e)
{
        if (!r->object)
                return err_set_code(e, 400, "request.object is missing: %s of %s needs one",
                                    operation_name(r->operation), r->kind);
        struct err problem = {0};
        c->new = decode(r, c->kind, r->object, c->arena, &problem);
        if (!c->new) {
                c->type = CANDIDATE_BROKEN;
                c->problem = arena_strdup(c->arena, problem.text);
                return true;
        }
        if (r->operation != OPERATION_UPDATE || !r->old_object)
                return true;
        c->old = decode(r, c->kind, r->old_object, c->arena, &problem);
        c->content_changed = !has_all_of(r->object, r->old_object) || !has_all_of(r->old_object, r->object);
        c->deleting = c->new->deleting || (c->old && c->old->deleting);
        return true;
}

bool candidate_read(const struct admission_review *r, struct candidate **out, struct err *e)
{
        AUTO(candidate) *c = mem_zalloc(sizeof(*c));
        c->arena = arena_new(512);
        c->operation = r->operation;
        c->kind_known = find_kind(r, &c->kind);
        c->type = classify(r, c);
        if (c->type == CANDIDATE_OBJECT && !read_objects(r, c, e))
                return false;
        *out = mem_take(&c);
        return true;
}

void candidate_free(struct candidate *c)
{
        if (!c)
                return;
        object_free(c->new);
        object_free(c->old);
        arena_free(c->arena);
        mem_free(c);
}
