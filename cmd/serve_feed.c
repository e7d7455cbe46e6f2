/* SPDX-License-Identifier: Apache-2.0 */
/* serve_feed - brings the objects of the cluster into the pipeline, one reflector a list. */
#include "cmd/serve_internal.h"

#include "base/log.h"
#include "base/metric.h"
#include "base/time.h"
#include "cmd/inspector.h"
#include "kube/backoff.h"
#include "kube/discovery.h"
#include "kube/reflector.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { HTTP_NOT_FOUND = 404 };
#define ABSENT_ASK_INTERVAL (5 * DURATION_SECOND)
#define STATUS_ASK_INTERVAL (30 * DURATION_SECOND)
#define BETTER_ASK_INTERVAL (60 * DURATION_SECOND)

/* One list to keep up with. */
struct feed_spec {
        enum kind kind;             /* of the first candidate */
        unsigned source;            /* of the store: tells lists of one kind apart */
        const char *field_selector; /* NULL: none */
        const struct discovery_candidate *candidates;
        size_t candidate_count;
        bool for_xds; /* not asked for when xDS is disabled */
};

/* Best first. */
static const struct discovery_candidate ingressroutes[] = {{"contour.heptio.com/v1beta1", "ingressroutes"}};
static const struct discovery_candidate delegations[] = {{"contour.heptio.com/v1beta1", "tlscertificatedelegations"}};
static const struct discovery_candidate ingresses[] = {{"networking.k8s.io/v1", "ingresses"},
                                                       {"networking.k8s.io/v1beta1", "ingresses"}};
static const struct discovery_candidate ingressclasses[] = {{"networking.k8s.io/v1", "ingressclasses"},
                                                            {"networking.k8s.io/v1beta1", "ingressclasses"}};
static const struct discovery_candidate services[] = {{"v1", "services"}};
static const struct discovery_candidate secrets[] = {{"v1", "secrets"}};
static const struct discovery_candidate namespaces[] = {{"v1", "namespaces"}};
/* Endpoints are what there was before slices, cut at 1,000 addresses: Kubernetes, "EndpointSlices". */
static const struct discovery_candidate endpoints[] = {
        {"discovery.k8s.io/v1", "endpointslices"}, {"discovery.k8s.io/v1beta1", "endpointslices"}, {"v1", "endpoints"}};
#define CANDIDATES(list) list, COUNT_OF(list)

/* Secrets of other types are never loaded: neither helm's releases nor the CA's own key. */
static const struct feed_spec specs[] = {
        {KIND_INGRESSROUTE, 0, NULL, CANDIDATES(ingressroutes), false},
        {KIND_TLSCERTIFICATEDELEGATION, 0, NULL, CANDIDATES(delegations), false},
        {KIND_INGRESS, 0, NULL, CANDIDATES(ingresses), false},
        {KIND_INGRESSCLASS, 0, NULL, CANDIDATES(ingressclasses), false},
        {KIND_SERVICE, 0, NULL, CANDIDATES(services), false},
        {KIND_SECRET, 0, "type=kubernetes.io/tls", CANDIDATES(secrets), false},
        {KIND_SECRET, 1, "type=Opaque", CANDIDATES(secrets), false},
        {KIND_NAMESPACE, 0, NULL, CANDIDATES(namespaces), false},
        {KIND_ENDPOINTSLICE, 0, NULL, CANDIDATES(endpoints), true},
};
enum { FEEDS = COUNT_OF(specs) };

struct feed {
        struct server *server;
        const struct feed_spec *spec;
        struct discovery *discovery; /* the question under way */
        struct event *ask;           /* the next one */
        struct backoff backoff;
        const struct discovery_candidate *candidate; /* what is listed, or was last; NULL: not known yet */
        enum kind kind;                              /* of the candidate */
        struct reflector *reflector;                 /* NULL: the kind is not offered, or it is not known yet */
        char *path;
        bool absent;   /* the API server does not offer the kind */
        bool unused;   /* nobody asks for it */
        bool switched; /* another kind was listed before, and none of this one is known whole yet */
        bool synced;
        int64_t heard_at; /* monotonic: when the store was last known to be up to date; 0: never */
        struct metric_cell *age;
};

