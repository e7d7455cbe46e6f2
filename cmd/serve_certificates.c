/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_certificates - key pairs are taken anew when their files change, and who watches hears in time that one ends.
 *
 * The loop looks once a second, and as soon as the files have been quiet for a moment after a change: while one is
 * written after the other they do not fit together.
 */
#include "cmd/serve_internal.h"

#include "base/file_watch.h"
#include "base/metric.h"
#include "base/time.h"

#include <stdio.h>

#define CERTIFICATE_WARNING (14 * 24 * 3600 * TIME_MICROS_PER_SECOND)

static const struct timeval quiet = {.tv_usec = 50 * 1000};

static const struct metric_def expiry_def = {
        .name = "gatehouse_certificate_expiry_seconds",
        .type = METRIC_GAUGE,
        .help = "Time until the certificate in use (webhook, xds), or the last CA that its peers are verified by "
                "(webhook-client-ca, xds-ca), expires.",
        .labels = {"name"},
};
METRIC_LIST(&expiry_def, 1);
static const struct metric_def refused_def = {
        .name = "gatehouse_certificate_refused",
        .type = METRIC_GAUGE,
        .help = "1 while the files of a certificate cannot be used and the one before them is, else 0.",
        .labels = {"name"},
};
METRIC_LIST(&refused_def, 1);
static const struct metric_def reloads_def = {
        .name = "gatehouse_certificate_reloads_total",
        .type = METRIC_COUNTER,
        .help = "Changed files of a certificate (webhook, xds) that were taken.",
        .labels = {"name"},
};
METRIC_LIST(&reloads_def, 1);

struct certificates {
        struct file_watch *watch;
        struct event *changed, *look;
};

/* ---- looking ---- */

static void set_expiry(const char *name, int64_t left)
{
        metric_set(metric_cell(metric_new(&expiry_def), name, NULL, NULL), left / TIME_MICROS_PER_SECOND);
}

/* What /readyz says of it. */
static void report(struct server *s, const char *name, struct keypair *k, const char *problem, bool ends)
{
        char until[TIME_TEXT_MAX], ca_until[TIME_TEXT_MAX], part[64], text[ERR_TEXT_MAX + 64];
        int64_t ca = keypair_ca_not_after(k);
        time_format_seconds(keypair_not_after(k), until);
        time_format_seconds(ca, ca_until);
        if (*problem)
                snprintf(text, sizeof(text), "the files are not used: %s", problem);
        else if (ca)
                snprintf(text, sizeof(text), "good until %s, CA until %s", until, ca_until);
        else
                snprintf(text, sizeof(text), "good until %s", until);
        snprintf(part, sizeof(part), "certificate %s", name);
        health_report(s->health, part, *problem || ends ? HEALTH_WARNING : HEALTH_GOOD, text);
}

static void look_at(struct server *s, const char *name, const char *ca_name, struct keypair *k)
{
        if (!k)
                return;
        int64_t now = time_now_micros();
        int64_t taken = keypair_poll(k, now);
        metric_add(metric_cell(metric_new(&reloads_def), name, NULL, NULL), taken);
        int64_t left = keypair_not_after(k) - now, ca = keypair_ca_not_after(k);
        set_expiry(name, left);
        if (ca)
                set_expiry(ca_name, ca - now);
        char problem[ERR_TEXT_MAX];
        keypair_problem(k, problem);
        metric_set(metric_cell(metric_new(&refused_def), name, NULL, NULL), problem[0] != '\0');
        report(s, name, k, problem, left < CERTIFICATE_WARNING || (ca && ca - now < CERTIFICATE_WARNING));
}

void serve_check_certificates(struct server *s)
{
        look_at(s, "webhook", "webhook-client-ca", s->keypair);
        look_at(s, "xds", "xds-ca", s->xds_keypair);
}

/* ---- hearing of changes ---- */

static void on_quiet(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        serve_check_certificates(arg);
}

static void on_change(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        const struct certificates *c = arg;
        file_watch_take(c->watch);
        event_add(c->look, &quiet); /* anew with each change */
}

struct certificates *certificates_new(struct server *s)
{
        const struct serve_options *o = &s->options->serve;
        const char *const paths[] = {
                o->webhook_cert_file, o->webhook_key_file, o->webhook_client_ca_file,
                o->xds_cert_file,     o->xds_key_file,     o->xds_ca_file,
        };
        struct certificates *c = mem_zalloc(sizeof(*c));
        c->watch = file_watch_new();
        if (!c->watch)
                return c;
        for (size_t i = 0; i < COUNT_OF(paths); i++)
                file_watch_add(c->watch, paths[i]);
        c->look = evtimer_new(s->base, on_quiet, s);
        c->changed = event_new(s->base, file_watch_fd(c->watch), EV_READ | EV_PERSIST, on_change, c);
        event_add(c->changed, NULL);
        return c;
}

void certificates_free(struct certificates *c)
{
        if (!c)
                return;
        if (c->changed)
                event_free(c->changed);
        if (c->look)
                event_free(c->look);
        file_watch_free(c->watch);
        mem_free(c);
}
