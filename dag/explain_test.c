/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/explain.h"

#include "dag/fixture_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

/* A site over three namespaces, a copy of it, TLS of every sort, an Ingress, and a wildcard. */
static const char *const world[] = {
        "{'ns': 'shut', 'annotations': {'allowed-fqdns': 'other.example'}}",
        "{'svc': 'a/web'}",
        "{'svc': 'a/new'}",
        "{'svc': 'a/idle'}",
        "{'svc': 'b/blog'}",
        "{'svc': 'c/deep'}",
        "{'svc': 'i/web'}",
        "{'secret': 'a/cert', 'names': ['tls.example']}",
        "{'secret': 'i/cert', 'names': ['*.wild.example']}",
        "{'ir': 'a/site', 'created': 1, 'fqdn': 'site.example', 'routes': ['/ web', '/w web:80*1 new:80*3', "
        "'/even web new', '/idle idle', '/half web idle', '/gone gone', '/mix web gone', '/blog -> b/blog', "
        "'/lost -> b/nothing', {'match': '/rw', 'services': [{'name': 'web', 'port': 80}], 'prefixRewrite': '/'}, "
        "{'match': '/rx', 'services': [{'name': 'web', 'port': 80}], 'prefixRewrite': '/y'}, "
        "{'match': '/a b', 'services': [{'name': 'web', 'port': 80}]}]}",
        "{'ir': 'b/blog', 'routes': ['/blog blog', '/blog/deep -> c/deep', '/shop blog']}",
        "{'ir': 'c/deep', 'routes': ['/blog/deep/down deep']}",
        "{'ir': 'b/copy', 'created': 2, 'fqdn': 'site.example', 'routes': ['/ blog']}",
        "{'ir': 'x/foreign', 'fqdn': 'site.example', 'routes': ['/ web'], 'annotations': {'ingress.class': 'nginx'}}",
        "{'ir': 'shut/out', 'fqdn': 'forbidden.example', 'routes': ['/ web']}",
        "{'ir': 'b/orphan', 'routes': ['/ blog']}",
        "{'ir': 'a/tls', 'fqdn': 'tls.example', 'tls': 'cert', 'routes': ['/ web', '/open web insecure']}",
        "{'ir': 'a/broken', 'fqdn': 'broken.example', 'tls': 'none', 'routes': ['/ web', '/open web insecure']}",
        ("{'ir': 'a/tcp', 'fqdn': 'tcp.example', 'spec': {'virtualhost': {'fqdn': 'tcp.example', 'tls': "
         "{'passthrough': true}}, 'tcpproxy': {'delegate': {'name': 'tcp', 'namespace': 'b'}}}}"),
        "{'ir': 'b/tcp', 'spec': {'tcpproxy': {'services': [{'name': 'blog', 'port': 80}]}}}",
        "{'ir': 'a/only', 'fqdn': 'only.example', 'routes': ['/x web']}",
        ("{'ing': 'i/in', 'hosts': {'in.example': ['/p web', '/p web Exact', '/p/q web'], '*.wild.example': ['/ "
         "web']}, "
         "'tls': {'cert': ['*.wild.example']}}"),
};

static void put(struct fixture *f, const char *text)
{
        AUTO_STR *quoted = mem_strdup(text);
        for (char *p = quoted; *p; p++)
                *p = *p == '\'' ? '"' : *p;
        json_t *o = json_loads(quoted, 0, NULL);
        assert_non_null(o);
        fixture_put(f, o, NULL);
        json_decref(o);
}

static void fill(struct fixture *f)
{
        fixture_init(f);
        f->policy.allow_wildcard_hosts = true;
        f->policy.serve_unclassed_ingress = true;
        for (size_t i = 0; i < COUNT_OF(world); i++)
                put(f, world[i]);
        fixture_compile(f);
}

/* Who asks for site.example and never has it. */
#define LOSERS "; not b/copy [FQDNConflict]; not x/foreign [asks for the host, and is of another ingress class]"

/* ---- an explanation in one line ---- */

