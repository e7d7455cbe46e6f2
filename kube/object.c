/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/object.h"

#include "base/time.h"
#include "kube/decode.h"

#include <assert.h>
#include <string.h>

enum {
        NAME_MAX_BYTES = 253, /* RFC 1123 subdomain, as Kubernetes has it */
        NAMESPACE_MAX_BYTES = 63,
        DRAFT_SIZE = 4096, /* most objects are measured in one block */
};

/* ---- kinds ---- */

static const struct {
        struct kind_info info;
        decode_kind_fn *decode;
} kinds[KIND_COUNT] = {
        [KIND_INGRESSROUTE] = {{"IngressRoute", "contour.heptio.com", "ingressroutes", true}, decode_ingressroute},
        [KIND_TLSCERTIFICATEDELEGATION] = {{"TLSCertificateDelegation", "contour.heptio.com",
                                            "tlscertificatedelegations", true},
                                           decode_tlscertificatedelegation},
        [KIND_INGRESS] = {{"Ingress", "networking.k8s.io", "ingresses", true}, decode_ingress},
        [KIND_INGRESSCLASS] = {{"IngressClass", "networking.k8s.io", "ingressclasses", false}, decode_ingressclass},
        [KIND_SERVICE] = {{"Service", "", "services", true}, decode_service},
        [KIND_SECRET] = {{"Secret", "", "secrets", true}, decode_secret},
        [KIND_NAMESPACE] = {{"Namespace", "", "namespaces", false}, decode_namespace},
        [KIND_ENDPOINTSLICE] = {{"EndpointSlice", "discovery.k8s.io", "endpointslices", true}, decode_endpointslice},
        [KIND_ENDPOINTS] = {{"Endpoints", "", "endpoints", true}, decode_endpoints},
};

const struct kind_info *kind_info(enum kind kind)
{
        assert((unsigned)kind < KIND_COUNT);
        return &kinds[kind].info;
}

bool kind_find(const char *group, const char *name, enum kind *kind)
{
        for (unsigned i = 0; i < KIND_COUNT; i++) {
                if (!str_equal(kinds[i].info.name, name) || !str_equal(kinds[i].info.group, group))
                        continue;
                *kind = (enum kind)i;
                return true;
        }
        return false;
}

/* ---- annotations (api.md, "Annotations") ---- */

#define OF(kind) (1U << KIND_##kind)

/* In strcmp() order of keys: so an object's annotations come out sorted. */
static const struct {
        const char *key;
        unsigned kinds;
} known_annotations[] = {
        {"contour.heptio.com/allowed-fqdns", OF(NAMESPACE)},
        {"contour.heptio.com/delegated-from", OF(INGRESSROUTE)},
        {"contour.heptio.com/fqdn-handover", OF(INGRESSROUTE)},
        {"contour.heptio.com/ingress.class", OF(INGRESSROUTE) | OF(INGRESS)},
        {"contour.heptio.com/max-connections", OF(SERVICE)},
        {"contour.heptio.com/max-pending-requests", OF(SERVICE)},
        {"contour.heptio.com/max-requests", OF(SERVICE)},
        {"contour.heptio.com/max-retries", OF(SERVICE)},
        {"contour.heptio.com/num-retries", OF(INGRESS)},
        {"contour.heptio.com/per-try-timeout", OF(INGRESS)},
        {"contour.heptio.com/request-timeout", OF(INGRESS)},
        {"contour.heptio.com/response-timeout", OF(INGRESS)},
        {"contour.heptio.com/retry-on", OF(INGRESS)},
        {"contour.heptio.com/tls-minimum-protocol-version", OF(INGRESS)},
        {"contour.heptio.com/upstream-protocol.h2", OF(SERVICE)},
        {"contour.heptio.com/upstream-protocol.h2c", OF(SERVICE)},
        {"contour.heptio.com/upstream-protocol.tls", OF(SERVICE)},
        {"contour.heptio.com/websocket-routes", OF(INGRESS)},
        {"ingress.kubernetes.io/force-ssl-redirect", OF(INGRESS)},
        {"ingressclass.kubernetes.io/is-default-class", OF(INGRESSCLASS)},
        {"kubernetes.io/ingress.allow-http", OF(INGRESS)},
        {"kubernetes.io/ingress.class", OF(INGRESSROUTE) | OF(INGRESS)},
        {"projectcontour.io/ingress.class", OF(INGRESSROUTE) | OF(INGRESS)},
        {"projectcontour.io/max-connections", OF(SERVICE)},
        {"projectcontour.io/max-pending-requests", OF(SERVICE)},
        {"projectcontour.io/max-requests", OF(SERVICE)},
        {"projectcontour.io/max-retries", OF(SERVICE)},
        {"projectcontour.io/num-retries", OF(INGRESS)},
        {"projectcontour.io/per-try-timeout", OF(INGRESS)},
        {"projectcontour.io/request-timeout", OF(INGRESS)},
        {"projectcontour.io/response-timeout", OF(INGRESS)},
        {"projectcontour.io/retry-on", OF(INGRESS)},
        {"projectcontour.io/tls-minimum-protocol-version", OF(INGRESS)},
        {"projectcontour.io/upstream-protocol.h2", OF(SERVICE)},
        {"projectcontour.io/upstream-protocol.h2c", OF(SERVICE)},
        {"projectcontour.io/upstream-protocol.tls", OF(SERVICE)},
        {"projectcontour.io/websocket-routes", OF(INGRESS)},
};

