/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/control.h"
#include "e2e/devkube/admission.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/fault.h"
#include "e2e/devkube/meta.h"
#include "e2e/devkube/store.h"

#include "base/time.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 26, DEFAULT_JUMP = 1000000 };

/* ---- restarts ---- */

static struct restart wanted;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int wanted_fd = -1;

static void open_fd(void)
{
        wanted_fd = eventfd(0, EFD_CLOEXEC);
}

int control_fd(void)
{
        pthread_once(&once, open_fd);
        return wanted_fd;
}

struct restart control_restart(void)
{
        uint64_t n;
        while (read(wanted_fd, &n, sizeof(n)) < 0)
                ;
        return wanted;
}

/* Once the answer is out: the restart takes the connection away. */
static void ask_for_restart(void)
{
        uint64_t one = 1;
        while (write(control_fd(), &one, sizeof(one)) < 0)
                ;
}

/* ---- loading ---- */

/* What is loaded for one resource, to be stored at once. */
struct batch {
        const struct resource *resource;
        struct object **objects;
        size_t count, capacity;
        struct batch *next;
};

static void batches_free(struct batch *b)
{
        while (b) {
                struct batch *next = b->next;
                for (size_t i = 0; i < b->count; i++)
                        object_unref(b->objects[i]);
                mem_free(b->objects);
                mem_free(b);
                b = next;
        }
}

static void batch_add(struct batch **list, const struct resource *r, struct object *o)
{
        while (*list && (*list)->resource->objects != r->objects)
                list = &(*list)->next;
        if (!*list) {
                *list = mem_zalloc(sizeof(**list));
                (*list)->resource = r;
        }
        struct batch *b = *list;
        if (b->count == b->capacity) {
                b->capacity = b->capacity ? 2 * b->capacity : 64;
                b->objects = mem_resize(b->objects, b->capacity, sizeof(struct object *));
        }
        b->objects[b->count++] = o;
}

static bool load_object(struct batch **list, json_t *object, struct err *e)
{
        const char *version = js_text_or_empty(object, "apiVersion"), *kind = js_text_or_empty(object, "kind");
        const char *slash = strchr(version, '/');
        AUTO_STR *group = mem_strndup(version, slash ? (size_t)(slash - version) : 0);
        const struct resource *r = resource_find_kind(group, kind);
        if (!r || !resource_version(r, slash ? slash + 1 : version))
                return err_set(e, "no kind %s %s is served: create its CRD first", version, kind);
        const char *ns = js_text_or_empty(object, "metadata.namespace");
        AUTO_STR *own_ns = r->namespaced ? mem_strdup(*ns ? ns : "default") : NULL;
        json_auto_t *given = json_deep_copy(json_object_get(object, "metadata"));
        meta_create(r, own_ns, object);
        /* A bench may want objects of chosen ages and identities. */
        json_t *meta = js_object(object, "metadata");
        static const char *const kept[] = {"uid", "creationTimestamp", "generation"};
        for (size_t i = 0; i < COUNT_OF(kept); i++) {
                if (json_object_get(given, kept[i]))
                        json_object_set(meta, kept[i], json_object_get(given, kept[i]));
        }
        if (!*js_text_or_empty(meta, "name"))
                return err_set(e, "an object of kind %s has no name", kind);
        if (!r->custom)
                builtin_default(r, object, NULL);
        if (str_equal(r->plural, "customresourcedefinitions"))
                resource_define(object);
        batch_add(list, r, object_new(r, object));
        return true;
}

static bool load_value(struct batch **list, json_t *value, struct err *e)
{
        json_t *items = json_object_get(value, "items");
        if (!json_is_array(items))
                return load_object(list, value, e);
        size_t i;
        json_t *item;
        json_array_foreach (items, i, item) {
                if (!load_object(list, item, e))
                        return err_wrap(e, "items[%zu]", i);
        }
        return true;
}

