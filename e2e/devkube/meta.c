/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/meta.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/names.h"

#include "base/time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
        GENERATED = 5, /* random characters behind generateName */
        GENERATE_BASE_MAX = 63 - GENERATED,
        ANNOTATIONS_MAX = 256 << 10,
};

void meta_new_uid(char uid[37])
{
        unsigned char b[16];
        while (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
                ;
        b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
        b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
        snprintf(uid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
                 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void generate_name(json_t *meta)
{
        static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789"; /* no vowels: no words */
        unsigned char random[GENERATED];
        while (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
                ;
        char tail[GENERATED + 1] = {0};
        for (size_t i = 0; i < GENERATED; i++)
                tail[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
        json_object_set_new(meta, "name",
                            json_sprintf("%.*s%s", GENERATE_BASE_MAX, js_text_or_empty(meta, "generateName"), tail));
}

void meta_create(const struct resource *r, const char *ns, json_t *object)
{
        json_t *meta = js_object(object, "metadata");
        char uid[37], now[TIME_TEXT_MAX];
        meta_new_uid(uid);
        time_format_seconds(time_now_micros(), now);
        if (!*js_text_or_empty(meta, "name") && *js_text_or_empty(meta, "generateName"))
                generate_name(meta);
        if (ns)
                js_set_str(meta, "namespace", ns);
        js_set_str(meta, "uid", uid);
        js_set_str(meta, "creationTimestamp", now);
        static const char *const forbidden[] = {"resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds",
                                                "selfLink",        "managedFields",     "generation"};
        for (size_t i = 0; i < COUNT_OF(forbidden); i++)
                json_object_del(meta, forbidden[i]);
        if (r->custom || builtin_has_generation(r))
                json_object_set_new(meta, "generation", json_integer(1));
}

void meta_update(json_t *object, const json_t *old)
{
        static const char *const kept[] = {"name",
                                           "namespace",
                                           "uid",
                                           "creationTimestamp",
                                           "generation",
                                           "deletionTimestamp",
                                           "deletionGracePeriodSeconds",
                                           "generateName"};
        json_t *meta = js_object(object, "metadata");
        for (size_t i = 0; i < COUNT_OF(kept); i++) {
                json_t *value = js_get(js_get(old, "metadata"), kept[i]);
                if (value)
                        json_object_set(meta, kept[i], value);
                else
                        json_object_del(meta, kept[i]);
        }
        json_object_del(meta, "managedFields");
        json_object_del(meta, "selfLink");
}

/* RBAC objects and events may be called almost anything. */
static bool any_path_segment(const struct resource *r)
{
        return str_equal(r->group, "rbac.authorization.k8s.io");
}

static void validate_length(json_t *causes, const char *field, const char *name, size_t max)
{
        if (strlen(name) > max) {
                AUTO_STR *why = mem_printf("must be no more than %zu characters", max);
                cause_invalid_str(causes, field, name, why);
        }
}

static void validate_name(const struct resource *r, const char *name, json_t *causes)
{
        const char *field = "metadata.name";
        if (!*name) {
                cause_required(causes, field, "name or generateName is required");
        } else if (any_path_segment(r)) {
                if (strpbrk(name, "/%") || str_equal(name, ".") || str_equal(name, ".."))
                        cause_invalid_str(causes, field, name, "may not contain '/'");
        } else if (builtin_is(r, "Service")) {
                validate_length(causes, field, name, NAME_LABEL_MAX);
                if (!name_is_label(name, true))
                        cause_invalid_str(causes, field, name, NAME_LABEL_1035_WHY);
        } else if (builtin_is(r, "Namespace")) {
                validate_length(causes, field, name, NAME_LABEL_MAX);
                if (!name_is_label(name, false))
                        cause_invalid_str(causes, field, name, NAME_LABEL_WHY);
        } else {
                validate_length(causes, field, name, NAME_SUBDOMAIN_MAX);
                if (!name_is_subdomain(name))
                        cause_invalid_str(causes, field, name, NAME_SUBDOMAIN_WHY);
        }
}

static void validate_key(const char *key, const char *field, json_t *causes)
{
        const char *slash = strchr(key, '/');
        AUTO_STR *prefix = slash ? mem_strndup(key, (size_t)(slash - key)) : NULL;
        if (prefix && !name_is_subdomain(prefix))
                cause_invalid_str(causes, field, key, "prefix part " NAME_SUBDOMAIN_WHY);
        if (!name_is_qualified(slash ? slash + 1 : key))
                cause_invalid_str(causes, field, key, NAME_KEY_WHY);
}

static void validate_labels(const json_t *labels, json_t *causes)
{
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(labels), key, value) {
                const char *s = json_is_string(value) ? json_string_value(value) : "";
                validate_key(key, "metadata.labels", causes);
                if (strlen(s) > NAME_LABEL_MAX)
                        cause_invalid_str(causes, "metadata.labels", s, "must be no more than 63 characters");
                else if (*s && !name_is_qualified(s))
                        cause_invalid_str(causes, "metadata.labels", s, NAME_VALUE_WHY);
        }
}

static void validate_annotations(const json_t *annotations, json_t *causes)
{
        const char *key;
        json_t *value;
        size_t total = 0;
        json_object_foreach (js_unconst(annotations), key, value) {
                /* Kubernetes judges annotation keys in lower case. */
                AUTO_STR *low = mem_strdup(key);
                for (char *p = low; *p; p++)
                        *p = (char)tolower((unsigned char)*p);
                validate_key(low, "metadata.annotations", causes);
                total += strlen(key) + json_string_length(value);
        }
        if (total > ANNOTATIONS_MAX)
                cause_add(causes, "FieldValueTooLong", "metadata.annotations",
                          "Too long: may not be more than %d bytes", ANNOTATIONS_MAX);
}

/* Who deletes must not be kept waiting by newcomers. */
static void validate_new_finalizers(const json_t *object, const json_t *old, json_t *causes)
{
        size_t i;
        json_t *finalizer;
        json_array_foreach (js_get(object, "metadata.finalizers"), i, finalizer) {
                const char *s = json_is_string(finalizer) ? json_string_value(finalizer) : "";
                if (!js_array_has(js_get(old, "metadata.finalizers"), s))
                        cause_add(causes, "FieldValueForbidden", "metadata.finalizers",
                                  "Forbidden: no new finalizers can be added if the object is being deleted, found new "
                                  "finalizers []string{\"%s\"}",
                                  s);
        }
}

void meta_validate(const struct resource *r, const json_t *object, const json_t *old, json_t *causes)
{
        validate_name(r, js_text_or_empty(object, "metadata.name"), causes);
        validate_labels(js_get(object, "metadata.labels"), causes);
        validate_annotations(js_get(object, "metadata.annotations"), causes);
        if (js_get(old, "metadata.deletionTimestamp"))
                validate_new_finalizers(object, old, causes);
        size_t i;
        json_t *finalizer;
        json_array_foreach (js_get(object, "metadata.finalizers"), i, finalizer) {
                const char *s = json_is_string(finalizer) ? json_string_value(finalizer) : "";
                validate_key(s, "metadata.finalizers", causes);
        }
}

bool meta_spec_differs(const struct version *v, const json_t *object, const json_t *old)
{
        json_auto_t *a = json_copy(js_unconst(object));
        json_auto_t *b = json_copy(js_unconst(old));
        json_object_del(a, "metadata");
        json_object_del(b, "metadata");
        if (v->status) {
                json_object_del(a, "status");
                json_object_del(b, "status");
        }
        return !json_equal(a, b);
}