static const struct host *find_host(const char *name, void *arg)
{
        return fixture_host(arg, name);
}

static size_t count_endpoints(const struct cluster *c, void *arg)
{
        (void)arg;
        return str_equal(c->service, "idle") ? 0 : 2;
}

static void add_chain(struct buf *b, const struct explanation *x)
{
        for (size_t i = 0; i < x->chain_count; i++) {
                const struct explain_step *s = &x->chain[i];
                const char *index = strchr(s->field, '[');
                buf_printf(b, "%s%s/%s%s", i ? " -> " : "", s->object.namespace, s->object.name,
                           index       ? index
                           : *s->field ? " tcp"
                                       : "");
        }
}

static void add_rest(struct buf *b, const struct explanation *x)
{
        if (x->route)
                buf_printf(b, ": %s%s", x->route->exact ? "= " : "", x->route->match);
        if (x->forwarded_path)
                buf_printf(b, " as %s", x->forwarded_path);
        for (size_t i = 0; i < x->cluster_count; i++) {
                const struct explain_cluster *c = &x->clusters[i];
                buf_printf(b, " %s%s %.0f%%", c->cluster->service, c->cluster->missing ? "!" : "", c->percent);
        }
        for (size_t i = 0; i < x->findings.count; i++)
                buf_printf(b, " [%s]", rule_info(x->findings.items[i].rule)->name);
        for (size_t i = 0; i < x->stopped_count; i++) {
                const struct explain_stopped *s = &x->stopped[i];
                buf_printf(b, "; not %s/%s%s%s [%s]", s->object.namespace, s->object.name, s->match ? " " : "",
                           s->match ? s->match : "", s->rule ? s->rule : s->message);
        }
}

static void add_from(struct buf *b, const struct explain_from *from)
{
        buf_printf(b, "; from %s/%s: %s", from->object.namespace, from->object.name, from->reason);
        for (size_t i = 0; i < from->findings.count; i++)
                buf_printf(b, " [%s]", rule_info(from->findings.items[i].rule)->name);
}

static void line_of(struct fixture *f, const char *text, const char *from, struct buf *b)
{
        AUTO(arena) *a = arena_new(4096);
        struct view v = {.store = f->store};
        struct object_state state = {0};
        struct explain_input in = {.view = &v,
                                   .policy = &f->policy,
                                   .find_host = find_host,
                                   .count_endpoints = count_endpoints,
                                   .arg = f,
                                   .from_state = &state};
        if (from) {
                AUTO_STR *namespace = mem_strndup(from, strcspn(from, "/"));
                const char *name = strchr(from, '/') + 1;
                in.from = view_get(&v, KIND_INGRESSROUTE, namespace, name);
                if (!in.from)
                        in.from = view_get(&v, KIND_INGRESS, namespace, name);
                assert_non_null(in.from);
                fixture_state(f, a, in.from, &state);
        }
        struct explain_url url;
        struct err e = {0};
        assert_true(explain_url_parse(a, text, strlen(text), EXPLAIN_SLASHES_UNESCAPE, &url, &e));
        struct explanation x;
        explain(a, &in, &url, &x);
        buf_printf(b, "%s%s%s ", x.redirected ? "301 " : "", x.served ? "" : "not ", explain_answer_name(x.answer));
        add_chain(b, &x);
        add_rest(b, &x);
        if (x.from)
                add_from(b, x.from);
}

struct row {
        const char *url, *from, *line;
};

static void check(const struct row *rows, size_t n)
{
        struct fixture f;
        fill(&f);
        bool fine = true;
        for (size_t i = 0; i < n; i++) {
                AUTO(buf) *line = buf_new(65536);
                line_of(&f, rows[i].url, rows[i].from, line);
                if (strcmp(buf_data(line), rows[i].line) == 0)
                        continue;
                fine = false;
                print_error("%s\n   is %s\n  not %s\n", rows[i].url, buf_data(line), rows[i].line);
        }
        fixture_done(&f);
        assert_true(fine);
}

