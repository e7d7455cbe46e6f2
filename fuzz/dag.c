/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dag - a few objects whose every choice is a byte of the input: compiled, judged, judged as candidates, dumped; then
 * again with the objects put in reverse, which must give the same bytes.
 */
#include "dag/dump.h"
#include "dag/fixture_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OBJECTS_MAX = 24, LIST_MAX = 6, TEXT_MAX = 16 * 1024 * 1024 };

struct input {
        const uint8_t *p, *end;
};

static unsigned choose(struct input *in, unsigned n)
{
        return in->p < in->end ? *in->p++ % n : 0;
}

/* One of a pool of strings that meet, or the next bytes as they are. */
static json_t *text_of(struct input *in, const char *const *pool, unsigned n)
{
        unsigned which = choose(in, n + 2);
        if (which < n)
                return json_string(pool[which]);
        if (which == n)
                return json_integer(choose(in, 256) - 1);
        size_t want = choose(in, 40), left = (size_t)(in->end - in->p);
        size_t length = want < left ? want : left;
        json_t *s = json_stringn((const char *)in->p, length); /* NULL when it is not UTF-8 */
        in->p += length;
        return s ? s : json_string("a.b/c");
}
#define TEXT(in, ...)                                                                                                  \
        text_of((in), (const char *const[]){__VA_ARGS__},                                                              \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void maybe(struct input *in, json_t *o, const char *key, json_t *value)
{
        if (choose(in, 3))
                json_object_set_new(o, key, value);
        else
                json_decref(value);
}

static json_t *number(struct input *in)
{
        static const json_int_t numbers[] = {0, 1, -1, 80, 100, 128, 3600, 3601, 65535, 65536, 1000001, INT64_MAX};
        return json_integer(numbers[choose(in, COUNT_OF(numbers))]);
}

static json_t *name(struct input *in)
{
        return TEXT(in, "a", "b", "c", "d");
}

static json_t *host(struct input *in)
{
        return TEXT(in, "x.example", "Y.example.", "*.example", "*", "");
}

static json_t *health(struct input *in)
{
        json_t *h = json_object();
        maybe(in, h, "path", TEXT(in, "/health", ""));
        maybe(in, h, "intervalSeconds", number(in));
        maybe(in, h, "healthyThresholdCount", number(in));
        return h;
}

static json_t *service(struct input *in)
{
        json_t *s = json_object();
        maybe(in, s, "name", name(in));
        maybe(in, s, "port", choose(in, 4) ? json_integer(80) : number(in));
        if (!choose(in, 3))
                json_object_set_new(s, "weight", number(in));
        if (!choose(in, 4))
                json_object_set_new(s, "strategy", TEXT(in, "Cookie", "Random", "Worst"));
        if (!choose(in, 4))
                json_object_set_new(s, "healthCheck", health(in));
        if (!choose(in, 4))
                json_object_set_new(s, "validation",
                                    json_pack("{s:o, s:o}", "caSecret", name(in), "subjectName", host(in)));
        return s;
}

static void action(struct input *in, json_t *o)
{
        unsigned which = choose(in, 8);
        if (which & 1)
                json_object_set_new(o, "delegate", json_pack("{s:o, s:o}", "name", name(in), "namespace", name(in)));
        if (which != 1) {
                json_t *services = json_array();
                for (unsigned n = choose(in, 3); n; n--)
                        json_array_append_new(services, service(in));
                json_object_set_new(o, "services", services);
        }
}

static json_t *route(struct input *in)
{
        json_t *r = json_object();
        maybe(in, r, "match", TEXT(in, "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "//", "/a?"));
        action(in, r);
        if (!choose(in, 3)) {
                maybe(in, r, "permitInsecure", json_true());
                maybe(in, r, "prefixRewrite", TEXT(in, "/", "x"));
                maybe(in, r, "timeoutPolicy", json_pack("{s:o}", "request", TEXT(in, "1s", "infinity", "-1s")));
                maybe(in, r, "retryPolicy", json_pack("{s:o}", "count", number(in)));
        }
        return r;
}

static json_t *ir_spec(struct input *in)
{
        json_t *spec = json_object();
        if (choose(in, 2)) {
                json_t *virtualhost = json_object();
                maybe(in, virtualhost, "fqdn", host(in));
                if (!choose(in, 2))
                        json_object_set_new(virtualhost, "tls",
                                            json_pack("{s:o, s:b, s:o}", "secretName", TEXT(in, "a", "b/a", "", "/"),
                                                      "passthrough", choose(in, 2), "minimumProtocolVersion",
                                                      TEXT(in, "1.3", "1.2", "9")));
                json_object_set_new(spec, "virtualhost", virtualhost);
        }
        json_t *routes = json_array();
        for (unsigned n = choose(in, LIST_MAX); n; n--)
                json_array_append_new(routes, route(in));
        maybe(in, spec, "routes", routes);
        if (!choose(in, 4)) {
                json_t *tcpproxy = json_object();
                action(in, tcpproxy);
                json_object_set_new(spec, "tcpproxy", tcpproxy);
        }
        if (!choose(in, 8))
                json_object_set_new(spec, "strategy", TEXT(in, "Maglev", "Worst"));
        return spec;
}

static json_t *ing_spec(struct input *in)
{
        json_t *rules = json_array();
        for (unsigned n = choose(in, 3); n; n--) {
                json_t *port = choose(in, 2) ? json_pack("{s:i}", "number", 80) : json_pack("{s:o}", "name", name(in));
                json_t *backend = json_pack("{s:{s:o, s:o}}", "service", "name", name(in), "port", port);
                json_t *path = json_pack("{s:o, s:s, s:o}", "path", TEXT(in, "/", "/a", "/b", "x"), "pathType",
                                         choose(in, 2) ? "Exact" : "Prefix", "backend", backend);
                json_array_append_new(rules, json_pack("{s:o, s:{s:[o]}}", "host", host(in), "http", "paths", path));
        }
        return json_pack("{s:o, s:[{s:o, s:[o]}]}", "rules", rules, "tls", "secretName", name(in), "hosts", host(in));
}

static json_t *annotations(struct input *in)
{
        static const char *const keys[] = {
                "contour.heptio.com/delegated-from",   "contour.heptio.com/fqdn-handover",
                "contour.heptio.com/allowed-fqdns",    "contour.heptio.com/ingress.class",
                "contour.heptio.com/max-connections",  "contour.heptio.com/upstream-protocol.tls",
                "contour.heptio.com/websocket-routes", "contour.heptio.com/retry-on"};
        json_t *all = json_object();
        for (unsigned n = choose(in, 3); n; n--)
                json_object_set_new(all, keys[choose(in, COUNT_OF(keys))],
                                    TEXT(in, "a/*", "a/a, b/b", "*.example", "contour", "80", "", ",", "*"));
        return all;
}

static json_t *object(struct input *in, enum kind *kind)
{
        static const enum kind kinds[] = {KIND_INGRESSROUTE, KIND_INGRESSROUTE, KIND_INGRESSROUTE,
                                          KIND_INGRESSROUTE, KIND_INGRESS,      KIND_SERVICE,
                                          KIND_SECRET,       KIND_NAMESPACE,    KIND_TLSCERTIFICATEDELEGATION};
        static const char *const names[] = {"a", "b", "c", "d"};
        *kind = kinds[choose(in, COUNT_OF(kinds))];
        json_t *m = json_pack("{s:s, s:s, s:o, s:s}", "name", names[choose(in, 4)], "namespace", names[choose(in, 2)],
                              "annotations", annotations(in), "creationTimestamp",
                              choose(in, 2) ? "2026-01-01T00:00:00Z" : "2026-01-01T00:00:01Z");
        if (*kind == KIND_NAMESPACE)
                json_object_del(m, "namespace");
        json_t *o = json_pack("{s:o}", "metadata", m);
        if (*kind == KIND_INGRESSROUTE) {
                json_object_set_new(o, "spec", ir_spec(in));
                if (!choose(in, 3))
                        json_object_set_new(o, "status",
                                            json_pack("{s:{s:o, s:s, s:s}}", "claim", "fqdn", host(in), "since",
                                                      "2026-01-01T00:00:00.000000Z", "by", "me"));
        } else if (*kind == KIND_INGRESS) {
                json_object_set_new(o, "spec", ing_spec(in));
        } else if (*kind == KIND_SERVICE) {
                json_object_set_new(o, "spec",
                                    json_pack("{s:[{s:i}], s:s, s:o}", "ports", "port", 80, "type",
                                              choose(in, 4) ? "ClusterIP" : "ExternalName", "externalName",
                                              TEXT(in, "x.example", "a", "127.1")));
        } else if (*kind == KIND_SECRET) {
                json_object_set_new(o, "type", json_string(choose(in, 2) ? "kubernetes.io/tls" : "Opaque"));
                json_object_set_new(o, "stringData",
                                    json_pack("{s:s, s:s, s:s}", "tls.crt", "{}", "tls.key", "k", "ca.crt",
                                              choose(in, 2) ? "good" : "bad"));
        } else if (*kind == KIND_TLSCERTIFICATEDELEGATION) {
                json_object_set_new(o, "spec",
                                    json_pack("{s:[{s:o, s:[o]}]}", "delegations", "secretName", name(in),
                                              "targetNamespaces", TEXT(in, "a", "*", "A")));
        }
        return o;
}

/* ---- what holds of every host and state ---- */

static void check_host(const struct host *h)
{
        for (size_t i = 0; i < h->route_count; i++) {
                const struct route *r = &h->routes[i];
                assert(r->match[0] == '/');
                assert((r->action == ROUTE_FORWARD) == (r->cluster_count > 0));
                assert(!i || strlen(h->routes[i - 1].match) >= strlen(r->match));
        }
        assert(h->owner || (!h->route_count && !h->tls && !h->tcpproxy));
        assert(!h->tls || h->tls->broken || h->tls->passthrough || h->tls->secret_name);
}

struct told {
        struct fixture *f;
        struct buf *out;
};

static void tell_findings(struct told *t, const struct finding *f, size_t n)
{
        AUTO(arena) *a = arena_new(1024);
        for (size_t i = 0; i < n; i++) {
                assert(f[i].field[0] && f[i].message[0] && !strchr(f[i].message, '\n'));
                buf_printf(t->out, "  %d %s (%s)\n", f[i].denies, finding_text(a, &f[i]), f[i].subject);
        }
}

static void tell_object(const struct object *o, void *arg)
{
        struct told *t = arg;
        AUTO(arena) *a = arena_new(4096);
        struct object_state s;
        fixture_state(t->f, a, o, &s);
        tell_findings(t, s.findings, s.finding_count);
        struct view v = {.store = t->f->store, .candidate = o};
        struct findings list = {.arena = a};
        judge_candidate(&v, &t->f->policy, t->f->now, &list);
        tell_findings(t, list.items, list.count);
}

/* All that is said, objects in order of their keys. */
static char *tell_all(struct fixture *f)
{
        AUTO(buf) *out = buf_new(TEXT_MAX);
        struct told t = {f, out};
        fixture_compile(f);
        static const char *const hosts[] = {"x.example", "y.example", "*.example", "*"};
        for (size_t i = 0; i < COUNT_OF(hosts); i++) {
                const struct host *h = fixture_host(f, hosts[i]);
                if (!h)
                        continue;
                check_host(h);
                host_text(out, h);
                dump_host(out, h);
        }
        struct map_entry *all = map_sorted(f->written);
        for (size_t i = 0; i < map_count(f->written); i++) {
                const json_t *m = json_object_get(all[i].value, "metadata");
                enum kind kind = (enum kind)atoi(all[i].key);
                const char *namespace =
                        kind == KIND_NAMESPACE ? "" : json_string_value(json_object_get(m, "namespace"));
                tell_object(view_get(&(struct view){.store = f->store}, kind, namespace,
                                     json_string_value(json_object_get(m, "name"))),
                            &t);
        }
        mem_free(all);
        return buf_take_str(out);
}

static struct policy policy_of(struct input *in)
{
        unsigned bits = choose(in, 256);
        return (struct policy){
                .claim_id = bits & 1 ? "me" : NULL,
                .require_fqdn_grants = bits & 2,
                .require_delegation_grants = bits & 4,
                .enable_external_name = bits & 8,
                .allow_wildcard_hosts = bits & 16,
                .serve_unclassed_ingress = bits & 32,
                .strict_references = bits & 64,
        };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = {data, data + size};
        struct fixture f, reversed;
        fixture_init(&f);
        f.policy = policy_of(&in);
        for (int i = 0; i < OBJECTS_MAX && in.p < in.end; i++) {
                enum kind kind;
                json_t *o = object(&in, &kind);
                fixture_put_full(&f, kind, o, NULL);
        }
        AUTO_STR *text = tell_all(&f);

        fixture_init(&reversed);
        reversed.policy = f.policy;
        struct map_entry *all = map_sorted(f.written);
        for (size_t i = map_count(f.written); i > 0; i--)
                fixture_put_full(&reversed, (enum kind)atoi(all[i - 1].key), json_incref(all[i - 1].value), NULL);
        mem_free(all);
        AUTO_STR *again = tell_all(&reversed);
        if (strcmp(text, again)) {
                fprintf(stderr, "%s\nand in reverse\n%s\n", text, again);
                abort();
        }
        fixture_done(&reversed);
        fixture_done(&f);
        return 0;
}