struct feeds {
        struct server *server;
        struct feed feeds[FEEDS];
        struct metric *restarts, *age;
};

static const struct metric_def restarts_def = {
        .name = "gatehouse_watch_restarts_total",
        .type = METRIC_COUNTER,
        .help = "Watches and lists that did not go on as planned: gone, closed, error or large (smaller pages).",
        .labels = {"resource", "reason"},
};
METRIC_LIST(&restarts_def, 1);
static const struct metric_def age_def = {
        .name = "gatehouse_store_age_seconds",
        .type = METRIC_GAUGE,
        .help = "Time since the API server last said something about the resource.",
        .labels = {"resource"},
};
METRIC_LIST(&age_def, 1);

static const char *resource_of(const struct feed *f)
{
        return kind_info(f->kind)->resource;
}

static enum kind kind_of(const struct discovery_candidate *c)
{
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
                if (str_equal(kind_info((enum kind)kind)->resource, c->resource))
                        return (enum kind)kind;
        assert(false && "a candidate of no kind");
        __builtin_unreachable();
}

/* ---- what the reflector says ---- */

/* "IngressRoute/team-a/shop"; kinds without namespace have nothing between the slashes. */
static bool is_ignored(const struct server *s, enum kind kind, const char *namespace, const char *name)
{
        const struct string_list *list = &s->options->serve.ignore_objects;
        for (size_t i = 0; i < list->count; i++) {
                char key[1024];
                snprintf(key, sizeof(key), "%s/%s/%s", kind_info(kind)->name, namespace, name);
                if (strcasecmp(key, list->items[i]) == 0)
                        return true;
        }
        return false;
}

static const char *meta_text(const json_t *object, const char *field)
{
        const char *text = json_string_value(json_object_get(json_object_get(object, "metadata"), field));
        return text ? text : "";
}

static void on_bad_object(const char *name, const char *why, void *arg)
{
        struct feed *f = arg;
        log_warn("an object is skipped: it cannot be read", "resource", resource_of(f), "object", name, "reason", why,
                 NULL);
}

static void on_object(json_t *json, void *arg)
{
        struct feed *f = arg;
        struct server *s = f->server;
        const char *namespace = meta_text(json, "namespace"), *name = meta_text(json, "name");
        if (is_ignored(s, f->kind, namespace, name))
                return;
        const struct object_options options = {.inspector = &inspector, .keep_keys = serve_is_enabled(s, DISABLE_XDS)};
        struct err e = {0};
        struct object *o = object_decode(f->kind, json, &options, &e);
        if (o) {
                pipeline_put(s->pipeline, o, f->spec->source);
                return;
        }
        AUTO_STR *object = mem_printf("%s/%s", namespace, name);
        on_bad_object(object, e.text, f);
}

static void on_delete(json_t *json, void *arg)
{
        struct feed *f = arg;
        pipeline_remove(f->server->pipeline, f->kind, meta_text(json, "namespace"), meta_text(json, "name"),
                        f->spec->source);
}

static void on_list_begin(void *arg)
{
        struct feed *f = arg;
        pipeline_sweep_begin(f->server->pipeline, f->kind, f->spec->source);
}

static void check_listed(struct feeds *feeds)
{
        for (size_t i = 0; i < FEEDS; i++) {
                const struct feed *f = &feeds->feeds[i];
                /* What is not offered holds nobody up, except what all this is about. */
                if (!f->synced && !f->unused && !(f->absent && f->kind != KIND_INGRESSROUTE))
                        return;
        }
        feeds->server->listed = true;
        serve_advance(feeds->server);
}