static void explain__paths__as_envoy_matches_them(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"http://only.example/x", NULL, "forwarded a/only[0]: /x as /x web 100%"},
                {"http://only.example/x/", NULL, "forwarded a/only[0]: /x as /x/ web 100%"},
                {"http://only.example/x/y?z", NULL, "forwarded a/only[0]: /x as /x/y?z web 100%"},
                {"http://only.example/xy", NULL, "not not-found a/only"},
                {"http://only.example:8080/a/../x", NULL, "forwarded a/only[0]: /x as /x web 100%"},
                {"http://in.example/p", NULL, "forwarded i/in: = /p as /p web 100%"},
                {"http://in.example/p/", NULL, "forwarded i/in: /p as /p/ web 100%"},
                {"http://in.example/p/q", NULL, "forwarded i/in: /p/q as /p/q web 100%"},
                {"http://in.example/", NULL, "not not-found i/in"},
                {"http://a.b.wild.example/", NULL, "forwarded i/in: / as / web 100%"},
                {"https://a.wild.example/", NULL, "forwarded i/in: / as / web 100%"},
                {"https://wild.example/", NULL, "not closed "},
        };
        check(rows, COUNT_OF(rows));
}

static void explain__routes__say_clusters_and_what_is_cut_off(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"http://site.example/w", NULL, "forwarded a/site[1]: /w as /w new 75% web 25%" LOSERS},
                {"http://site.example/even", NULL, "forwarded a/site[2]: /even as /even new 50% web 50%" LOSERS},
                {"http://site.example/idle", NULL, "not unavailable a/site[3]: /idle as /idle idle 100%" LOSERS},
                {"http://site.example/half", NULL, "forwarded a/site[4]: /half as /half idle 50% web 50%" LOSERS},
                {"http://site.example/gone", NULL,
                 "not unavailable a/site[5]: /gone as /gone gone! 100% [ServiceNotFound]" LOSERS},
                {"http://site.example/mix", NULL,
                 "forwarded a/site[6]: /mix as /mix gone! 50% web 50% [ServiceNotFound]" LOSERS},
                {"http://site.example/lost", NULL, "not unavailable a/site[8]: /lost [DelegateNotFound]" LOSERS},
                {"http://site.example/rw", NULL, "forwarded a/site[9]: /rw as / web 100%" LOSERS},
                {"http://site.example/rw/x?q", NULL, "forwarded a/site[9]: /rw as /x?q web 100%" LOSERS},
                {"http://site.example/rx/z", NULL, "forwarded a/site[10]: /rx as /y/z web 100%" LOSERS},
                {"http://site.example/a%20b", NULL, "forwarded a/site[11]: /a b as /a%20b web 100%" LOSERS},
        };
        check(rows, COUNT_OF(rows));
}

static void explain__delegations__the_whole_chain(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"http://site.example/blog", NULL, "forwarded a/site[7] -> b/blog[0]: /blog as /blog blog 100%" LOSERS},
                {"http://site.example/blog/deep/down/x", NULL,
                 "forwarded a/site[7] -> b/blog[1] -> c/deep[0]: /blog/deep/down as /blog/deep/down/x deep "
                 "100%" LOSERS},
                {"http://site.example/blog/deep", NULL,
                 "forwarded a/site[7] -> b/blog[0]: /blog as /blog/deep blog 100%" LOSERS},
                {"http://site.example/shop", NULL,
                 "forwarded a/site[0]: / as /shop web 100%" LOSERS "; not b/blog /shop [PathOutsideDelegation]"},
        };
        check(rows, COUNT_OF(rows));
}

