/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/apply.h"

#include "base/base64.h"
#include "base/json_read.h"
#include "base/json_text.h"
#include "base/map.h"
#include "base/time.h"
#include "kube/client.h"

#include <event2/event.h>

#include <stdio.h>
#include <string.h>

enum {
        BODY_MAX = 4 * 1024 * 1024,
        ATTEMPTS_MAX = 5, /* of a request that the server is too busy for */
        OK = 200,
        NOT_FOUND = 404,
        TOO_MANY_REQUESTS = 429,
        UNAVAILABLE = 503,
};
static const char leaf_type[] = "kubernetes.io/tls";
static const char authority_type[] = "gatehouse.io/ca"; /* its own, so that serve never lists it */
static const int64_t busy_pause = DURATION_SECOND;
static const int64_t clock_slack = 5 * TIME_MICROS_PER_SECOND; /* Date has seconds, and takes its way */

/* What must be known of an object to write it. */
struct remote {
        char *version;  /* resourceVersion */
        size_t entries; /* of a webhook configuration */
};

struct apply {
        struct event_base *base;
        struct client *client;
        char *namespace;
        int64_t ahead;       /* of our clock: the API server's, in microseconds */
        struct map *remotes; /* path -> struct remote */
};

struct answer {
        bool done;
        int code;
        int64_t retry_after, date;
        json_t *body; /* NULL where it is no JSON */
        struct err error;
};

/* Which key of a Secret's data holds which field. */
struct place {
        enum rotation_kind kind;
        enum rotation_field field;
        const char *key;
};
static const struct place places[] = {
        {ROTATION_AUTHORITY, ROTATION_BUNDLE, "ca.crt"}, {ROTATION_AUTHORITY, ROTATION_KEY, "ca.key"},
        {ROTATION_AUTHORITY, ROTATION_NEXT, "next.key"}, {ROTATION_AUTHORITY, ROTATION_SETTLED, "settled"},
        {ROTATION_LEAF, ROTATION_BUNDLE, "ca.crt"},      {ROTATION_LEAF, ROTATION_CRT, "tls.crt"},
        {ROTATION_LEAF, ROTATION_KEY, "tls.key"},
};

/* ---- requests that wait ---- */

static void answered(const struct response *r, void *arg)
{
        struct answer *out = arg;
        out->done = true;
        out->code = r->code;
        out->retry_after = r->retry_after;
        out->date = r->date;
        out->error = r->error;
        out->body = r->code ? json_read(r->body, r->size, NULL) : NULL;
}

void apply_pause(struct apply *a, int64_t nanos)
{
        struct timeval wait = {
                .tv_sec = (time_t)(nanos / DURATION_SECOND),
                .tv_usec = (suseconds_t)(nanos % DURATION_SECOND / DURATION_MICROSECOND),
        };
        event_base_loopexit(a->base, &wait);
        event_base_dispatch(a->base);
}

static void ask_once(struct apply *a, const struct request *r, struct answer *out)
{
        *out = (struct answer){0};
        client_request(a->client, r, answered, out);
        while (!out->done)
                event_base_loop(a->base, EVLOOP_ONCE);
        int64_t ahead = out->date - time_now_micros();
        if (out->date)
                a->ahead = ahead > clock_slack || ahead < -clock_slack ? ahead : 0;
}

int64_t apply_time(const struct apply *a)
{
        return time_now_micros() + a->ahead;
}

static bool is_busy(const struct answer *answer)
{
        return answer->code == TOO_MANY_REQUESTS || (answer->code == UNAVAILABLE && answer->retry_after);
}

/* The server's own words, where it sent a Status. */
static bool fail(const struct request *r, const struct answer *answer, struct err *e)
{
        if (!answer->code)
                return err_set(e, "%s %s: %s", r->method, r->path, answer->error.text);
        const char *message = json_string_value(json_object_get(answer->body, "message"));
        return err_set_code(e, answer->code, "%s %s: %d: %s", r->method, r->path, answer->code,
                            message ? message : "no explanation");
}

/* Any answer but a failure, or, where allowed, 404 (then out->code says so). The caller owns out->body. */
static bool ask(struct apply *a, const struct request *r, bool may_be_absent, struct answer *out, struct err *e)
{
        ask_once(a, r, out);
        for (int i = 1; i < ATTEMPTS_MAX && is_busy(out); i++) {
                json_decref(out->body);
                apply_pause(a, out->retry_after ? out->retry_after : busy_pause);
                ask_once(a, r, out);
        }
        bool fine = out->code >= OK && out->code < OK + 100;
        if (fine || (may_be_absent && out->code == NOT_FOUND))
                return true;
        fail(r, out, e);
        json_decref(out->body);
        return false;
}

/* ---- paths, versions ---- */

static char *collection_path(const struct apply *a)
{
        AUTO_STR *namespace = client_escape(a->namespace);
        return mem_printf("/api/v1/namespaces/%s/secrets", namespace);
}

