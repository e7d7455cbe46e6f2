/* SPDX-License-Identifier: Apache-2.0 */
/* certgen - the certificates in files, in Secrets, or printed (operations.md, "Certificates"). */
#include "base/json_text.h"
#include "base/time.h"
#include "certs/apply.h"
#include "certs/folder.h"
#include "certs/rotation.h"
#include "cmd/commands.h"
#include "cmd/connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_MAX = 1024 * 1024, CONFLICTS_MAX = 20 };
static const char authority_name[] = "gatehouse-ca";
enum { AUTHORITY, WEBHOOK, XDS, ENVOY, FIRST_HOOK }; /* places among the rotation's objects */
static const char envoy_name[] = "envoy";            /* the default of --xds-client-names */

static int fail(const struct err *e)
{
        fprintf(stderr, "gatehouse certgen: %s\n", e->text);
        return 1;
}

static bool print(const struct buf *text)
{
        return fwrite(buf_data(text), 1, buf_len(text), stdout) == buf_len(text) && fflush(stdout) == 0;
}

/* svc, svc.ns, svc.ns.svc, svc.ns.svc.<cluster domain>; extra (may be NULL); what --dns-name adds. */
static void server_names(struct arena *a, const struct options *o, const char *service, const char *extra,
                         struct rotation_leaf *leaf)
{
        const char *ns = o->kube.namespace;
        const char **names = NULL;
        *arena_push(a, &names, &leaf->name_count) = arena_strdup(a, service);
        *arena_push(a, &names, &leaf->name_count) = arena_printf(a, "%s.%s", service, ns);
        *arena_push(a, &names, &leaf->name_count) = arena_printf(a, "%s.%s.svc", service, ns);
        *arena_push(a, &names, &leaf->name_count) =
                arena_printf(a, "%s.%s.svc.%s", service, ns, o->policy.cluster_domain);
        if (extra)
                *arena_push(a, &names, &leaf->name_count) = extra;
        for (size_t i = 0; i < o->certgen.dns_names.count; i++)
                *arena_push(a, &names, &leaf->name_count) = o->certgen.dns_names.items[i];
        leaf->names = names;
        leaf->ips = o->certgen.ips.items;
        leaf->ip_count = o->certgen.ips.count;
        leaf->common_name = service;
        leaf->server = true;
}

static struct rotation *rotation_for(struct arena *a, const struct options *o)
{
        static const char *const envoy_names[] = {envoy_name};
        struct rotation_leaf leaves[] = {
                {.secret = "gatehouse-webhook-tls"},
                {.secret = "gatehouse-xds-tls"},
                {
                        .secret = "envoy-xds-tls",
                        .common_name = envoy_name,
                        .names = envoy_names,
                        .name_count = COUNT_OF(envoy_names),
                        .client = true,
                },
        };
        server_names(a, o, o->certgen.webhook_service, NULL, &leaves[0]);
        /* "gatehouse" is what Envoy's bootstrap verifies, wherever it reaches the server. */
        server_names(a, o, o->certgen.xds_service, "gatehouse", &leaves[1]);
        const char *configuration = o->certgen.webhook_configuration;
        const struct rotation_hook hooks[] = {
                {"validatingwebhookconfigurations", configuration},
                {"mutatingwebhookconfigurations", configuration},
        };
        return rotation_new(authority_name, leaves, COUNT_OF(leaves), hooks, o->certgen.kube ? COUNT_OF(hooks) : 0);
}

static struct plan_wishes wishes_of(const struct certgen_options *c)
{
        return (struct plan_wishes){
                .leaf_lifetime = c->certificate_lifetime / DURATION_MICROSECOND,
                .ca_lifetime = c->ca_lifetime / DURATION_MICROSECOND,
                .ca_overlap = c->ca_overlap / DURATION_MICROSECOND,
                .rotate_ca = c->rotate_ca,
        };
}

/* Two that verify each other need one CA: half of them is not worth keeping. */
static void warn_of_halves(struct rotation *r, struct buf *out)
{
        size_t count;
        const struct rotation_object *objects = rotation_objects(r, &count);
        if (!*objects[XDS].foreign != !*objects[ENVOY].foreign)
                buf_printf(out,
                           "warning: %s and %s verify each other: let cert-manager keep both of them, or neither\n",
                           objects[XDS].name, objects[ENVOY].name);
        for (size_t i = FIRST_HOOK; i < count; i++) {
                if (*objects[i].foreign && !*objects[WEBHOOK].foreign)
                        buf_printf(out,
                                   "warning: %s/%s does not get the CA of %s: remove its annotation of cert-manager\n",
                                   objects[i].type, objects[i].name, objects[WEBHOOK].name);
        }
}

static bool report(struct rotation *r, bool dry_run, int64_t when)
{
        AUTO(buf) *out = buf_new(OUTPUT_MAX);
        if (dry_run)
                buf_append_str(out, "dry run: nothing was written; what would be done:\n");
        rotation_describe(r, time_now_micros(), out);
        warn_of_halves(r, out);
        if (when != INT64_MAX) {
                char text[TIME_TEXT_MAX];
                time_format_seconds(when, text);
                buf_printf(out, "nothing more to do before %s\n", text);
        }
        return print(out);
}