static void read_annotations(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct object *o = item;
        if (!json_is_object(value)) {
                decode_problem(d, at, PROBLEM_INVALID, "must be an object");
                return;
        }
        if (json_object_size(value) == 0)
                return;
        struct annotation found[COUNT_OF(known_annotations)];
        size_t n = 0;
        for (size_t i = 0; i < COUNT_OF(known_annotations); i++) {
                const char *key = known_annotations[i].key;
                const json_t *text = NULL;
                if (known_annotations[i].kinds & 1U << o->kind)
                        text = decode_member(value, key);
                if (!text)
                        continue;
                struct place member = {.parent = at, .key = key};
                /* Unreadable, it stays as an empty one: a grant that cannot be read grants nothing. */
                found[n] = (struct annotation){.key = key, .value = ""};
                decode_string(d, &member, text, &found[n++].value);
        }
        o->annotations = n ? arena_memdup(d->arena, found, n * sizeof(found[0])) : NULL;
        o->annotation_count = n;
}

const char *object_annotation(const struct object *o, const char *key)
{
        for (size_t i = 0; i < o->annotation_count; i++)
                if (strcmp(o->annotations[i].key, key) == 0)
                        return o->annotations[i].value;
        return NULL;
}

const char *object_contour_annotation(const struct object *o, const char *name)
{
        static const char *const prefixes[] = {"projectcontour.io/", "contour.heptio.com/"};
        for (size_t p = 0; p < COUNT_OF(prefixes); p++)
                for (size_t i = 0; i < o->annotation_count; i++) {
                        const char *key = o->annotations[i].key;
                        if (str_has_prefix(key, prefixes[p]) && strcmp(key + strlen(prefixes[p]), name) == 0)
                                return o->annotations[i].value;
                }
        return NULL;
}

/* ---- metadata ---- */

static void read_created(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        struct object *o = item;
        const char *text = json_string_value(value);
        if (!text || !time_parse(text, &o->created, NULL))
                decode_problem(d, at, PROBLEM_INVALID, "must be a time in RFC 3339 form");
}

static void read_deleted(struct decode *d, const struct place *at, const json_t *value, void *item)
{
        (void)d;
        (void)at;
        (void)value;
        struct object *o = item;
        o->deleting = true;
}

static const struct field metadata_fields[] = {
        {FIELD_OF("uid", FIELD_STRING, object, uid)},
        {FIELD_OF("resourceVersion", FIELD_STRING, object, resource_version)},
        {FIELD_OF("generation", FIELD_INT64, object, generation)},
        {.name = "creationTimestamp", .type = FIELD_CUSTOM, .read = read_created},
        {.name = "deletionTimestamp", .type = FIELD_CUSTOM, .read = read_deleted},
        {.name = "annotations", .type = FIELD_CUSTOM, .read = read_annotations},
};
static const struct shape metadata_shape = {SHAPE_FIELDS(metadata_fields)};

/* The value when it is given and not empty: the API server takes an empty one as absent. */
static const json_t *given(const json_t *metadata, const char *what)
{
        const json_t *value = decode_member(metadata, what);
        return json_is_string(value) && json_string_length(value) == 0 ? NULL : value;
}