/* Another kind was listed in the place of this one, of which now all is known. */
static void remove_replaced(struct feed *f)
{
        for (size_t i = 0; f->switched && i < f->spec->candidate_count; i++) {
                enum kind kind = kind_of(&f->spec->candidates[i]);
                if (kind == f->kind)
                        continue;
                pipeline_sweep_begin(f->server->pipeline, kind, f->spec->source);
                pipeline_sweep_end(f->server->pipeline, kind, f->spec->source);
        }
        f->switched = false;
}

static void on_list_end(void *arg)
{
        struct feed *f = arg;
        pipeline_sweep_end(f->server->pipeline, f->kind, f->spec->source);
        remove_replaced(f);
        if (f->synced)
                return;
        f->synced = true;
        log_info("listed", "resource", resource_of(f), "selector",
                 f->spec->field_selector ? f->spec->field_selector : "", NULL);
        check_listed(f->server->feeds);
}

static void on_progress(void *arg)
{
        struct feed *f = arg;
        f->heard_at = time_monotonic();
}

static void ask_again(struct feed *f, int64_t delay)
{
        event_add(f->ask, &(struct timeval){.tv_sec = delay / DURATION_SECOND,
                                            .tv_usec = delay % DURATION_SECOND / DURATION_MICROSECOND});
}

static void on_restart(const char *reason, const struct err *why, void *arg)
{
        struct feed *f = arg;
        metric_add(metric_cell(f->server->feeds->restarts, resource_of(f), reason, NULL), 1);
        log_info("watch starts again", "resource", resource_of(f), "reason", reason, "error", why ? why->text : "",
                 NULL);
        /* A CRD was deleted, or a version is no longer served; or the server may be back as a newer one. */
        bool may_be_newer = f->candidate != f->spec->candidates;
        if (!f->discovery && (may_be_newer || (why && why->code == HTTP_NOT_FOUND)))
                ask_again(f, 0);
}

static const struct reflector_events events = {
        .on_list_begin = on_list_begin,
        .on_list_end = on_list_end,
        .on_object = on_object,
        .on_delete = on_delete,
        .on_bad_object = on_bad_object,
        .on_progress = on_progress,
        .on_restart = on_restart,
};

/* ---- which kinds there are ---- */

static void stop_feed(struct feed *f)
{
        reflector_free(f->reflector);
        f->reflector = NULL;
        mem_free(f->path);
        f->path = NULL;
}

/* Prometheus takes no notice of an increase that a series begins with. */
static void count_from_zero(const struct feed *f)
{
        static const char *const reasons[] = {"gone", "closed", "error", "large"};
        for (size_t i = 0; i < COUNT_OF(reasons); i++)
                metric_cell(f->server->feeds->restarts, resource_of(f), reasons[i], NULL);
}

static void start_feed(struct feed *f, const struct discovery_candidate *candidate)
{
        enum kind kind = kind_of(candidate);
        if (kind != f->kind) {
                /* The age of what is no longer listed says nothing. */
                if (f->age)
                        metric_set(f->age, 0);
                f->age = NULL;
                f->switched = true;
        }
        f->path = discovery_path(candidate);
        if (candidate != (f->candidate ? f->candidate : f->spec->candidates))
                log_info("the best form of a resource is not, or no longer, the one that was listed", "was",
                         resource_of(f), "path", f->path, NULL);
        f->candidate = candidate;
        f->kind = kind;
        count_from_zero(f);
        struct reflector_source source = {
                .path = f->path, .resource = resource_of(f), .field_selector = f->spec->field_selector};
        f->reflector = reflector_new(f->server->base, f->server->client, &source, &events, f);
}

/* What is stored stays: what is gone for good is gone with the next whole list. */
static void note_absent(struct feed *f)
{
        stop_feed(f);
        if (!f->absent)
                log_warn("the API server does not offer a resource: it is asked for again", "resource", resource_of(f),
                         NULL);
        f->absent = true;
        if (f->kind == KIND_INGRESSROUTE)
                health_report(f->server->health, "kubernetes", f->synced ? HEALTH_WARNING : HEALTH_BAD,
                              "the API server does not offer ingressroutes: kubectl apply -f manifests/crds");
        check_listed(f->server->feeds);
        ask_again(f, ABSENT_ASK_INTERVAL);
}

