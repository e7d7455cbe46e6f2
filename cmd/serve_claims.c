/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_claims - the id that claims on host names are written with: a random one in the Secret gatehouse-claims, made
 * by whichever replica comes first. rules.md, "Who owns a host".
 */
#include "cmd/serve_internal.h"

#include "base/base64.h"
#include "base/json_read.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/time.h"
#include "kube/backoff.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SECRET_NAME "gatehouse-claims"
enum {
        ID_BYTES = 16,
        ID_TEXT_MAX = 128,
};
#define RETRY_FORBIDDEN (15 * DURATION_SECOND)

struct claims {
        struct server *server;
        struct call *call;
        struct event *retry;
        struct backoff backoff;
        char *path, *collection;
        bool settled;         /* known, or known not to be had for now */
        char id[ID_TEXT_MAX]; /* "": not known */
        char problem[ERR_TEXT_MAX];
        char mine[2 * ID_BYTES + 1];
};

static void read_secret(evutil_socket_t fd, short what, void *arg);

static void retry_after(struct claims *c, int64_t delay)
{
        event_add(c->retry, &(struct timeval){.tv_sec = delay / DURATION_SECOND,
                                              .tv_usec = delay % DURATION_SECOND / DURATION_MICROSECOND});
}

/* ---- the outcome ---- */

static void trust(struct claims *c, const char *id)
{
        snprintf(c->id, sizeof(c->id), "%s", id);
        c->problem[0] = '\0';
        c->settled = true;
        serve_advance(c->server);
}

/* The server works without: then age alone decides who owns a name. */
static void distrust(struct claims *c, const char *why)
{
        snprintf(c->problem, sizeof(c->problem), "%s", why);
        c->settled = true;
        serve_advance(c->server);
}

/* 0, 429, 5xx: the API server cannot be asked now. Everything else is an answer that will not change soon. */
static void handle_failure(struct claims *c, const char *doing, const struct response *r)
{
        char why[ERR_TEXT_MAX];
        bool unreachable = r->code == 0 || r->code == 429 || r->code >= 500;
        if (unreachable) {
                log_info("will be tried again", "doing", doing, "code", log_int(r->code), "error", r->error.text, NULL);
                retry_after(c, backoff_next(&c->backoff, r->retry_after));
                return;
        }
        snprintf(why, sizeof(why), "%s: the API server answers %d", doing, r->code);
        distrust(c, why);
        retry_after(c, RETRY_FORBIDDEN);
}

/* ---- the Secret ---- */

/* data.id, or false. */
static bool parse_id(const struct response *r, char id[ID_TEXT_MAX])
{
        AUTO_JSON *json = json_read(r->body, r->size, NULL);
        const char *encoded = json_string_value(json_object_get(json_object_get(json, "data"), "id"));
        AUTO(buf) *bytes = encoded ? base64_decode(encoded, strlen(encoded), ID_TEXT_MAX - 1) : NULL;
        if (!bytes || !buf_len(bytes) || strlen(buf_data(bytes)) != buf_len(bytes))
                return false;
        memcpy(id, buf_data(bytes), buf_len(bytes) + 1);
        return true;
}

static void on_created(const struct response *r, void *arg)
{
        struct claims *c = arg;
        c->call = NULL;
        if (r->code == 201 || r->code == 200) {
                log_info("made the id of our claims on host names", "secret", SECRET_NAME, NULL);
                trust(c, c->mine);
        } else if (r->code == 409) {
                /* Another replica was first: its id counts. */
                read_secret(-1, 0, c);
        } else {
                handle_failure(c, "creating the Secret " SECRET_NAME, r);
        }
}

static void create_secret(struct claims *c)
{
        unsigned char random[ID_BYTES];
        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
                distrust(c, "no random numbers");
                return;
        }
        for (size_t i = 0; i < ID_BYTES; i++)
                snprintf(c->mine + 2 * i, 3, "%02x", random[i]);
        AUTO(buf) *body = buf_new(4096);
        buf_append_str(body, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"" SECRET_NAME
                             "\"},\"type\":\"gatehouse.io/claims\",\"data\":{\"id\":");
        json_text_base64(body, c->mine, strlen(c->mine));
        buf_append_str(body, "}}");
        struct request request = {
                .method = "POST",
                .path = c->collection,
                .body = buf_data(body),
                .body_size = buf_len(body),
                .content_type = "application/json",
                .verb = "create",
                .resource = "secrets",
        };
        c->call = client_request(c->server->client, &request, on_created, c);
}

static void on_read(const struct response *r, void *arg)
{
        struct claims *c = arg;
        c->call = NULL;
        char id[ID_TEXT_MAX];
        if (r->code == 404) {
                create_secret(c);
        } else if (r->code != 200) {
                handle_failure(c, "reading the Secret " SECRET_NAME, r);
        } else if (parse_id(r, id)) {
                trust(c, id);
        } else {
                distrust(c, "the Secret " SECRET_NAME " has no id: delete it, a new one is made");
                retry_after(c, RETRY_FORBIDDEN);
        }
}

static void read_secret(evutil_socket_t fd, short what, void *arg)
{
        (void)fd;
        (void)what;
        struct claims *c = arg;
        struct request request = {.method = "GET", .path = c->path, .verb = "get", .resource = "secrets"};
        c->call = client_request(c->server->client, &request, on_read, c);
}

struct claims *claims_new(struct server *s)
{
        struct claims *c = mem_zalloc(sizeof(*c));
        c->server = s;
        c->collection = mem_printf("/api/v1/namespaces/%s/secrets", s->options->kube.namespace);
        c->path = mem_printf("%s/" SECRET_NAME, c->collection);
        c->retry = evtimer_new(s->base, read_secret, c);
        read_secret(-1, 0, c);
        return c;
}

bool claims_are_settled(const struct claims *c)
{
        return c->settled;
}

const char *claims_id(const struct claims *c)
{
        return c->id[0] ? c->id : NULL;
}

const char *claims_problem(const struct claims *c)
{
        return c->problem;
}

void claims_free(struct claims *c)
{
        if (!c)
                return;
        client_cancel(c->call);
        event_free(c->retry);
        mem_free(c->path);
        mem_free(c->collection);
        mem_free(c);
}