static bool load_lines(struct batch **list, const char *text, size_t n, struct err *e)
{
        size_t number = 0;
        for (const char *p = text, *end = text + n; p < end;) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));
                size_t len = (size_t)((newline ? newline : end) - p);
                number++;
                if (len) {
                        json_auto_t *value = js_parse(p, len, e);
                        if (!value || !load_value(list, value, e))
                                return err_wrap(e, "line %zu", number);
                }
                p += len + 1;
        }
        return true;
}

bool control_load(const char *text, size_t n, size_t *count, struct err *e)
{
        struct batch *list = NULL;
        struct err ignored;
        json_t *whole = js_parse(text, n, &ignored);
        bool done = whole ? load_value(&list, whole, e) : load_lines(&list, text, n, e);
        json_decref(whole);
        *count = 0;
        for (struct batch *b = list; done && b; b = b->next) {
                *count += b->count;
                store_load(b->resource, b->objects, b->count);
                b->count = 0;
        }
        batches_free(list);
        return done;
}

/* ---- endpoints ---- */

static void reply(struct answer *a, int code, json_t *value)
{
        AUTO_STR *text = js_text(value);
        json_decref(value);
        a->code = code;
        a->body = buf_new(TEXT_MAX);
        buf_printf(a->body, "%s\n", text);
}

static void refuse(struct answer *a, int code, const char *why)
{
        reply(a, code, json_pack("{s:s}", "error", why));
}

/* Faults that are not rules but happen now. */
static bool happens_now(const json_t *f, struct answer *a)
{
        const char *kind = js_text_or_empty(f, "fault");
        bool restart = str_equal(kind, "restart");
        if (str_equal(kind, "drop-watches")) {
                fault_drop_watches();
                return true;
        }
        if (!restart && !str_equal(kind, "refuse"))
                return false;
        wanted = (struct restart){.down = js_int(f, "milliseconds", restart ? 0 : 1000) * DURATION_MILLISECOND,
                                  .forget = restart,
                                  .jump = (uint64_t)js_int(f, "jump", DEFAULT_JUMP)};
        a->sent = ask_for_restart;
        return true;
}

static void post_faults(const json_t *body, struct answer *a)
{
        json_auto_t *list = json_is_array(body) ? json_deep_copy(body) : json_pack("[O]", body);
        size_t i;
        json_t *fault;
        struct err e;
        json_array_foreach (list, i, fault) {
                if (!happens_now(fault, a) && !fault_add(fault, &e)) {
                        refuse(a, 400, e.text);
                        return;
                }
        }
        reply(a, 200, fault_list());
}

static void post_services(const json_t *body, struct answer *a)
{
        const char *service;
        json_t *address;
        json_object_foreach (js_unconst(body), service, address) {
                if (json_is_string(address))
                        admission_set_service(service, json_string_value(address));
        }
        reply(a, 200, json_deep_copy(body));
}

static void handle_post(const struct request *q, struct answer *a)
{
        struct err e = {0};
        size_t count;
        if (str_equal(q->path, "/devkube/load")) {
                if (control_load(buf_data(q->body), buf_len(q->body), &count, &e))
                        reply(a, 200, json_pack("{s:I}", "loaded", (json_int_t)count));
                else
                        refuse(a, 400, e.text);
                return;
        }
        json_auto_t *body = js_parse(buf_data(q->body), buf_len(q->body), &e);
        if (!body)
                refuse(a, 400, e.text);
        else if (str_equal(q->path, "/devkube/faults"))
                post_faults(body, a);
        else if (str_equal(q->path, "/devkube/services"))
                post_services(body, a);
        else
                refuse(a, 404, "see e2e/devkube/README.md");
}

void control_handle(struct request *q, struct answer *a)
{
        bool faults = str_equal(q->path, "/devkube/faults"), requests = str_equal(q->path, "/devkube/requests");
        if (str_equal(q->method, "POST")) {
                handle_post(q, a);
        } else if (str_equal(q->method, "GET") && (faults || requests)) {
                reply(a, 200, faults ? fault_list() : fault_counts());
        } else if (str_equal(q->method, "DELETE") && (faults || requests)) {
                if (faults)
                        fault_clear();
                else
                        fault_reset_counts();
                reply(a, 200, json_object());
        } else {
                refuse(a, 404, "see e2e/devkube/README.md");
        }
}