static void note_status(struct feed *f, bool has_status)
{
        struct server *s = f->server;
        if (f->kind != KIND_INGRESSROUTE)
                return;
        s->status_writable = has_status;
        if (!has_status)
                ask_again(f, STATUS_ASK_INTERVAL);
        serve_advance(s);
}

static void note_found(struct feed *f, const struct discovery_candidate *found, bool has_status)
{
        f->absent = false;
        if (f->reflector && found != f->candidate)
                stop_feed(f);
        if (!f->reflector)
                start_feed(f, found);
        /* The server may be upgraded. */
        if (found != f->spec->candidates)
                ask_again(f, BETTER_ASK_INTERVAL);
        note_status(f, has_status);
}

static void on_discovered(const struct discovery_result *r, void *arg)
{
        struct feed *f = arg;
        f->discovery = NULL;
        if (!r->answered) {
                log_info("the API server cannot be asked what it offers: will be tried again", "resource",
                         resource_of(f), "error", r->error.text, NULL);
                ask_again(f, backoff_next(&f->backoff, 0));
                return;
        }
        backoff_reset(&f->backoff);
        if (r->found < 0)
                note_absent(f);
        else
                note_found(f, &f->spec->candidates[r->found], r->has_status);
}

static void ask(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct feed *f = arg;
        if (!f->discovery)
                f->discovery = discovery_ask(f->server->client, f->spec->candidates, f->spec->candidate_count,
                                             on_discovered, f);
}

/* ---- all of them ---- */

struct feeds *feeds_new(struct server *s)
{
        struct feeds *feeds = mem_zalloc(sizeof(*feeds));
        feeds->server = s;
        feeds->restarts = metric_new(&restarts_def);
        feeds->age = metric_new(&age_def);
        s->feeds = feeds;
        for (size_t i = 0; i < FEEDS; i++) {
                struct feed *f = &feeds->feeds[i];
                *f = (struct feed){.server = s, .spec = &specs[i], .kind = specs[i].kind};
                f->unused = specs[i].for_xds && !serve_is_enabled(s, DISABLE_XDS);
                f->ask = evtimer_new(s->base, ask, f);
                if (!f->unused)
                        ask(-1, 0, f);
        }
        return feeds;
}

void feeds_free(struct feeds *f)
{
        if (!f)
                return;
        for (size_t i = 0; i < FEEDS; i++) {
                discovery_cancel(f->feeds[i].discovery);
                event_free(f->feeds[i].ask);
                reflector_free(f->feeds[i].reflector);
                mem_free(f->feeds[i].path);
        }
        mem_free(f);
}

const char *feeds_ingress_collection(const struct feeds *feeds)
{
        static const char *const collections[] = {"/apis/networking.k8s.io/v1", "/apis/networking.k8s.io/v1beta1"};
        for (size_t i = 0; i < COUNT_OF(feeds->feeds); i++) {
                const struct feed *f = &feeds->feeds[i];
                if (f->spec->kind == KIND_INGRESS && f->path)
                        return collections[str_has_prefix(f->path, collections[1])];
        }
        return collections[0];
}

void feeds_tick(struct feeds *feeds)
{
        int64_t now = time_monotonic();
        for (size_t i = 0; i < FEEDS; i++) {
                struct feed *f = &feeds->feeds[i];
                if (!f->heard_at)
                        continue;
                if (!f->age)
                        f->age = metric_cell(feeds->age, resource_of(f), NULL, NULL);
                /* Of several lists of one resource the one that lags most counts; they stand side by side. */
                int64_t heard = f->heard_at;
                if (i && f[-1].kind == f->kind && f[-1].heard_at < heard)
                        heard = f[-1].heard_at;
                metric_set_double(f->age, (double)(now - heard) / (double)DURATION_SECOND);
        }
}