static char *object_path(const struct apply *a, const struct rotation_object *o)
{
        AUTO_STR *name = client_escape(o->name);
        if (o->kind == ROTATION_HOOK)
                return mem_printf("/apis/admissionregistration.k8s.io/v1/%s/%s", o->type, name);
        AUTO_STR *collection = collection_path(a);
        return mem_printf("%s/%s", collection, name);
}

static void free_remote(const char *key, void *value, void *arg)
{
        (void)key, (void)arg;
        struct remote *remote = value;
        mem_free(remote->version);
        mem_free(remote);
}

static void forget_all(struct apply *a)
{
        if (a->remotes)
                map_each(a->remotes, free_remote, NULL);
        map_free(a->remotes);
        a->remotes = NULL;
}

static struct remote *remember(struct apply *a, const char *path, const json_t *object)
{
        const json_t *metadata = json_object_get(object, "metadata");
        const char *version = json_string_value(json_object_get(metadata, "resourceVersion"));
        struct remote *remote = map_get(a->remotes, path);
        if (!remote) {
                remote = mem_zalloc(sizeof(*remote));
                map_set(a->remotes, path, remote);
        }
        mem_free(remote->version);
        remote->version = mem_strdup(version ? version : "");
        return remote;
}

/* ---- reading ---- */

static bool take_field(struct rotation_object *o, const struct place *place, json_t *data, struct err *e)
{
        json_t *value = json_object_get(data, place->key);
        const char *text = json_string_value(value);
        if (!text)
                return true;
        AUTO(buf) *bytes = base64_decode(text, json_string_length(value), ROTATION_FIELD_MAX);
        mem_wipe((char *)text, json_string_length(value));
        if (!bytes)
                return err_set(e, "Secret %s: data of %s is no base64", o->name, place->key);
        rotation_set(o, place->field, buf_data(bytes), buf_len(bytes));
        return true;
}

static bool take_secret(struct rotation_object *o, json_t *object, struct err *e)
{
        const char *wanted = o->kind == ROTATION_LEAF ? leaf_type : authority_type;
        const char *type = json_string_value(json_object_get(object, "type"));
        if (!str_equal(type, wanted))
                return err_set(e, "Secret %s is of type %.60s, not %s, and a type cannot be changed: delete it",
                               o->name, type ? type : "(none)", wanted);
        json_t *data = json_object_get(object, "data");
        for (size_t i = 0; i < COUNT_OF(places); i++) {
                if (places[i].kind == o->kind && !take_field(o, &places[i], data, e))
                        return false;
        }
        return true;
}

/* Annotations by which cert-manager marks what it keeps, on a Secret or on a webhook configuration. */
static const struct {
        enum rotation_kind kind;
        const char *annotation;
        const char *words; /* the annotation's value follows */
} marks[] = {
        {ROTATION_LEAF, "cert-manager.io/certificate-name", "left alone: cert-manager keeps it, Certificate"},
        {ROTATION_HOOK, "cert-manager.io/inject-ca-from", "left alone: cert-manager injects caBundle from"},
        {ROTATION_HOOK, "cert-manager.io/inject-ca-from-secret",
         "left alone: cert-manager injects caBundle from Secret"},
};

static void take_owner(struct rotation_object *o, const json_t *object)
{
        const json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
        for (size_t i = 0; i < COUNT_OF(marks); i++) {
                const char *value = json_string_value(json_object_get(annotations, marks[i].annotation));
                if (!value || marks[i].kind != o->kind)
                        continue;
                AUTO_STR *words = mem_printf("%s %.60s", marks[i].words, value);
                rotation_own(o, words);
        }
}

/* The bundle counts as published when all entries have the same one. */
static void take_hook(struct rotation_object *o, struct remote *remote, json_t *object)
{
        const json_t *entries = json_object_get(object, "webhooks");
        const char *common = NULL;
        bool same = true;
        remote->entries = json_array_size(entries);
        for (size_t i = 0; i < remote->entries; i++) {
                const json_t *config = json_object_get(json_array_get(entries, i), "clientConfig");
                const char *bundle = json_string_value(json_object_get(config, "caBundle"));
                if (i == 0)
                        common = bundle;
                same = same && str_equal(bundle, common);
        }
        AUTO(buf) *bytes = same && common ? base64_decode(common, strlen(common), ROTATION_FIELD_MAX) : NULL;
        if (bytes)
                rotation_set(o, ROTATION_BUNDLE, buf_data(bytes), buf_len(bytes));
        /* Without entries there is nothing to write into. */
        o->stored = remote->entries > 0;
}

static bool read_object(struct apply *a, struct rotation_object *o, struct err *e)
{
        AUTO_STR *path = object_path(a, o);
        struct request request = {
                .method = "GET", .path = path, .verb = "get", .resource = o->type ? o->type : "secrets"};
        struct answer answer;
        if (!ask(a, &request, true, &answer, e))
                return false;
        AUTO_JSON *object = answer.body;
        if (answer.code == NOT_FOUND)
                return true;
        struct remote *remote = remember(a, path, object);
        o->stored = true;
        take_owner(o, object);
        if (*o->foreign)
                return true;
        if (o->kind != ROTATION_HOOK)
                return take_secret(o, object, e);
        take_hook(o, remote, object);
        return true;
}

