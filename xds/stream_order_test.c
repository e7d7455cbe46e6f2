/* SPDX-License-Identifier: Apache-2.0 */
/* Obligation 7 of envoy.md: what goes before what, and for how long. */
#include "xds/stream_testing.h"

/* ---- 7: order ---- */

/* An Envoy with a cluster, its endpoints, a listener and routes, all acknowledged. */
static struct client *settled(struct fixture *f, enum stream_variant variant)
{
        stage_cluster(f, "a", "1", "ea");
        stage(f, EDS, "ea", "1");
        stage(f, LDS, "l", "1");
        stage(f, RDS, "r", "1");
        struct client *c = open_ads(f, variant);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS a=1");
        subscribe(f, c, EDS, "ea");
        expect(f, c, "EDS ea=1");
        ack(f, c, EDS, "ea");
        ack(f, c, CDS, NULL);
        subscribe(f, c, LDS, NULL);
        expect(f, c, "LDS l=1");
        ack(f, c, LDS, NULL);
        subscribe(f, c, RDS, "r");
        expect(f, c, "RDS r=1");
        ack(f, c, RDS, "r");
        expect_nothing(f, c);
        return c;
}

/* Routes move from cluster a to b. */
static void move(struct fixture *f)
{
        stage(f, RDS, "r", "2");
        stage(f, LDS, "l", "2");
        stage_cluster(f, "b", "1", "eb");
        stage(f, EDS, "eb", "1");
        cache_remove(f->cache, CDS, "a");
        commit(f);
}

TEST(obligation_7__sotw_change__clusters_endpoints_then_routes_then_removals)
{
        struct client *c = settled(f, STREAM_SOTW);
        move(f);
        expect(f, c, "CDS b=1 a=1"); /* the old one stays for the routes that use it */
        char both[RESOURCE_VERSION_LENGTH + 1];
        memcpy(both, c->versions[CDS], sizeof(both));
        expect_nothing(f, c);
        subscribe(f, c, EDS, "ea eb"); /* before the ACK: the cluster warms */
        expect(f, c, "EDS eb=1");
        ack(f, c, EDS, "ea eb");
        expect_nothing(f, c);
        ack(f, c, CDS, NULL);
        expect(f, c, "LDS l=2");
        expect(f, c, "RDS r=2");
        expect_nothing(f, c);
        ack(f, c, LDS, NULL);
        expect_nothing(f, c);
        ack(f, c, RDS, "r");
        expect(f, c, "CDS b=1");
        assert_string_not_equal(c->versions[CDS], both);
        char whole[RESOURCE_VERSION_LENGTH + 1];
        cache_version(f->cache, CDS, whole);
        assert_string_equal(c->versions[CDS], whole);
        ack(f, c, CDS, NULL);
        expect_nothing(f, c);
}

TEST(obligation_7__delta_change__clusters_endpoints_then_routes_then_removals)
{
        struct client *c = settled(f, STREAM_DELTA);
        cache_remove(f->cache, EDS, "ea");
        move(f);
        expect(f, c, "CDS b=1");
        expect_nothing(f, c);
        subscribe(f, c, EDS, "eb");
        expect(f, c, "EDS eb=1");
        ack(f, c, EDS, NULL);
        ack(f, c, CDS, NULL);
        expect(f, c, "LDS l=2");
        expect(f, c, "RDS r=2");
        ack(f, c, RDS, NULL);
        expect_nothing(f, c);
        ack(f, c, LDS, NULL);
        expect(f, c, "EDS -ea");
        expect(f, c, "CDS -a");
        expect_nothing(f, c);
}

static void bounded_wait(struct fixture *f, enum stream_variant variant)
{
        struct client *c = settled(f, variant);
        move(f);
        pull(f, c);
        assert_int_equal(f->response.type, CDS);
        expect_nothing(f, c);
        assert_int_equal(stream_due(c->stream), f->now + STREAM_ORDER_WAIT);
        later(f, STREAM_ORDER_WAIT - 1);
        expect_nothing(f, c);
        later(f, 1); /* no ACK within 5 s */
        expect(f, c, "LDS l=2");
        expect(f, c, "RDS r=2");
        expect_nothing(f, c);
        later(f, 2 * STREAM_ORDER_WAIT);
        pull(f, c);
        assert_int_equal(f->response.type, CDS); /* removals too wait no longer */
        expect_nothing(f, c);
}

TEST(obligation_7__sotw_ack_of_clusters_never_comes__routes_wait_five_seconds)
{
        bounded_wait(f, STREAM_SOTW);
}

TEST(obligation_7__delta_ack_of_clusters_never_comes__routes_wait_five_seconds)
{
        bounded_wait(f, STREAM_DELTA);
}

static void endpoints_of_changed_clusters(struct fixture *f, enum stream_variant variant)
{
        struct client *c = settled(f, variant);
        stage_cluster(f, "a", "2", "ea");
        commit(f);
        expect(f, c, "CDS a=2");
        expect(f, c, "EDS ea=1"); /* unchanged, and yet */
        ack(f, c, EDS, "ea");
        ack(f, c, CDS, NULL);
        stage_cluster(f, "a/other", "1", "ea"); /* a second cluster on the same endpoints */
        commit(f);
        pull(f, c);
        assert_int_equal(f->response.type, CDS);
        expect(f, c, "EDS ea=1");
        ack(f, c, EDS, "ea");
        put(f, EDS, "ea", "2"); /* endpoints never wait for clusters */
        expect(f, c, "EDS ea=2");
        expect_nothing(f, c);
}

TEST(obligation_7__sotw_changed_cluster__its_endpoints_are_sent_though_unchanged)
{
        endpoints_of_changed_clusters(f, STREAM_SOTW);
}

TEST(obligation_7__delta_changed_cluster__its_endpoints_are_sent_though_unchanged)
{
        endpoints_of_changed_clusters(f, STREAM_DELTA);
}

TEST(obligation_7__single_service__nothing_to_wait_for)
{
        stage(f, RDS, "r", "1");
        open_ads(f, STREAM_DELTA);
        struct client *c = client_add(f, STREAM_DELTA, stream_new_single(f->cache, STREAM_DELTA, RDS, NULL, f->now));
        subscribe(f, c, RDS, "r");
        expect(f, c, "RDS r=1");
        stage(f, CDS, "a", "1");
        put(f, RDS, "r", "2");
        expect(f, c, "RDS r=2");
        drop(f, RDS, "r");
        expect(f, c, "RDS -r");
        struct stream_request request = {.type = CDS};
        struct err e;
        assert_false(stream_request(c->stream, &request, f->now, &f->outcome, &e));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(obligation_7__sotw_change__clusters_endpoints_then_routes_then_removals),
                cmocka_unit_test(obligation_7__delta_change__clusters_endpoints_then_routes_then_removals),
                cmocka_unit_test(obligation_7__sotw_ack_of_clusters_never_comes__routes_wait_five_seconds),
                cmocka_unit_test(obligation_7__delta_ack_of_clusters_never_comes__routes_wait_five_seconds),
                cmocka_unit_test(obligation_7__sotw_changed_cluster__its_endpoints_are_sent_though_unchanged),
                cmocka_unit_test(obligation_7__delta_changed_cluster__its_endpoints_are_sent_though_unchanged),
                cmocka_unit_test(obligation_7__single_service__nothing_to_wait_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
