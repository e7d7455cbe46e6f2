/* SPDX-License-Identifier: Apache-2.0 */
/* A Secret that goes or turns bad costs no connection before somebody could have noticed (rules.md, TLSSecretInvalid).
 */
#include "controller/pipeline_fixture.h"

static void put_secret(struct world *w, const char *name, unsigned version, int64_t expires)
{
        AUTO_STR *data = secret_data(expires);
        AUTO_STR *text = mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"u%u\","
                                    "\"resourceVersion\":\"%u\"},\"type\":\"kubernetes.io/tls\",%s}",
                                    name, version, version, data);
        put(w, KIND_SECRET, text);
}

static void put_good(struct world *w, const char *name, unsigned version)
{
        put_secret(w, name, version, clock_wall / TIME_MICROS_PER_SECOND + 90 * 86400);
}

static void put_bad(struct world *w, const char *name, unsigned version)
{
        put_secret(w, name, version, 0);
}

static void put_root(struct world *w, unsigned version, const char *secret)
{
        AUTO_STR *text =
                mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"site\",\"uid\":\"u\",\"resourceVersion\":"
                           "\"%u\",\"generation\":%u},\"spec\":{\"virtualhost\":{\"fqdn\":\"tls.example\",\"tls\":{"
                           "\"secretName\":\"%s\"}},\"routes\":[{\"match\":\"/\",\"services\":[{\"name\":\"s\","
                           "\"port\":80}]}]}}",
                           version, version, secret);
        put(w, KIND_INGRESSROUTE, text);
}

static struct world *with_site(void)
{
        struct world *w = started();
        put(w, KIND_SERVICE,
            "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
        put_good(w, "cert", 1);
        put_root(w, 1, "cert");
        settle(w);
        return w;
}

static const char *told_of_site(const struct world *w)
{
        return map_get(w->told, "a/site");
}

static bool is_broken(const struct world *w)
{
        return pipeline_find_host(w->pipeline, "tls.example")->tls->broken;
}

static void secret__deleted_and_created_again_within_a_minute__nobody_notices(void **state)
{
        (void)state;
        AUTO(world) *w = with_site();
        unsigned hosts = w->hosts_told;
        pipeline_remove(w->pipeline, KIND_SECRET, "a", "cert", 0);
        settle(w);
        pass(58 * DURATION_SECOND);
        settle(w);
        assert_null(strstr(told_of_site(w), "TLSSecretNotFound"));
        put_good(w, "cert", 2);
        settle(w);
        pass(600 * DURATION_SECOND);
        settle(w);
        assert_int_equal(w->hosts_told, hosts);
        assert_non_null(strstr(told_of_site(w), "status=0"));
        /* Deleted again: a whole minute again. */
        pipeline_remove(w->pipeline, KIND_SECRET, "a", "cert", 0);
        settle(w);
        put_good(w, "cert", 3);
        pass(30 * DURATION_SECOND);
        pipeline_remove(w->pipeline, KIND_SECRET, "a", "cert", 0);
        settle(w);
        pass(58 * DURATION_SECOND);
        settle(w);
        assert_false(is_broken(w));
}

static void secret__deleted__is_missed_after_a_minute_without_any_change(void **state)
{
        (void)state;
        AUTO(world) *w = with_site();
        pipeline_remove(w->pipeline, KIND_SECRET, "a", "cert", 0);
        settle(w);
        assert_false(is_broken(w));
        int64_t due = pipeline_due(w->pipeline);
        assert_true(due <= clock_monotonic + 60 * DURATION_SECOND);
        pass(60 * DURATION_SECOND);
        settle(w);
        assert_true(is_broken(w));
        assert_non_null(strstr(told_of_site(w), "TLSSecretNotFound"));
        assert_true(pipeline_due(w->pipeline) > clock_monotonic + DURATION_SECOND);
}

static void secret__deleted_that_nobody_uses__is_gone_at_once(void **state)
{
        (void)state;
        AUTO(world) *w = with_site();
        put_good(w, "other", 1);
        settle(w);
        pipeline_remove(w->pipeline, KIND_SECRET, "a", "other", 0);
        settle(w);
        assert_int_equal(store_count(w->store, KIND_SECRET), 1);
}

static void secret__turns_bad__the_last_good_one_is_served_and_the_status_says_so(void **state)
{
        (void)state;
        AUTO(world) *w = with_site();
        put_bad(w, "cert", 2);
        settle(w);
        assert_false(is_broken(w));
        assert_non_null(strstr(told_of_site(w), "TLSSecretInvalid"));
        assert_non_null(strstr(told_of_site(w), "still served"));
        assert_non_null(strstr(told_of_site(w), "status=1")); /* invalid */
        put_good(w, "cert", 3);
        settle(w);
        assert_non_null(strstr(told_of_site(w), "status=0"));
}

/* What was bad from the beginning of this process is not served, and what a root has left is forgotten. */
static void secret__root_names_another_and_returns__nothing_is_left(void **state)
{
        (void)state;
        AUTO(world) *w = with_site();
        put_bad(w, "cert", 2);
        put_good(w, "other", 1);
        settle(w);
        put_root(w, 2, "other");
        settle(w);
        assert_non_null(strstr(told_of_site(w), "status=0"));
        put_root(w, 3, "cert");
        settle(w);
        assert_true(is_broken(w));
        assert_non_null(strstr(told_of_site(w), "TLSSecretInvalid"));
        assert_null(strstr(told_of_site(w), "still served"));
}

static void secret__turns_bad_and_the_route_changes__the_last_good_one_is_served_on(void **state)
{
        (void)state;
        AUTO(world) *w = with_site();
        put_bad(w, "cert", 2);
        settle(w);
        put_root(w, 2, "cert");
        pipeline_recompile(w->pipeline);
        settle(w);
        assert_false(is_broken(w));
}

int main(void)
{
        clock_wall = 1800000000 * TIME_MICROS_PER_SECOND;
        clock_monotonic = 1000 * DURATION_SECOND;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(secret__deleted_and_created_again_within_a_minute__nobody_notices),
                cmocka_unit_test(secret__deleted__is_missed_after_a_minute_without_any_change),
                cmocka_unit_test(secret__deleted_that_nobody_uses__is_gone_at_once),
                cmocka_unit_test(secret__turns_bad__the_last_good_one_is_served_and_the_status_says_so),
                cmocka_unit_test(secret__root_names_another_and_returns__nothing_is_left),
                cmocka_unit_test(secret__turns_bad_and_the_route_changes__the_last_good_one_is_served_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
