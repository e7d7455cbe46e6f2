/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include "base/json_read.h"
#include "base/log.h"
#include "base/time.h"
#include "kube/backoff.h"

#include <assert.h>
#include <event2/event.h>
#include <string.h>

enum { REQUEST_SECONDS = 5 }; /* two tries fit into the deadline */

#define RETRY_MAX (LEASE_DEADLINE_SECONDS / 2 * DURATION_SECOND)

struct lease {
        struct client *client;
        char *identity, *path, *collection, *namespace, *name;
        void (*on_change)(bool leading, void *arg);
        void *arg;
        struct lease_state state;
        struct event *timer;    /* the next try */
        struct event *deadline; /* looks whether we still may lead, whatever the requests do */
        struct call *call;
        char *acquired;   /* spec.acquireTime while we lead */
        int64_t wrote_at; /* monotonic: when the write under way began */
        int problem;      /* of the last try, to say it once; 0: none */
        void (*released)(void *arg);
        void *released_arg;
        bool releasing, held; /* held: we led when the release began */
};

/* A server that is busy is asked less often, but never so late that a leader notices too late that it is none. */
static void schedule(struct lease *l, int64_t at_least)
{
        int64_t wait = backoff_jitter(LEASE_RETRY_SECONDS * DURATION_SECOND, l->state.leading ? 0.0 : 0.2);
        if (wait < at_least)
                wait = at_least < RETRY_MAX ? at_least : RETRY_MAX;
        struct timeval t = {wait / DURATION_SECOND, wait % DURATION_SECOND / 1000};
        event_add(l->timer, &t);
}

static void check_lost(struct lease *l)
{
        if (!lease_lost(&l->state, time_monotonic()))
                return;
        log_warn("leadership lost", "lease", l->path, "holder", l->state.seen.holder, NULL);
        l->on_change(false, l->arg);
}

/* Says what is wrong when it begins to be, not every two seconds. */
static void note_problem(struct lease *l, const char *doing, const struct response *r)
{
        int problem = r->code ? r->code : -1;
        if (problem != l->problem)
                log_warn("the Lease is tried again", "doing", doing, "lease", l->path, "code", log_int(r->code),
                         "error", r->code ? "" : r->error.text, NULL);
        l->problem = problem;
}

/* ---- writing ---- */

static char *record_body(struct lease *l, const char *holder)
{
        char now[TIME_TEXT_MAX];
        time_format_micros(time_now_micros(), now);
        const struct lease_record *seen = &l->state.seen;
        bool ours = str_equal(seen->holder, l->identity);
        if (!ours || !l->acquired) {
                mem_free(l->acquired);
                l->acquired = mem_strdup(now);
        }
        bool moves = seen->exists && !ours && *holder;
        json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s, s:s, s:I}}", "apiVersion",
                                 "coordination.k8s.io/v1", "kind", "Lease", "metadata", "name", l->name, "namespace",
                                 l->namespace, "spec", "holderIdentity", holder, "leaseDurationSeconds",
                                 *holder ? LEASE_DURATION_SECONDS : 1, "acquireTime", l->acquired, "renewTime", now,
                                 "leaseTransitions", (json_int_t)seen->transitions + moves);
        assert(body);
        if (seen->exists)
                json_object_set_new(json_object_get(body, "metadata"), "resourceVersion", json_string(seen->version));
        char *text = json_dumps(body, JSON_COMPACT);
        json_decref(body);
        return text;
}

static void finish_release(struct lease *l)
{
        void (*done)(void *) = l->released;
        l->released = NULL;
        if (done)
                done(l->released_arg);
}

static void on_written(const struct response *r, void *arg)
{
        struct lease *l = arg;
        l->call = NULL;
        if (l->releasing) {
                finish_release(l);
                return;
        }
        struct lease_record written;
        AUTO_JSON *object = r->code == 200 || r->code == 201 ? json_read(r->body, r->size, NULL) : NULL;
        if (object && lease_parse(object, &written) && str_equal(written.holder, l->identity)) {
                l->problem = 0;
                if (lease_wrote(&l->state, &written, l->wrote_at)) {
                        log_info("leading", "lease", l->path, "identity", l->identity, NULL);
                        l->on_change(true, l->arg);
                }
        } else if (r->code != 409) {
                note_problem(l, "writing it", r);
        }
        check_lost(l);
        schedule(l, r->retry_after);
}