static bool check_key(const json_t *value, const char *what, size_t max, struct err *e)
{
        if (!value)
                return err_set(e, "metadata.%s is missing: every object needs one", what);
        if (!json_is_string(value))
                return err_set(e, "metadata.%s must be a string", what);
        if (json_string_length(value) > max)
                return err_set(e, "metadata.%s is longer than %zu bytes", what, max);
        if (strlen(json_string_value(value)) != json_string_length(value))
                return err_set(e, "metadata.%s holds a NUL", what);
        return true;
}

static bool read_keys(struct decode *d, const json_t *metadata, struct object *o, struct err *e)
{
        const json_t *value = given(metadata, "name");
        if (!check_key(value, "name", NAME_MAX_BYTES, e))
                return false;
        const char *name = json_string_value(value);
        const char *namespace = "";
        if (kind_info(o->kind)->namespaced) {
                value = given(metadata, "namespace");
                namespace = value ? NULL : d->options->default_namespace;
                if (!namespace) {
                        if (!check_key(value, "namespace", NAMESPACE_MAX_BYTES, e))
                                return false;
                        namespace = json_string_value(value);
                }
        }
        /* Right behind the struct, not among the strings: every lookup compares it. */
        size_t m = strlen(namespace) + 1;
        size_t n = strlen(name) + 1;
        char *key = arena_alloc(d->arena, m + n);
        o->namespace = memcpy(key, namespace, m);
        o->name = memcpy(key + m, name, n);
        return true;
}

/* ---- objects ---- */

/* The first pass finds the problems; the second keeps them. */
static void keep_problems(struct decode *d, struct object *o)
{
        o->problems = d->problems;
        o->problem_count = d->problem_count;
        if (!d->draft || !d->draft->problem_count)
                return;
        struct problem *kept = arena_memdup(d->arena, d->draft->problems, d->draft->problem_count * sizeof(*kept));
        for (size_t i = 0; i < d->draft->problem_count; i++)
                kept[i].field = arena_strdup(d->arena, kept[i].field);
        o->problems = kept;
        o->problem_count = d->draft->problem_count;
}

static struct object *decode_in(struct arena *arena, const struct object *draft, enum kind kind, const json_t *json,
                                const struct object_options *options, struct err *e)
{
        struct decode d = {.arena = arena, .options = options, .draft = draft, .silent = draft != NULL};
        struct object *o = arena_alloc(arena, sizeof(*o));
        *o = (struct object){.arena = arena, .kind = kind, .uid = "", .resource_version = ""};
        struct place at = {.key = "metadata"};
        const json_t *metadata = decode_member(json, at.key);
        if (!json_is_object(metadata)) {
                err_set(e, "metadata is missing: every object needs metadata.name");
                return NULL;
        }
        if (!read_keys(&d, metadata, o, e))
                return NULL;
        d.namespace = o->namespace;
        decode_shape(&d, &at, &metadata_shape, metadata, o);
        kinds[kind].decode(&d, json, o);
        keep_problems(&d, o);
        return o;
}

/*
 * Twice: a first pass in a larger arena says how many bytes the second needs, so that a stored object is one piece of
 * memory of just its size.
 */
struct object *object_decode(enum kind kind, const json_t *json, const struct object_options *options, struct err *e)
{
        static const struct object_options none;
        if (!options)
                options = &none;
        assert((unsigned)kind < KIND_COUNT);
        AUTO(arena) *scratch = arena_new(DRAFT_SIZE);
        const struct object *draft = decode_in(scratch, NULL, kind, json, options, e);
        if (!draft)
                return NULL;
        AUTO(arena) *arena = arena_new(arena_used(scratch));
        struct object *o = decode_in(arena, draft, kind, json, options, e);
        mem_take(&arena);
        return o;
}

void object_free(struct object *o)
{
        if (!o)
                return;
        if (o->kind == KIND_SECRET && o->secret->key.bytes)
                mem_wipe((void *)(uintptr_t)o->secret->key.bytes, o->secret->key.size);
        arena_free(o->arena);
}

size_t object_size(const struct object *o)
{
        return arena_size(o->arena);
}

char *object_normalise_host(struct arena *a, const char *host)
{
        size_t n = strlen(host);
        /* Two dots are an empty label, not a root: taking one of them off each time would not be idempotent. */
        if (n && host[n - 1] == '.' && (n == 1 || host[n - 2] != '.'))
                n--;
        char *normal = arena_strndup(a, host, n);
        for (char *c = normal; *c; c++)
                if (*c >= 'A' && *c <= 'Z')
                        *c = (char)(*c - 'A' + 'a');
        return normal;
}