static int keep_in_folder(struct rotation *r, const struct options *o)
{
        struct plan_wishes wishes = wishes_of(&o->certgen);
        struct err e = {0};
        bool dry_run = o->certgen.dry_run;
        int64_t when = INT64_MAX;
        AUTO(folder) *f = folder_open(o->certgen.pem, dry_run, &e);
        if (!f || !folder_read(f, r, &e) ||
            !rotation_run(r, &wishes, time_now_micros(), dry_run ? NULL : folder_write, f, &when, &e))
                return fail(&e);
        return !report(r, dry_run, when);
}

/* ---- --yaml ---- */

/* Quoted base64 is YAML, too. */
static void append_data(struct buf *out, const char *key, const struct buf *value)
{
        if (!value)
                return;
        buf_printf(out, "  %s: ", key);
        json_text_base64(out, buf_data(value), buf_len(value));
        buf_append_char(out, '\n');
}

static void append_secret(struct buf *out, const struct rotation_object *o, const char *namespace)
{
        bool leaf = o->kind == ROTATION_LEAF;
        buf_printf(out, "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ntype: %s\ndata:\n",
                   o->name, namespace, leaf ? "kubernetes.io/tls" : "gatehouse.io/ca");
        append_data(out, "ca.crt", o->fields[ROTATION_BUNDLE]);
        append_data(out, "tls.crt", o->fields[ROTATION_CRT]);
        append_data(out, leaf ? "tls.key" : "ca.key", o->fields[ROTATION_KEY]);
}

static int print_yaml(struct rotation *r, const struct options *o)
{
        struct plan_wishes wishes = wishes_of(&o->certgen);
        struct err e = {0};
        int64_t when = INT64_MAX;
        if (!rotation_run(r, &wishes, time_now_micros(), NULL, NULL, &when, &e))
                return fail(&e);
        if (o->certgen.dry_run)
                return !report(r, true, when);
        AUTO(buf) *out = buf_new(OUTPUT_MAX);
        buf_set_secret(out);
        size_t count;
        struct rotation_object *objects = rotation_objects(r, &count);
        for (size_t i = 0; i < count; i++)
                append_secret(out, &objects[i], o->kube.namespace);
        return !print(out);
}

/* ---- --kube ---- */

static const char *environment(const char *name)
{
        return getenv(name);
}

/* The bundle of who keeps the certificate is what caBundle has to be. */
static void leave_hooks_to_the_owner(struct rotation *r)
{
        size_t count;
        struct rotation_object *objects = rotation_objects(r, &count);
        for (size_t i = FIRST_HOOK; i < count && *objects[WEBHOOK].foreign; i++) {
                if (objects[i].stored && !*objects[i].foreign)
                        rotation_own(&objects[i], "left alone: the certificate is not ours; annotate it with "
                                                  "cert-manager.io/inject-ca-from: NAMESPACE/CERTIFICATE");
        }
}

static bool hooks_are_there(struct rotation *r)
{
        size_t count;
        const struct rotation_object *objects = rotation_objects(r, &count);
        for (size_t i = FIRST_HOOK; i < count; i++) {
                if (!objects[i].stored)
                        return false;
        }
        return true;
}

/* kubectl applies the webhook configurations behind the Job, which may be faster: caBundle would stay empty for a day.
 */
static bool await_hooks(struct apply *a, struct rotation *r, int64_t wait, struct err *e)
{
        const int64_t deadline = time_monotonic() + wait;
        while (time_monotonic() < deadline) {
                if (!apply_read(a, r, e))
                        return false;
                if (hooks_are_there(r))
                        return true;
                apply_pause(a, 250 * DURATION_MILLISECOND);
        }
        return true;
}

/* Another Job at the same objects makes a write fail: then all is read again, and the plan goes on from there. */
static bool run_in_cluster(struct apply *a, struct rotation *r, const struct certgen_options *c, int64_t *when,
                           struct err *e)
{
        struct plan_wishes wishes = wishes_of(c);
        for (int i = 0; i < CONFLICTS_MAX; i++) {
                *e = (struct err){0};
                if (!apply_read(a, r, e))
                        return false;
                leave_hooks_to_the_owner(r);
                if (rotation_run(r, &wishes, apply_time(a), c->dry_run ? NULL : apply_write, a, when, e))
                        return true;
                if (e->code != APPLY_CONFLICT)
                        return false;
                apply_pause(a, 100 * DURATION_MILLISECOND + time_monotonic() % (400 * DURATION_MILLISECOND));
        }
        return err_wrap(e, "another writer was faster %d times", CONFLICTS_MAX);
}

static int keep_in_cluster(struct rotation *r, const struct options *o)
{
        struct err e = {0};
        int64_t when = INT64_MAX;
        struct kubeconfig *config = connect_config(&o->kube, environment, &e);
        AUTO(apply) *a = config ? apply_new(config, o->kube.namespace, &e) : NULL;
        if (!a || !await_hooks(a, r, o->certgen.webhook_wait, &e) || !run_in_cluster(a, r, &o->certgen, &when, &e))
                return fail(&e);
        return !report(r, o->certgen.dry_run, when);
}

int certgen_run(const struct options *o)
{
        AUTO(arena) *a = arena_new(4096);
        AUTO(rotation) *r = rotation_for(a, o);
        if (o->certgen.pem)
                return keep_in_folder(r, o);
        if (o->certgen.yaml)
                return print_yaml(r, o);
        return keep_in_cluster(r, o);
}