static void write_record(struct lease *l, bool create, const char *holder)
{
        char *body = record_body(l, holder);
        struct request request = {
                .method = create ? "POST" : "PUT",
                .path = create ? l->collection : l->path,
                .body = body,
                .body_size = strlen(body),
                .content_type = "application/json",
                .timeout = REQUEST_SECONDS * DURATION_SECOND,
                .verb = create ? "create" : "update",
                .resource = "leases",
        };
        l->wrote_at = time_monotonic();
        l->call = client_request(l->client, &request, on_written, l);
        mem_free(body);
}

/* ---- reading ---- */

static bool read_record(const struct response *r, struct lease_record *out)
{
        if (r->code == 404) {
                *out = (struct lease_record){0};
                return true;
        }
        AUTO_JSON *object = r->code == 200 ? json_read(r->body, r->size, NULL) : NULL;
        return object && lease_parse(object, out);
}

/* A write of ours may have gone through unnoticed: what is there now decides. */
static void give_back(struct lease *l, const struct lease_record *now_read)
{
        if (!now_read || !str_equal(now_read->holder, l->identity)) {
                finish_release(l);
                return;
        }
        l->state.seen = *now_read;
        write_record(l, false, "");
}

static void on_read(const struct response *r, void *arg)
{
        struct lease *l = arg;
        l->call = NULL;
        struct lease_record record;
        bool ok = read_record(r, &record);
        if (l->releasing) {
                give_back(l, ok ? &record : NULL);
                return;
        }
        if (!ok) {
                note_problem(l, "reading it", r);
                check_lost(l);
                schedule(l, r->retry_after);
                return;
        }
        enum lease_action action = lease_decide(&l->state, &record, time_monotonic());
        check_lost(l);
        switch (action) {
        case LEASE_WAIT:
                l->problem = 0;
                schedule(l, 0);
                break;
        case LEASE_CREATE:
                write_record(l, true, l->identity);
                break;
        case LEASE_UPDATE:
                write_record(l, false, l->identity);
                break;
        }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct lease *l = arg;
        if (l->releasing && !l->held) {
                finish_release(l);
                return;
        }
        struct request request = {
                .method = "GET",
                .path = l->path,
                .timeout = REQUEST_SECONDS * DURATION_SECOND,
                .verb = "get",
                .resource = "leases",
        };
        l->call = client_request(l->client, &request, on_read, l);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        check_lost(arg);
}

/* ---- the election ---- */

struct lease *lease_new(struct event_base *base, struct client *client, const struct lease_options *options)
{
        struct lease *l = mem_zalloc(sizeof(*l));
        l->client = client;
        l->namespace = mem_strdup(options->namespace);
        l->name = mem_strdup(options->name);
        l->identity = mem_strdup(options->identity);
        l->collection = mem_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", options->namespace);
        l->path = mem_printf("%s/%s", l->collection, options->name);
        l->on_change = options->on_change;
        l->arg = options->arg;
        l->state.identity = l->identity;
        l->timer = event_new(base, -1, 0, on_timer, l);
        l->deadline = event_new(base, -1, EV_PERSIST, on_deadline, l);
        struct timeval second = {1, 0}, now = {0, 0};
        event_add(l->deadline, &second);
        event_add(l->timer, &now);
        return l;
}

bool lease_is_leader(const struct lease *l)
{
        struct lease_state now = l->state;
        return l->state.leading && !lease_lost(&now, time_monotonic());
}

void lease_release(struct lease *l, void (*done)(void *arg), void *arg)
{
        l->released = done;
        l->released_arg = arg;
        l->releasing = true;
        /* Also a write under way may have been the first one. */
        l->held = l->state.leading || l->call;
        l->state.leading = false;
        client_cancel(l->call);
        l->call = NULL;
        struct timeval now = {0, 0};
        event_add(l->timer, &now);
}

void lease_free(struct lease *l)
{
        if (!l)
                return;
        client_cancel(l->call);
        event_free(l->timer);
        event_free(l->deadline);
        mem_free(l->identity);
        mem_free(l->path);
        mem_free(l->collection);
        mem_free(l->namespace);
        mem_free(l->name);
        mem_free(l->acquired);
        mem_free(l);
}
