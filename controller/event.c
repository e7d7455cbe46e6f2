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

/* The version that the names of our kinds are known by; only for whoever follows the reference. */
static const char *api_version(enum kind kind)
{
        return kind == KIND_INGRESS ? "networking.k8s.io/v1" : "contour.heptio.com/v1beta1";
}

static void append_object(struct buf *b, const struct object *o)
{
        buf_append_str(b, "\"involvedObject\":{");
        json_text_member(b, "apiVersion", api_version(o->kind), ",");
        json_text_member(b, "kind", kind_info(o->kind)->name, ",");
        json_text_member(b, "namespace", o->namespace, ",");
        json_text_member(b, "name", o->name, ",");
        json_text_member(b, "resourceVersion", o->resource_version, ",");
        json_text_member(b, "uid", o->uid, "},");
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
        json_text_member(body, "namespace", o->namespace, ",");
        json_text_member(body, "name", name, "},");
        append_object(body, o);
        json_text_member(body, "type", note->warning ? "Warning" : "Normal", ",");
        json_text_member(body, "reason", note->reason, ",");
        json_text_member(body, "message", message, ",");
        json_text_member(body, "firstTimestamp", now, ",");
        json_text_member(body, "lastTimestamp", now, ",");
        json_text_member(body, "reportingComponent", "gatehouse", ",");
        json_text_member(body, "reportingInstance", instance, ",");
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
