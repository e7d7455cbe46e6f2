/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - `gatehouse cli cds`: an xDS client that asks a running server for what an Envoy would get.
 *
 * Delta, by the type's own service: every name that is asked for is answered, with what it is or that it is not there.
 * "All" has no such end, so a name that cannot exist is asked for behind it, and its answer is the end.
 */
#include "base/time.h"
#include "certs/keypair.h"
#include "cmd/cli_print.h"
#include "cmd/commands.h"
#include "xds/grpc_client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define NODE "gatehouse cli"
#define ALL "*"
#define END "gatehouse cli: end" /* no resource has a space in its name */

enum { OUTPUT_MAX = 1 << 30 };

static const struct {
        const char *word;
        enum resource_type type;
} words[] = {
        {"lds", RESOURCE_LISTENER}, {"rds", RESOURCE_ROUTE_CONFIGURATION},
        {"cds", RESOURCE_CLUSTER},  {"eds", RESOURCE_CLUSTER_LOAD_ASSIGNMENT},
        {"sds", RESOURCE_SECRET},
};

struct cli {
        const struct options *options;
        enum resource_type type;
        const char **names; /* what is asked for, and whether it has been answered */
        bool *answered;
        size_t name_count, answered_count;
        bool all;
        struct grpc_client *client;
        struct buf *out;
        bool missing; /* a name that was asked for is not there */
};

/* ---- what is asked for ---- */

static void add_name(struct cli *c, const char *name)
{
        for (size_t i = 0; i < c->name_count; i++) {
                if (str_equal(c->names[i], name))
                        return;
        }
        c->names[c->name_count++] = name;
}

static void take_arguments(struct cli *c)
{
        const struct string_list *given = &c->options->arguments;
        c->names = mem_calloc(given->count + 2, sizeof(*c->names));
        c->answered = mem_calloc(given->count + 2, sizeof(*c->answered));
        for (size_t i = 0; i < COUNT_OF(words); i++) {
                if (str_equal(words[i].word, given->items[0]))
                        c->type = words[i].type;
        }
        for (size_t i = 1; i < given->count; i++)
                add_name(c, given->items[i]);
        c->all = given->count == 1;
        if (c->all)
                add_name(c, END);
}

static bool ask(struct cli *c, const char *nonce, int64_t deadline, struct err *e)
{
        struct discovery_ask ask = {.type = c->type, .nonce = nonce};
        const char **names = mem_calloc(c->name_count + 1, sizeof(*names));
        if (!nonce) {
                ask.node = NODE;
                ask.names = names;
                if (c->all)
                        names[ask.name_count++] = ALL;
                for (size_t i = 0; i < c->name_count; i++)
                        names[ask.name_count++] = c->names[i];
        }
        size_t size;
        uint8_t *bytes = discovery_ask_pack(&ask, &size);
        bool sent = grpc_client_send(c->client, bytes, size, deadline, e);
        mem_free(bytes);
        mem_free(names);
        return sent;
}

/* ---- what is answered ---- */

static void note_answered(struct cli *c, const char *name)
{
        for (size_t i = 0; i < c->name_count; i++) {
                if (!str_equal(c->names[i], name) || c->answered[i])
                        continue;
                c->answered[i] = true;
                c->answered_count++;
        }
}

static void print_found(struct cli *c, const struct discovery_found *found)
{
        if (c->options->cli.output == OUTPUT_JSON)
                cli_print_json(c->out, c->type, found);
        else
                cli_print_text(c->out, c->type, found);
}

static void print_removed(struct cli *c, const char *name)
{
        if (str_equal(name, END))
                return;
        c->missing = true;
        cli_print_removed(c->out, c->type, c->options->cli.output == OUTPUT_JSON, name);
}

