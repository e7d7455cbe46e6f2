/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_health.h"

#include "base/map.h"

#include <grpc/health/v1/health.pb-c.h>
#include <utlist.h>

enum {
        REQUEST_MAX = 512,  /* a service's name; unknown fields cost twenty times their bytes */
        RESPONSE_SIZE = 2,  /* field 1 and a status below 128 */
        STATUS_FIELD = 0x08 /* field 1, varint */
};

struct grpc_health {
        struct map *names;
        bool serving;
        struct watch *watches;
        struct grpc_service check, watch;
};

/* One call of either method. */
struct watch {
        struct watch *prev, *next;
        struct grpc_health *health;
        struct grpc_call *call;
        bool once, asked, known;
        Grpc__Health__V1__HealthCheckResponse__ServingStatus told; /* UNKNOWN: nothing yet */
        uint8_t bytes[RESPONSE_SIZE];
        struct iovec part;
};

static void *open_call(struct grpc_health *h, struct grpc_call *c, bool once)
{
        struct watch *w = mem_zalloc(sizeof(*w));
        w->health = h;
        w->call = c;
        w->once = once;
        DL_APPEND(h->watches, w);
        return w;
}

static void *open_check(struct grpc_call *c, void *arg)
{
        return open_call(arg, c, true);
}

static void *open_watch(struct grpc_call *c, void *arg)
{
        return open_call(arg, c, false);
}

static void on_message(struct grpc_call *c, void *state, const uint8_t *p, size_t n)
{
        struct watch *w = state;
        Grpc__Health__V1__HealthCheckRequest *r =
                n <= REQUEST_MAX ? grpc__health__v1__health_check_request__unpack(NULL, n, p) : NULL;
        if (!r || w->asked) {
                grpc_call_end(c, GRPC_INVALID_ARGUMENT, "one HealthCheckRequest is expected");
        } else {
                w->asked = true;
                w->known = r->service[0] == '\0' || map_get(w->health->names, r->service);
                if (w->once && !w->known)
                        grpc_call_end(c, GRPC_NOT_FOUND, "no such service here");
                grpc_call_wake(c);
        }
        if (r)
                grpc__health__v1__health_check_request__free_unpacked(r, NULL);
}

static void on_half_close(struct grpc_call *c, void *state)
{
        const struct watch *w = state;
        if (!w->asked)
                grpc_call_end(c, GRPC_INTERNAL, "the request holds no message");
}

static bool on_next(struct grpc_call *c, void *state, struct grpc_message *out)
{
        struct watch *w = state;
        Grpc__Health__V1__HealthCheckResponse__ServingStatus now =
                !w->known            ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
                : w->health->serving ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                                     : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
        if (!w->asked || now == w->told)
                return false;
        w->told = now;
        w->bytes[0] = STATUS_FIELD;
        w->bytes[1] = (uint8_t)now;
        w->part = (struct iovec){w->bytes, sizeof(w->bytes)};
        *out = (struct grpc_message){&w->part, 1, NULL, NULL};
        if (w->once)
                grpc_call_end(c, GRPC_OK, NULL);
        return true;
}

static void on_close(void *state, enum grpc_close reason)
{
        (void)reason;
        struct watch *w = state;
        DL_DELETE(w->health->watches, w);
        mem_free(w);
}

struct grpc_health *grpc_health_new(struct grpc_server *s, const char *const *names, size_t count)
{
        struct grpc_health *h = mem_zalloc(sizeof(*h));
        h->names = map_new();
        for (size_t i = 0; i < count; i++)
                map_set(h->names, names[i], h);
        h->check = (struct grpc_service){
                .path = "/grpc.health.v1.Health/Check",
                .open = open_check,
                .message = on_message,
                .half_close = on_half_close,
                .next = on_next,
                .close = on_close,
                .arg = h,
        };
        h->watch = h->check;
        h->watch.path = "/grpc.health.v1.Health/Watch";
        h->watch.open = open_watch;
        grpc_server_add(s, &h->check);
        grpc_server_add(s, &h->watch);
        return h;
}

void grpc_health_free(struct grpc_health *h)
{
        if (!h)
                return;
        map_free(h->names);
        mem_free(h);
}

void grpc_health_set(struct grpc_health *h, bool serving)
{
        h->serving = serving;
        struct watch *w = NULL;
        DL_FOREACH (h->watches, w) {
                grpc_call_wake(w->call);
        }
}
