/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/event.h"

#include "base/json_text.h"
#include "base/time.h"

#include <inttypes.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NAME_MAX_BYTES = 253, HASH_DIGITS = 17 /* with its dot */ };

/* The same on every replica, unlike map_hash(). */
static uint64_t hash_of(const struct event_note *note)
{
        AUTO_STR *text = mem_printf("%s\n%s\n%s\n%s", note->object->uid, note->reason, note->message, note->occasion);
        return XXH3_64bits(text, strlen(text));
}

static void append_field(struct buf *b, const char *name, const char *value)
{
        buf_printf(b, "\"%s\":", name);
        json_text_string(b, value);
        buf_append_char(b, ',');
}

/* The version that the names of our kinds are known by; only for whoever follows the reference. */
static const char *api_version(enum kind kind)
{
        return kind == KIND_INGRESS ? "networking.k8s.io/v1" : "contour.heptio.com/v1beta1";
}

static void append_object(struct buf *b, const struct object *o)
{
        buf_append_str(b, "\"involvedObject\":{");
        append_field(b, "apiVersion", api_version(o->kind));
        append_field(b, "kind", kind_info(o->kind)->name);
        append_field(b, "namespace", o->namespace);
        append_field(b, "name", o->name);
        append_field(b, "resourceVersion", o->resource_version);
        append_field(b, "uid", o->uid);
        buf_truncate(b, buf_len(b) - 1);
        buf_append_str(b, "},");
}

/* Of a DNS subdomain that is cut, what is one still: it ends in no dot and no dash (RFC 1123, section 2.1). */
static size_t name_cut(const char *name)
{
        size_t n = str_cut(name, NAME_MAX_BYTES - HASH_DIGITS);
        while (n && (name[n - 1] == '.' || name[n - 1] == '-'))
                n--;
        return n;
}

void event_body(struct buf *body, const struct event_note *note, const char *instance, int64_t now_micros)
{
        const struct object *o = note->object;
        AUTO_STR *name = mem_printf("%.*s.%016" PRIx64, (int)name_cut(o->name), o->name, hash_of(note));
        AUTO_STR *message = mem_strndup(note->message, str_cut(note->message, EVENT_MESSAGE_MAX));
        char now[TIME_TEXT_MAX];
        time_format_seconds(now_micros, now);
        buf_append_str(body, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{");
        append_field(body, "namespace", o->namespace);
        append_field(body, "name", name);
        buf_truncate(body, buf_len(body) - 1);
        buf_append_str(body, "},");
        append_object(body, o);
        append_field(body, "type", note->warning ? "Warning" : "Normal");
        append_field(body, "reason", note->reason);
        append_field(body, "message", message);
        append_field(body, "firstTimestamp", now);
        append_field(body, "lastTimestamp", now);
        append_field(body, "reportingComponent", "gatehouse");
        append_field(body, "reportingInstance", instance);
        buf_append_str(body, "\"source\":{\"component\":\"gatehouse\"},\"count\":1}");
}

/* ---- how many ---- */

/* A bucket as the time when it is full again (GCRA): each taking moves it on by one interval. */
static bool has_room(int64_t full_at, int64_t now, int burst, int64_t interval)
{
        return full_at - now <= (burst - 1) * interval;
}

static void take(int64_t *full_at, int64_t now, int64_t interval)
{
        *full_at = (*full_at > now ? *full_at : now) + interval;
}

bool event_limit_take(struct event_limit *l, const struct object *o, int64_t now)
{
        int64_t *own = &l->objects[XXH3_64bits(o->uid, strlen(o->uid)) % EVENT_OBJECT_SLOTS];
        if (!has_room(*own, now, EVENT_OBJECT_BURST, EVENT_OBJECT_INTERVAL) ||
            !has_room(l->all, now, EVENT_BURST, EVENT_INTERVAL))
                return false;
        take(own, now, EVENT_OBJECT_INTERVAL);
        take(&l->all, now, EVENT_INTERVAL);
        return true;
}
