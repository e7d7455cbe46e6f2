/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/page.h"

#include "base/time.h"
#include "cmd/html.h"
#include "dag/fixture_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka needs those before it */
#include <cmocka.h>

enum { PAGE_MAX = 8 << 20 };
#define EVIL "<script>alert(1)</script>\"'&"
#define DAY (86400 * TIME_MICROS_PER_SECOND)

static void put(struct fixture *f, const char *text)
{
        json_t *o = json_loads(text, 0, NULL);
        assert_non_null(o);
        fixture_put(f, o, NULL);
        json_decref(o);
}

static struct buf *rendered(const struct page *p)
{
        struct buf *out = buf_new(PAGE_MAX);
        page_render(out, p);
        assert_false(buf_full(out));
        return out;
}

static struct page empty_page(void)
{
        return (struct page){.version = "v1", .query = "", .number = 1, .page_count = 1, .ready = true};
}

static size_t count_of(const char *text, const char *part)
{
        size_t n = 0;
        for (; (text = strstr(text, part)); text += strlen(part))
                n++;
        return n;
}

static void html__what_means_something__is_escaped(void **state)
{
        (void)state;
        AUTO(buf) *out = buf_new(1024);
        html_text(out, "a<b>&\"'\x01\n\xc3\xa4");
        assert_string_equal(buf_data(out), "a&lt;b&gt;&amp;&quot;&#39;\xef\xbf\xbd\n\xc3\xa4");
        buf_clear(out);
        html_query(out, "a b&c=\"<\xc3\xa4");
        assert_string_equal(buf_data(out), "a%20b%26c%3D%22%3C%C3%A4");
}

static void page__nothing_there__says_so(void **state)
{
        (void)state;
        struct page p = empty_page();
        p.serves_xds = true;
        AUTO(buf) *out = rendered(&p);
        assert_non_null(strstr(buf_data(out), "There is none yet"));
        assert_non_null(strstr(buf_data(out), "No Envoy is connected"));
        assert_non_null(strstr(buf_data(out), "Hosts (0)"));
        assert_null(strstr(buf_data(out), "page 1 of"));
}

static void page__text_of_users__is_never_markup(void **state)
{
        (void)state;
        const struct page_part part = {EVIL, EVIL, HEALTH_BAD};
        const struct page_certificate certificate = {EVIL, DAY, EVIL};
        const struct page_client_type type = {EVIL, "1", "1", EVIL, 0};
        const struct page_client client = {.node = EVIL, .peer = EVIL, .service = "s", .types = &type, .type_count = 1};
        const struct finding finding = {.about = {KIND_INGRESS, EVIL, EVIL}, .field = EVIL, .message = EVIL};
        const struct page_finding shown = {&finding, STATUS_INVALID};
        const struct object_ref ref = {KIND_INGRESSROUTE, EVIL, EVIL};
        const struct cluster cluster = {.namespace = EVIL, .service = EVIL, .port = 1};
        const struct route route = {.match = EVIL, .source = &ref, .clusters = &cluster, .cluster_count = 1};
        const struct host host = {.name = EVIL, .owner = &ref, .routes = &route, .route_count = 1};
        const struct tree_node node = {.ref = ref, .prefix = EVIL};
        const struct page_host item = {.host = &host, .tree = {.first = &node, .count = 1}};
        struct page p = {.version = EVIL,
                         .query = EVIL,
                         .parts = &part,
                         .part_count = 1,
                         .certificates = &certificate,
                         .certificate_count = 1,
                         .clients = &client,
                         .client_count = 1,
                         .client_total = 1,
                         .serves_xds = true,
                         .findings = &shown,
                         .finding_count = 1,
                         .finding_total = 1,
                         .hosts = &item,
                         .host_count = 1,
                         .host_matches = 100,
                         .host_total = 100,
                         .number = 1,
                         .page_count = 2};
        AUTO(buf) *out = rendered(&p);
        assert_null(strstr(buf_data(out), "<script"));
        assert_null(strstr(buf_data(out), "alert(1)<"));
        assert_null(strstr(buf_data(out), "\"'&"));
        assert_true(count_of(buf_data(out), "&lt;script&gt;") >= 15);
}

static void page__certificate__says_what_is_left(void **state)
{
        (void)state;
        const struct page_certificate certificates[] = {
                {"a", 100 * DAY, ""}, {"b", 20 * DAY, ""}, {"c", 2 * DAY, ""}, {"d", 0, "no key"}};
        struct page p = empty_page();
        p.now = DAY;
        p.certificates = certificates;
        p.certificate_count = COUNT_OF(certificates);
        AUTO(buf) *out = rendered(&p);
        assert_non_null(strstr(buf_data(out), "<span class=\"good\">99 days left"));
        assert_non_null(strstr(buf_data(out), "<span class=\"warn\">19 days left"));
        assert_non_null(strstr(buf_data(out), "<span class=\"bad\">1 day left"));
        assert_non_null(strstr(buf_data(out), "<span class=\"bad\">expired"));
        assert_non_null(strstr(buf_data(out), "no key"));
}

static void state_of(const struct object *o, struct arena *a, struct object_state *out, void *arg)
{
        fixture_state(arg, a, o, out);
}

static void page__tree__shows_the_chain_and_its_findings(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"svc\": \"a/web\"}");
        put(&f, "{\"ir\": \"a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ web\", \"/blog -> b/blog\"]}");
        put(&f, "{\"ir\": \"b/blog\", \"routes\": [\"/blog web\"]}");
        fixture_compile(&f);
        const struct view v = {.store = f.store};
        const struct host *h = fixture_host(&f, "site.example");
        AUTO(arena) *a = arena_new(4096);
        const struct page_host item = {.host = h, .tree = tree_of(a, &v, h, state_of, &f)};
        struct page p = empty_page();
        p.hosts = &item;
        p.host_count = p.host_matches = p.host_total = 1;
        AUTO(buf) *out = rendered(&p);
        assert_non_null(strstr(buf_data(out), "<code>/blog</code> &rarr; IngressRoute b/blog"));
        assert_non_null(strstr(buf_data(out), "[ServiceNotFound]"));
        assert_non_null(strstr(buf_data(out), "/debug/dag?host=site.example"));
        fixture_done(&f);
}

static void search__words__all_must_stand_somewhere(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        put(&f, "{\"ir\": \"team-a/root\", \"fqdn\": \"site.example\", \"routes\": [\"/ web\"]}");
        const struct view v = {.store = f.store};
        struct host *h = host_compile(&v, &f.policy, "site.example", f.now);
        static const char *const found[] = {"", "SITE", "team-a", "team-a/root", "site team", "  site "};
        static const char *const not_found[] = {"other", "site other", "sites", "FQDNConflict"};
        for (size_t i = 0; i < COUNT_OF(found); i++)
                assert_true(page_host_matches(h, found[i]));
        for (size_t i = 0; i < COUNT_OF(not_found); i++)
                assert_false(page_host_matches(h, not_found[i]));
        const struct finding finding = {.about = {KIND_INGRESS, "b", "shop"}, .field = "spec", .message = "no good"};
        assert_true(page_finding_matches(&finding, "b/shop GOOD"));
        assert_false(page_finding_matches(&finding, "shop bad"));
        host_unref(h);
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(html__what_means_something__is_escaped),
                cmocka_unit_test(page__nothing_there__says_so),
                cmocka_unit_test(page__text_of_users__is_never_markup),
                cmocka_unit_test(page__certificate__says_what_is_left),
                cmocka_unit_test(page__tree__shows_the_chain_and_its_findings),
                cmocka_unit_test(search__words__all_must_stand_somewhere),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