static void explain__tls__redirects_ends_passes_or_closes(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"https://tls.example/", NULL, "forwarded a/tls[0]: / as / web 100%"},
                {"http://tls.example/", NULL, "301 forwarded a/tls[0]: / as / web 100%"},
                {"http://tls.example/open", NULL, "forwarded a/tls[1]: /open as /open web 100%"},
                {"https://broken.example/", NULL, "not closed a/broken [TLSSecretNotFound]"},
                {"http://broken.example/", NULL, "not unavailable a/broken[0]: / [TLSSecretNotFound]"},
                {"http://broken.example/open", NULL,
                 "forwarded a/broken[1]: /open as /open web 100% [TLSSecretNotFound]"},
                {"https://tcp.example/", NULL, "proxied a/tcp tcp -> b/tcp tcp blog 100%"},
                {"http://tcp.example/", NULL, "not unavailable a/tcp"},
                {"https://site.example/", NULL, "not closed a/site" LOSERS},
        };
        check(rows, COUNT_OF(rows));
}

static void explain__nobody_serves__says_who_would_and_what_stops_it(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"http://nobody.example/", NULL, "not not-found "},
                {"https://nobody.example/", NULL, "not closed "},
                {"http://forbidden.example/", NULL, "not not-found ; not shut/out [FQDNNotGranted]"},
        };
        check(rows, COUNT_OF(rows));
}

static void explain__from_an_object__says_its_own_side(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"http://site.example/", "a/site",
                 "forwarded a/site[0]: / as / web 100%" LOSERS "; from a/site: it is the object that answers"},
                {"http://site.example/", "b/copy",
                 "forwarded a/site[0]: / as / web 100%" LOSERS
                 "; from b/copy: it does not have the host [FQDNConflict]"},
                {"http://site.example/", "x/foreign",
                 "forwarded a/site[0]: / as / web 100%" LOSERS "; from x/foreign: it is of another ingress class"},
                {"http://site.example/shop", "b/blog",
                 "forwarded a/site[0]: / as /shop web 100%" LOSERS
                 "; not b/blog /shop [PathOutsideDelegation]; from b/blog: Invalid value: \"/shop\" must lie below "
                 "\"/blog\", which IngressRoute a/site delegates to this object (to be rid of a stranger's delegation, "
                 "name those that you accept in the annotation contour.heptio.com/delegated-from) "
                 "[PathOutsideDelegation]"},
                {"http://site.example/blog/deep/down", "b/blog",
                 "forwarded a/site[7] -> b/blog[1] -> c/deep[0]: /blog/deep/down as /blog/deep/down deep 100%" LOSERS
                 "; from b/blog: its route /blog/deep hands the path on to IngressRoute c/deep"},
                {"http://site.example/blog", "a/site",
                 "forwarded a/site[7] -> b/blog[0]: /blog as /blog blog 100%" LOSERS
                 "; from a/site: its route /blog hands the path on to IngressRoute b/blog"},
                {"http://site.example/", "b/orphan",
                 "forwarded a/site[0]: / as / web 100%" LOSERS
                 "; from b/orphan: no root reaches it on this host [Orphaned]"},
                {"http://site.example/", "a/only",
                 "forwarded a/site[0]: / as / web 100%" LOSERS "; from a/only: its host is only.example"},
                {"http://in.example/p", "i/in",
                 "forwarded i/in: = /p as /p web 100%; from i/in: it is the object that answers"},
                {"http://site.example/", "i/in",
                 "forwarded a/site[0]: / as / web 100%" LOSERS "; from i/in: it does not ask for the host"},
                {"http://site.example/", "c/deep",
                 "forwarded a/site[0]: / as / web 100%" LOSERS "; from c/deep: none of its routes covers the path"},
                {"http://forbidden.example/", "shut/out",
                 "not not-found ; not shut/out [FQDNNotGranted]; from shut/out: it does not have the host "
                 "[FQDNNotGranted] [ServiceNotFound]"},
        };
        check(rows, COUNT_OF(rows));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(explain__paths__as_envoy_matches_them),
                cmocka_unit_test(explain__routes__say_clusters_and_what_is_cut_off),
                cmocka_unit_test(explain__delegations__the_whole_chain),
                cmocka_unit_test(explain__tls__redirects_ends_passes_or_closes),
                cmocka_unit_test(explain__nobody_serves__says_who_would_and_what_stops_it),
                cmocka_unit_test(explain__from_an_object__says_its_own_side),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
