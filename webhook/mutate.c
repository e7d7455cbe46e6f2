/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/mutate.h"

#include "base/json_text.h"
#include "dag/compile.h"

#include <string.h>

enum { PATCH_MAX = 4 * 1024 * 1024 };

#define CLASS_ANNOTATION "contour.heptio.com/ingress.class"

struct patch {
        struct arena *arena;
        struct buf *text; /* operations, separated by commas */
};

/* One operation; value is JSON text. Paths are ours: there is nothing in them to escape. */
static void operation(struct patch *p, const char *op, const char *path, const char *value)
{
        buf_printf(p->text, "%s{\"op\":\"%s\",\"path\":\"%s\",\"value\":%s}", buf_len(p->text) ? "," : "", op, path,
                   value);
}

static const char *quoted(struct patch *p, const char *s)
{
        AUTO(buf) *text = buf_new(PATCH_MAX);
        json_text_string(text, s);
        return arena_strdup(p->arena, buf_data(text));
}

static void normalise_fqdn(struct patch *p, const json_t *virtualhost)
{
        const json_t *v = json_object_get(virtualhost, "fqdn");
        const char *fqdn = json_string_value(v);
        if (!fqdn || strlen(fqdn) != json_string_length(v))
                return;
        const char *normal = object_normalise_host(p->arena, fqdn);
        if (normal[0] && !str_equal(fqdn, normal))
                operation(p, "replace", "/spec/virtualhost/fqdn", quoted(p, normal));
}

static bool has_class(const json_t *annotations)
{
        return json_object_get(annotations, CLASS_ANNOTATION) ||
               json_object_get(annotations, "projectcontour.io/ingress.class") ||
               json_object_get(annotations, "kubernetes.io/ingress.class");
}

static void add_class(struct patch *p, const json_t *annotations, const char *class)
{
        const char *value = quoted(p, class);
        if (json_is_object(annotations))
                operation(p, "add", "/metadata/annotations/contour.heptio.com~1ingress.class", value);
        else
                operation(p, "add", "/metadata/annotations",
                          arena_printf(p->arena, "{\"" CLASS_ANNOTATION "\":%s}", value));
}

static void default_health_check(struct patch *p, const json_t *owner, const char *path)
{
        static const struct {
                const char *field;
                const char *value;
        } defaults[] = {
                {"intervalSeconds", "5"},
                {"timeoutSeconds", "2"},
                {"unhealthyThresholdCount", "3"},
                {"healthyThresholdCount", "2"},
        };
        const json_t *check = json_object_get(owner, "healthCheck");
        if (!json_is_object(check))
                return;
        for (size_t i = 0; i < COUNT_OF(defaults); i++) {
                if (!json_object_get(check, defaults[i].field))
                        operation(p, "add", arena_printf(p->arena, "%s/healthCheck/%s", path, defaults[i].field),
                                  defaults[i].value);
        }
}

static void default_services(struct patch *p, const json_t *owner, const char *path)
{
        size_t i;
        const json_t *service;
        json_array_foreach (json_object_get(owner, "services"), i, service)
                default_health_check(p, service, arena_printf(p->arena, "%s/services/%zu", path, i));
}

static void write_defaults(struct patch *p, const json_t *spec)
{
        const json_t *tls = json_object_get(json_object_get(spec, "virtualhost"), "tls");
        /* With passthrough the backend chooses the version. */
        if (json_is_object(tls) && !json_object_get(tls, "minimumProtocolVersion") &&
            !json_is_true(json_object_get(tls, "passthrough")))
                operation(p, "add", "/spec/virtualhost/tls/minimumProtocolVersion", "\"1.2\"");
        default_health_check(p, spec, "/spec");
        default_services(p, json_object_get(spec, "tcpproxy"), "/spec/tcpproxy");
        size_t i;
        const json_t *route;
        json_array_foreach (json_object_get(spec, "routes"), i, route)
                default_services(p, route, arena_printf(p->arena, "/spec/routes/%zu", i));
}

char *mutate_review(const struct admission_review *r, const struct candidate *c, const struct store *store,
                    const struct policy *policy, const struct mutate_options *options, struct arena *a)
{
        /* An object on its way out is left alone, so that its finalizers can go. */
        if (c->type != CANDIDATE_OBJECT || c->kind != KIND_INGRESSROUTE || c->deleting)
                return NULL;
        const json_t *annotations = json_object_get(json_object_get(r->object, "metadata"), "annotations");
        bool takes_class = options->default_ingress_class && policy->ingress_class && !has_class(annotations);
        struct view view = {.store = store, .candidate = c->new};
        if (!takes_class && !judge_is_ours(&view, policy, c->new))
                return NULL;
        AUTO(buf) *text = buf_new(PATCH_MAX);
        struct patch p = {.arena = a, .text = text};
        const json_t *spec = json_object_get(r->object, "spec");
        normalise_fqdn(&p, json_object_get(spec, "virtualhost"));
        if (takes_class)
                add_class(&p, annotations, policy->ingress_class);
        if (options->write_defaults)
                write_defaults(&p, spec);
        /* A patch that is not whole would be wrong; none is only less convenient. */
        if (!buf_len(text) || buf_full(text))
                return NULL;
        return arena_printf(a, "[%s]", buf_data(text));
}