static bool print(struct cli *c, const struct discovery_answer *answer, struct err *e)
{
        for (size_t i = 0; i < answer->found_count; i++) {
                note_answered(c, answer->found[i].name);
                print_found(c, &answer->found[i]);
        }
        for (size_t i = 0; i < answer->removed_count; i++) {
                note_answered(c, answer->removed[i]);
                print_removed(c, answer->removed[i]);
        }
        const bool fits = !buf_full(c->out);
        const bool written =
                fits && fwrite(buf_data(c->out), 1, buf_len(c->out), stdout) == buf_len(c->out) && fflush(stdout) == 0;
        buf_clear(c->out);
        return written || err_set(e, fits ? "the answer cannot be written" : "the answer is too long");
}

static bool take_answer(struct cli *c, const uint8_t *p, size_t n, int64_t deadline, struct err *e)
{
        AUTO(arena) *a = arena_new(65536);
        struct discovery_answer answer;
        bool fine = discovery_answer_unpack(c->type, p, n, a, &answer, e) && print(c, &answer, e) &&
                    ask(c, answer.nonce, deadline, e);
        arena_wipe(a);
        return fine;
}

/* ---- the command ---- */

static bool is_complete(const struct cli *c)
{
        return c->answered_count == c->name_count;
}

static bool say_late(const struct cli *c, struct err *e)
{
        if (e->code != ETIMEDOUT)
                return false;
        char text[TIME_TEXT_MAX];
        duration_format(c->options->cli.timeout, text);
        if (!c->answered_count)
                return err_set(e,
                               "no answer within %s: it answers only when it has listed and built everything "
                               "(/readyz says so; --timeout waits longer)",
                               text);
        return err_set(e, "%zu of %zu names are not answered within %s", c->name_count - c->answered_count,
                       c->name_count, text);
}

static bool follow(struct cli *c, int64_t deadline, struct err *e)
{
        if (!ask(c, NULL, deadline, e))
                return false;
        const bool watch = c->options->cli.watch;
        while (watch || !is_complete(c)) {
                const uint8_t *p;
                size_t n;
                if (is_complete(c))
                        deadline = INT64_MAX; /* from here on it is silent as long as nothing changes */
                if (!grpc_client_receive(c->client, &p, &n, deadline, e))
                        return say_late(c, e);
                if (!take_answer(c, p, n, deadline, e))
                        return false;
        }
        return true;
}

/* What --xds-cafile and the like name; NULL without TLS. */
static bool load_pair(const struct xds_client_options *x, struct pair **out, struct err *e)
{
        const struct keypair_files files = {.name = "cli", .crt = x->cert_file, .key = x->key_file, .ca = x->ca_file};
        *out = NULL;
        if (x->insecure)
                return true;
        AUTO(keypair) *k = keypair_new(&files, time_now_micros(), e);
        if (k)
                *out = keypair_get(k);
        return k != NULL;
}

static bool talk(struct cli *c, struct err *e)
{
        const struct xds_client_options *x = &c->options->xds_client;
        const int64_t deadline = time_monotonic() + c->options->cli.timeout;
        struct pair *loaded;
        if (!load_pair(x, &loaded, e))
                return false;
        AUTO(pair) *pair = loaded;
        const struct dial_options dial = {
                .host = x->address, .port = x->port, .pair = pair, .server_name = x->server_name};
        c->client = grpc_client_open(&dial, discovery_delta_path(c->type), deadline, e);
        return c->client && follow(c, deadline, e);
}

int cli_run(const struct options *o)
{
        struct cli c = {.options = o, .out = buf_new(OUTPUT_MAX)};
        struct err e = {0};
        signal(SIGPIPE, SIG_IGN); /* of TLS: a server that goes is an error that is told */
        take_arguments(&c);
        bool fine = talk(&c, &e);
        if (!fine)
                fprintf(stderr, "gatehouse cli: %s\n", e.text);
        grpc_client_free(c.client);
        buf_free(c.out);
        mem_free(c.names);
        mem_free(c.answered);
        return fine && !c.missing ? 0 : 1;
}