bool apply_read(struct apply *a, struct rotation *r, struct err *e)
{
        rotation_clear(r);
        forget_all(a);
        a->remotes = map_new();
        size_t count;
        struct rotation_object *objects = rotation_objects(r, &count);
        for (size_t i = 0; i < count; i++) {
                if (!read_object(a, &objects[i], e))
                        return false;
        }
        return true;
}

/* ---- writing ---- */

/* "data":{...}; with `absent` also the keys that are to go. */
static void append_data(struct buf *out, const struct rotation_object *o, bool absent)
{
        const char *comma = "";
        buf_append_str(out, "\"data\":{");
        for (size_t i = 0; i < COUNT_OF(places); i++) {
                const struct buf *value = o->fields[places[i].field];
                if (places[i].kind != o->kind || (!value && !absent))
                        continue;
                buf_printf(out, "%s\"%s\":", comma, places[i].key);
                if (value)
                        json_text_base64(out, buf_data(value), buf_len(value));
                else
                        buf_append_str(out, "null");
                comma = ",";
        }
        buf_append_char(out, '}');
}

static void append_new_secret(struct buf *out, const struct apply *a, const struct rotation_object *o)
{
        buf_append_str(out, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":");
        json_text_string(out, o->name);
        buf_append_str(out, ",\"namespace\":");
        json_text_string(out, a->namespace);
        buf_printf(out, ",\"labels\":{\"app.kubernetes.io/name\":\"gatehouse\"}},\"type\":\"%s\",",
                   o->kind == ROTATION_LEAF ? leaf_type : authority_type);
        append_data(out, o, false);
        buf_append_char(out, '}');
}

/* JSON merge patch (RFC 7396); a resourceVersion in it must be the present one. */
static void append_secret_patch(struct buf *out, const struct rotation_object *o, const struct remote *remote)
{
        buf_append_str(out, "{\"metadata\":{\"resourceVersion\":");
        json_text_string(out, remote->version);
        buf_append_str(out, "},");
        append_data(out, o, true);
        buf_append_char(out, '}');
}

/* JSON Patch (RFC 6902): only caBundle of each entry; writing the old resourceVersion makes it a condition. */
static void append_hook_patch(struct buf *out, const struct rotation_object *o, const struct remote *remote)
{
        const struct buf *bundle = o->fields[ROTATION_BUNDLE];
        buf_append_str(out, "[{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":");
        json_text_string(out, remote->version);
        buf_append_char(out, '}');
        for (size_t i = 0; i < remote->entries; i++) {
                buf_printf(out, ",{\"op\":\"add\",\"path\":\"/webhooks/%zu/clientConfig/caBundle\",\"value\":", i);
                json_text_base64(out, buf_data(bundle), buf_len(bundle));
                buf_append_char(out, '}');
        }
        buf_append_char(out, ']');
}

bool apply_write(struct rotation_object *o, void *arg, struct err *e)
{
        struct apply *a = arg;
        AUTO_STR *path = object_path(a, o);
        AUTO_STR *collection = collection_path(a);
        const struct remote *remote = map_get(a->remotes, path);
        AUTO(buf) *body = buf_new(BODY_MAX);
        buf_set_secret(body);
        struct request request = {.method = "PATCH", .path = path, .verb = "patch"};
        request.resource = o->type ? o->type : "secrets";
        if (!remote) {
                request.method = "POST";
                request.path = collection;
                request.verb = "create";
                request.content_type = "application/json";
                append_new_secret(body, a, o);
        } else if (o->kind == ROTATION_HOOK) {
                request.content_type = "application/json-patch+json";
                append_hook_patch(body, o, remote);
        } else {
                request.content_type = "application/merge-patch+json";
                append_secret_patch(body, o, remote);
        }
        if (buf_full(body))
                return err_set(e, "%s is too large to be written", o->name);
        request.body = buf_data(body);
        request.body_size = buf_len(body);
        struct answer answer;
        if (!ask(a, &request, false, &answer, e)) {
                /* Deleted meanwhile: somebody else is at work, too. */
                if (e && e->code == NOT_FOUND && remote)
                        e->code = APPLY_CONFLICT;
                return false;
        }
        AUTO_JSON *object = answer.body;
        remember(a, path, object);
        return true;
}

/* ---- the connection ---- */

struct apply *apply_new(struct kubeconfig *config, const char *namespace, struct err *e)
{
        AUTO(apply) *a = mem_zalloc(sizeof(*a));
        a->namespace = mem_strdup(namespace);
        a->remotes = map_new();
        a->base = event_base_new();
        if (!a->base) {
                kubeconfig_free(config);
                err_set(e, "no event loop");
                return NULL;
        }
        a->client = client_new(a->base, config, e);
        return a->client ? mem_take(&a) : NULL;
}

void apply_free(struct apply *a)
{
        if (!a)
                return;
        client_free(a->client);
        if (a->base)
                event_base_free(a->base);
        forget_all(a);
        mem_free(a->namespace);
        mem_free(a);
}
