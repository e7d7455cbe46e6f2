/* SPDX-License-Identifier: Apache-2.0 */
/* One test, often two, for each obligation of envoy.md, for State of the World and for Delta. */
#include "xds/stream_testing.h"

#define TEST(name)                                                                                                     \
        static void name##_on(struct fixture *f);                                                                      \
        static void name(void **state)                                                                                 \
        {                                                                                                              \
                (void)state;                                                                                           \
                struct fixture f;                                                                                      \
                fixture_init(&f);                                                                                      \
                name##_on(&f);                                                                                         \
                fixture_done(&f);                                                                                      \
        }                                                                                                              \
        static void name##_on(struct fixture *f)

static struct client *open_ads(struct fixture *f, enum stream_variant variant)
{
        commit(f);
        cache_open(f->cache, f->now);
        return connect_ads(f, variant);
}

/* ---- 1: nothing before the first build ---- */

static void gate(struct fixture *f, enum stream_variant variant)
{
        struct client *c = connect_ads(f, variant);
        subscribe(f, c, CDS, NULL);
        subscribe(f, c, EDS, "e");
        expect_nothing(f, c);
        put(f, CDS, "a", "1");
        later(f, 2 * STREAM_STALL_WAIT);
        expect_nothing(f, c);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN); /* waiting for us is no stall */
        put(f, EDS, "e", "1");
        cache_open(f->cache, f->now);
        assert_ptr_equal(stream_take_ready(f->cache), c->stream);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN);
        expect(f, c, "CDS a=1");
        expect(f, c, "EDS e=1");
        expect_nothing(f, c);
}

TEST(obligation_1__sotw_before_the_first_build__nothing_is_sent)
{
        gate(f, STREAM_SOTW);
}

TEST(obligation_1__delta_before_the_first_build__nothing_is_sent)
{
        gate(f, STREAM_DELTA);
}

TEST(obligation_1__empty_cluster__is_served_as_such)
{
        struct client *sotw = open_ads(f, STREAM_SOTW), *delta = connect_ads(f, STREAM_DELTA);
        subscribe(f, sotw, CDS, NULL);
        expect(f, sotw, "CDS");
        subscribe(f, delta, CDS, NULL);
        expect(f, delta, "CDS");
        expect_nothing(f, sotw);
        expect_nothing(f, delta);
}

/* ---- 2: versions and nonces ---- */

static void versions(struct fixture *f, enum stream_variant variant)
{
        struct fixture other; /* another replica, with another history */
        fixture_init(&other);
        stage(f, CDS, "a", "1");
        stage(f, CDS, "b", "1");
        put(&other, CDS, "b", "0");
        put(&other, CDS, "c", "1");
        struct client *one = open_ads(f, variant), *two = open_ads(&other, variant);
        drop(&other, CDS, "c");
        subscribe(&other, two, CDS, NULL);
        expect(&other, two, "CDS b=0");
        put(&other, CDS, "b", "1");
        put(&other, CDS, "a", "1");
        pull(&other, two);
        subscribe(f, one, CDS, NULL);
        expect(f, one, "CDS a=1 b=1");
        assert_string_equal(one->versions[CDS], two->versions[CDS]);
        char before[RESOURCE_VERSION_LENGTH + 1];
        memcpy(before, one->versions[CDS], sizeof(before));
        put(f, CDS, "a", "2");
        pull(f, one);
        assert_string_not_equal(one->versions[CDS], before);
        fixture_done(&other);
}

TEST(obligation_2__sotw_same_content__same_version_on_every_replica)
{
        versions(f, STREAM_SOTW);
}

TEST(obligation_2__delta_same_content__same_version_on_every_replica)
{
        versions(f, STREAM_DELTA);
}

static void nonces(struct fixture *f, enum stream_variant variant)
{
        struct client *c = open_ads(f, variant);
        char seen[20][STREAM_NONCE_SIZE];
        size_t n = 0;
        subscribe(f, c, CDS, NULL);
        subscribe(f, c, LDS, NULL);
        for (int i = 0; i < 10; i++) {
                char content[16];
                snprintf(content, sizeof(content), "%d", i);
                stage(f, CDS, "a", content);
                put(f, LDS, "a", content);
                pull(f, c);
                assert_int_equal(f->response.type, CDS);
                ack(f, c, CDS, NULL);
                memcpy(seen[n++], c->nonces[CDS], STREAM_NONCE_SIZE);
                pull(f, c);
                assert_int_equal(f->response.type, LDS);
                ack(f, c, LDS, NULL);
                memcpy(seen[n++], c->nonces[LDS], STREAM_NONCE_SIZE);
        }
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(seen[i], seen[k]);
}

TEST(obligation_2__sotw_nonces__unique_in_the_stream)
{
        nonces(f, STREAM_SOTW);
}

TEST(obligation_2__delta_nonces__unique_in_the_stream)
{
        nonces(f, STREAM_DELTA);
}

/* ---- 3: ACK and NACK ---- */

static void ack_and_nack(struct fixture *f, enum stream_variant variant)
{
        stage(f, CDS, "a", "1");
        struct client *c = open_ads(f, variant);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS a=1");
        ack(f, c, CDS, NULL);
        expect_nothing(f, c);
        put(f, CDS, "a", "1"); /* no change */
        assert_null(stream_take_ready(f->cache));
        expect_nothing(f, c);
        put(f, CDS, "a", "bad");
        expect(f, c, "CDS a=bad");
        nack(f, c, CDS, NULL);
        expect_nothing(f, c);
        put(f, CDS, "a", "bad");
        expect_nothing(f, c);
        struct stream_info info;
        assert_true(stream_describe(c->stream, CDS, &info));
        assert_int_equal(info.nacks, 1);
        assert_string_equal(info.refused, "no");
        put(f, CDS, "a", "good");
        expect(f, c, "CDS a=good");
        ack(f, c, CDS, NULL);
        expect_nothing(f, c);
}

TEST(obligation_3__sotw_ack_and_nack__not_answered_until_the_next_change)
{
        ack_and_nack(f, STREAM_SOTW);
}

TEST(obligation_3__delta_ack_and_nack__not_answered_until_the_next_change)
{
        ack_and_nack(f, STREAM_DELTA);
}

static void there_and_back(struct fixture *f, enum stream_variant variant)
{
        stage(f, CDS, "a", "1");
        struct client *c = open_ads(f, variant);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS a=1");
        ack(f, c, CDS, NULL);
        put(f, CDS, "a", "2");
        put(f, CDS, "a", "1");
        put(f, CDS, "b", "1");
        drop(f, CDS, "b");
        expect_nothing(f, c);
}

TEST(obligation_3__sotw_change_taken_back_before_it_was_sent__no_frame)
{
        there_and_back(f, STREAM_SOTW);
}

TEST(obligation_3__delta_change_taken_back_before_it_was_sent__no_frame)
{
        there_and_back(f, STREAM_DELTA);
}

static void tracked(struct fixture *f, enum stream_variant variant)
{
        cache_track(f->cache, RDS, "shared");
        stage(f, RDS, "shared", "1");
        struct client *c = open_ads(f, variant);
        subscribe(f, c, RDS, "shared other");
        pull(f, c);
        uint64_t first = cache_mark(f->response.resources[0]->version);
        ack(f, c, RDS, "shared other");
        assert_true(f->outcome.tracked == first);
        put(f, RDS, "other", "1");
        pull(f, c);
        nack(f, c, RDS, "shared other");
        assert_true(f->outcome.tracked == 0); /* it was about something else */
        put(f, RDS, "shared", "bad");
        pull(f, c);
        uint64_t bad = cache_mark(f->response.resources[0]->version);
        nack(f, c, RDS, "shared other");
        assert_true(f->outcome.tracked == bad);
}

TEST(obligation_3__sotw_shared_resource__each_answer_tells_its_version)
{
        tracked(f, STREAM_SOTW);
}

TEST(obligation_3__delta_shared_resource__each_answer_tells_its_version)
{
        tracked(f, STREAM_DELTA);
}

/* ---- 4: State of the World ---- */

TEST(obligation_4__stale_nonce__ignored)
{
        stage(f, EDS, "a", "1");
        stage(f, EDS, "b", "1");
        struct client *c = open_ads(f, STREAM_SOTW);
        subscribe(f, c, EDS, "a");
        expect(f, c, "EDS a=1");
        char old[STREAM_NONCE_SIZE];
        memcpy(old, c->nonces[EDS], sizeof(old));
        put(f, EDS, "a", "2");
        expect(f, c, "EDS a=2");
        ask(f, c, EDS, (struct ask){.names = "b", .nonce = old});
        assert_int_equal(f->outcome.reply, STREAM_STALE);
        expect_nothing(f, c);
        put(f, EDS, "a", "3"); /* still subscribed */
        expect(f, c, "EDS a=3");
}

TEST(obligation_4__names_changed_under_the_current_nonce__answered)
{
        stage(f, EDS, "a", "1");
        stage(f, EDS, "b", "1");
        struct client *c = open_ads(f, STREAM_SOTW);
        subscribe(f, c, EDS, "a");
        expect(f, c, "EDS a=1");
        ack(f, c, EDS, "a b");
        expect(f, c, "EDS b=1");
        ack(f, c, EDS, "a b");
        expect_nothing(f, c);
        subscribe(f, c, EDS, "b"); /* unsubscribed from a */
        expect_nothing(f, c);
        put(f, EDS, "a", "2");
        expect_nothing(f, c);
        subscribe(f, c, EDS, "a b"); /* and subscribed again */
        expect(f, c, "EDS a=2");
        ack(f, c, EDS, "a b");
        subscribe(f, c, EDS, "b");
        subscribe(f, c, EDS, "a b"); /* without any change in between */
        expect(f, c, "EDS a=2");
}

TEST(obligation_4__missing_name__holds_back_no_existing_one)
{
        stage(f, RDS, "there", "1");
        struct client *c = open_ads(f, STREAM_SOTW);
        subscribe(f, c, RDS, "missing there");
        expect(f, c, "RDS there=1");
        ack(f, c, RDS, "missing there");
        put(f, RDS, "missing", "1");
        expect(f, c, "RDS missing=1");
}

TEST(obligation_4__clusters_and_listeners__always_complete)
{
        stage(f, CDS, "b", "1");
        stage(f, CDS, "a", "1");
        stage(f, LDS, "x", "1");
        stage(f, LDS, "y", "1");
        struct client *c = open_ads(f, STREAM_SOTW), *named = connect_ads(f, STREAM_SOTW);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS a=1 b=1");
        ack(f, c, CDS, NULL);
        put(f, CDS, "b", "2");
        expect(f, c, "CDS a=1 b=2");
        ack(f, c, CDS, NULL);
        subscribe(f, c, LDS, NULL);
        expect(f, c, "LDS x=1 y=1");
        drop(f, LDS, "x");
        expect(f, c, "LDS y=1");
        subscribe(f, named, CDS, "b a missing");
        expect(f, named, "CDS a=1 b=2");
        put(f, CDS, "a", "2");
        expect(f, named, "CDS a=2 b=2");
        ack(f, named, CDS, "a");
        expect(f, named, "CDS a=2");
}

/* ---- 5: Delta ---- */

TEST(obligation_5__subscription_with_an_old_or_foreign_nonce__honoured)
{
        stage(f, EDS, "a", "1");
        stage(f, EDS, "b", "1");
        struct client *c = open_ads(f, STREAM_DELTA);
        ask(f, c, EDS, (struct ask){.names = "a", .nonce = "77"});
        expect(f, c, "EDS a=1");
        char old[STREAM_NONCE_SIZE];
        memcpy(old, c->nonces[EDS], sizeof(old));
        put(f, EDS, "a", "2");
        expect(f, c, "EDS a=2");
        ask(f, c, EDS, (struct ask){.names = "b", .nonce = old});
        expect(f, c, "EDS b=1");
        ask(f, c, EDS, (struct ask){.names = "b", .nonce = "no number"});
        expect(f, c, "EDS b=1");
}

TEST(obligation_5__each_subscribed_name__answered_also_when_missing)
{
        stage(f, EDS, "a", "1");
        struct client *c = open_ads(f, STREAM_DELTA);
        subscribe(f, c, EDS, "a missing");
        expect(f, c, "EDS a=1 -missing");
        ack(f, c, EDS, NULL);
        put(f, EDS, "missing", "1"); /* the subscription stayed */
        expect(f, c, "EDS missing=1");
        drop(f, EDS, "missing");
        expect(f, c, "EDS -missing");
        put(f, EDS, "missing", "2");
        expect(f, c, "EDS missing=2");
        subscribe(f, c, EDS, "a"); /* the client may have forgotten it */
        expect(f, c, "EDS a=1");
        ask(f, c, EDS, (struct ask){.names = "a", .nonce = c->nonces[EDS], .refused = "no"});
        assert_int_equal(f->outcome.reply, STREAM_NACKS);
        expect(f, c, "EDS a=1");
        ask(f, c, EDS, (struct ask){.unsubscribe = "a never"});
        put(f, EDS, "a", "2");
        expect_nothing(f, c);
}

TEST(obligation_5__initial_resource_versions__only_differences_are_sent)
{
        stage(f, CDS, "same", "1");
        stage(f, CDS, "changed", "2");
        stage(f, CDS, "new", "1");
        stage(f, RDS, "r", "1");
        struct client *c = open_ads(f, STREAM_DELTA), *again = connect_ads(f, STREAM_DELTA);
        ask(f, c, CDS, (struct ask){.known = "same=1 changed=1 gone=1"});
        expect(f, c, "CDS changed=2 new=1");
        expect(f, c, "CDS -gone");
        ack(f, c, CDS, NULL);
        expect_nothing(f, c);
        ask(f, c, RDS, (struct ask){.names = "r lost", .known = "r=1 lost=1 unrelated=1"});
        expect(f, c, "RDS -lost");
        expect_nothing(f, c);
        ask(f, again, CDS, (struct ask){.known = "same=1 changed=2 new=1"});
        expect_nothing(f, again);
        put(f, CDS, "same", "2");
        expect(f, again, "CDS same=2");
}

TEST(obligation_5__known_endpoints_of_a_cluster_that_is_sent__sent_too)
{
        stage_cluster(f, "a", "2", "ea");
        stage_cluster(f, "b", "1", "eb");
        stage(f, EDS, "ea", "1");
        stage(f, EDS, "eb", "1");
        struct client *c = open_ads(f, STREAM_DELTA), *reversed = connect_ads(f, STREAM_DELTA);
        ask(f, c, CDS, (struct ask){.known = "a=1 b=1"});
        expect(f, c, "CDS a=2");
        ask(f, c, EDS, (struct ask){.names = "ea eb", .known = "ea=1 eb=1"});
        expect(f, c, "EDS ea=1");
        expect_nothing(f, c);
        ask(f, reversed, EDS, (struct ask){.names = "ea eb", .known = "ea=1 eb=1"});
        expect_nothing(f, reversed);
        ask(f, reversed, CDS, (struct ask){.known = "a=1 b=1"});
        expect(f, reversed, "CDS a=2");
        expect(f, reversed, "EDS ea=1");
        expect_nothing(f, reversed);
}

TEST(obligation_5__more_than_one_mebibyte__split)
{
        enum { SIZE = STREAM_RESPONSE_SIZE / 4, N = 10 };
        char *big = mem_zalloc(2 * STREAM_RESPONSE_SIZE + 1);
        memset(big, 'x', SIZE);
        for (int i = 0; i < N; i++) {
                char name[16];
                snprintf(name, sizeof(name), "n%d", i);
                stage(f, EDS, name, big);
        }
        memset(big, 'x', 2 * STREAM_RESPONSE_SIZE);
        stage(f, EDS, "huge", big);
        mem_free(big);
        struct client *c = open_ads(f, STREAM_DELTA);
        subscribe(f, c, EDS, "n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 huge");
        expect(f, c, "EDS n0=xxx n1=xxx n2=xxx");
        put(f, EDS, "n4", "new"); /* what has not gone out yet goes out as it is then */
        put(f, EDS, "n0", "new");
        expect(f, c, "EDS n3=xxx n4=new n5=xxx n6=xxx");
        expect(f, c, "EDS n7=xxx n8=xxx n9=xxx");
        expect(f, c, "EDS huge=xxx");
        expect(f, c, "EDS n0=new");
        expect_nothing(f, c);
}

/* ---- 6: wildcards ---- */

/* The protocol's document, "How the client specifies what resources to return", both examples step by step. */
TEST(obligation_6__sotw_legacy_then_mixture_then_name_then_none__as_the_document_says)
{
        stage(f, CDS, "A", "1");
        stage(f, CDS, "B", "1");
        struct client *c = open_ads(f, STREAM_SOTW);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS A=1 B=1");
        ack(f, c, CDS, NULL); /* still the wildcard */
        expect_nothing(f, c);
        subscribe(f, c, CDS, "* A");
        expect(f, c, "CDS A=1 B=1");
        ack(f, c, CDS, "* A");
        subscribe(f, c, CDS, "A");
        expect(f, c, "CDS A=1");
        ack(f, c, CDS, "A");
        put(f, CDS, "B", "2");
        put(f, CDS, "C", "1");
        expect_nothing(f, c);
        subscribe(f, c, CDS, NULL); /* the legacy meaning is over */
        put(f, CDS, "A", "2");
        expect_nothing(f, c);
        subscribe(f, c, CDS, "*");
        expect(f, c, "CDS A=2 B=2 C=1");
}

TEST(obligation_6__delta_legacy_then_mixture_then_name_then_none__as_the_document_says)
{
        stage(f, CDS, "A", "1");
        stage(f, CDS, "B", "1");
        struct client *c = open_ads(f, STREAM_DELTA);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS A=1 B=1");
        subscribe(f, c, CDS, "A");
        expect(f, c, "CDS A=1");
        put(f, CDS, "B", "2");
        expect(f, c, "CDS B=2"); /* the wildcard goes on */
        ask(f, c, CDS, (struct ask){.unsubscribe = "*"});
        put(f, CDS, "B", "3");
        put(f, CDS, "A", "2");
        expect(f, c, "CDS A=2");
        ask(f, c, CDS, (struct ask){.unsubscribe = "A"});
        ack(f, c, CDS, NULL); /* no names: nothing begins again */
        put(f, CDS, "A", "3");
        expect_nothing(f, c);
        subscribe(f, c, CDS, "*");
        expect(f, c, "CDS A=3 B=3");
}

TEST(obligation_6__delta_name_left_under_a_wildcard__client_is_told_whether_it_stays)
{
        stage(f, CDS, "A", "1");
        struct client *c = open_ads(f, STREAM_DELTA);
        subscribe(f, c, CDS, "* A missing");
        expect(f, c, "CDS A=1 -missing");
        ask(f, c, CDS, (struct ask){.unsubscribe = "A missing"});
        expect(f, c, "CDS A=1 -missing");
        expect_nothing(f, c);
        subscribe(f, c, CDS, "*"); /* every later subscribe is answered */
        expect(f, c, "CDS A=1");
}

TEST(obligation_6__wildcard_of_other_types__only_when_said)
{
        stage(f, EDS, "a", "1");
        struct client *delta = open_ads(f, STREAM_DELTA), *sotw = connect_ads(f, STREAM_SOTW);
        subscribe(f, delta, EDS, NULL);
        subscribe(f, sotw, EDS, NULL);
        expect_nothing(f, delta);
        expect_nothing(f, sotw);
        subscribe(f, delta, EDS, "*");
        subscribe(f, sotw, EDS, "*");
        expect(f, delta, "EDS a=1");
        expect(f, sotw, "EDS a=1");
        put(f, EDS, "b", "1");
        expect(f, delta, "EDS b=1");
        expect(f, sotw, "EDS b=1");
}

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

/* ---- 8: slow and dead clients ---- */

static void slow(struct fixture *f, enum stream_variant variant)
{
        stage(f, CDS, "a", "0");
        struct client *c = open_ads(f, variant), *quick = connect_ads(f, variant);
        subscribe(f, c, CDS, NULL);
        subscribe(f, quick, CDS, NULL);
        pull(f, c);
        ack(f, c, CDS, NULL);
        size_t memory = stream_memory(c->stream);
        for (int i = 1; i <= 100; i++) {
                char content[16];
                snprintf(content, sizeof(content), "%d", i);
                put(f, CDS, "a", content);
                pull(f, quick);
                ack(f, quick, CDS, NULL);
        }
        assert_int_equal(stream_memory(c->stream), memory); /* nothing is kept for it */
        expect(f, c, "CDS a=100");                          /* the latest only */
        const struct resource *sent = f->response.resources[0];
        assert_ptr_equal(sent, cache_find(f->cache, CDS, "a")); /* shared, not copied */
        expect_nothing(f, c);
}

TEST(obligation_8__sotw_slow_client__gets_the_latest_and_costs_nothing)
{
        slow(f, STREAM_SOTW);
}

TEST(obligation_8__delta_slow_client__gets_the_latest_and_costs_nothing)
{
        slow(f, STREAM_DELTA);
}

static void dead(struct fixture *f, enum stream_variant variant)
{
        stage(f, CDS, "a", "1");
        struct client *c = open_ads(f, variant);
        later(f, 10 * STREAM_STALL_WAIT);
        subscribe(f, c, CDS, NULL);
        assert_int_equal(stream_due(c->stream), f->now + STREAM_STALL_WAIT);
        later(f, STREAM_STALL_WAIT - 1);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN);
        pull(f, c); /* progress: the transport took it */
        later(f, STREAM_STALL_WAIT - 1);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN);
        stream_progress(c->stream, f->now);
        later(f, STREAM_STALL_WAIT - 1);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN);
        ack(f, c, CDS, NULL);
        assert_int_equal(stream_due(c->stream), INT64_MAX);
        later(f, 10 * STREAM_STALL_WAIT); /* quiet, not dead */
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN);
        put(f, CDS, "a", "2");
        later(f, STREAM_STALL_WAIT);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_STALLED);
}

TEST(obligation_8__sotw_dead_client__cut_after_a_minute_without_progress)
{
        dead(f, STREAM_SOTW);
}

TEST(obligation_8__delta_dead_client__cut_after_a_minute_without_progress)
{
        dead(f, STREAM_DELTA);
}

/* ---- 9: what a stream costs ---- */

TEST(obligation_9__idle_stream__at_most_a_kibibyte)
{
        for (int variant = STREAM_SOTW; variant <= STREAM_DELTA; variant++) {
                struct client *c = open_ads(f, (enum stream_variant)variant);
                for (int type = 0; type < RESOURCE_SERVED_TYPES; type++)
                        subscribe(f, c, (enum resource_type)type, NULL);
                assert_true(stream_memory(c->stream) <= 1024);
                c = client_add(f, (enum stream_variant)variant,
                               stream_new_single(f->cache, (enum stream_variant)variant, EDS, NULL, f->now));
                subscribe(f, c, EDS, "a");
                assert_true(stream_memory(c->stream) <= 512);
        }
}

TEST(obligation_9__endpoint_change__only_its_subscribers_are_looked_at)
{
        struct client *a = open_ads(f, STREAM_DELTA), *b = connect_ads(f, STREAM_SOTW),
                      *both = connect_ads(f, STREAM_DELTA);
        subscribe(f, a, EDS, "a");
        subscribe(f, b, EDS, "b");
        subscribe(f, both, EDS, "a b");
        while (stream_take_ready(f->cache))
                ;
        put(f, EDS, "b", "1");
        assert_ptr_equal(stream_take_ready(f->cache), b->stream);
        assert_ptr_equal(stream_take_ready(f->cache), both->stream);
        assert_null(stream_take_ready(f->cache));
}

/* ---- 10: the end ---- */

TEST(obligation_10__draining__streams_go_on_and_end_within_seconds_each_at_its_time)
{
        struct client *c = open_ads(f, STREAM_DELTA), *last = connect_ads(f, STREAM_SOTW);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS");
        ack(f, c, CDS, NULL);
        stream_drain(c->stream, f->now, UINT32_MAX / 2);
        stream_drain(last->stream, f->now, UINT32_MAX);
        put(f, CDS, "a", "1");
        expect(f, c, "CDS a=1");
        ack(f, c, CDS, NULL);
        int64_t due = stream_due(c->stream);
        assert_true(due > f->now + STREAM_DRAIN_SPREAD / 3 && due < f->now + STREAM_DRAIN_SPREAD);
        later(f, due - f->now - 1);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_OPEN);
        later(f, 1);
        assert_int_equal(stream_end(c->stream, f->now), STREAM_DRAINED);
        assert_int_equal(stream_end(last->stream, f->now), STREAM_OPEN);
        assert_true(stream_due(last->stream) > due);
        later(f, STREAM_DRAIN_SPREAD);
        assert_int_equal(stream_end(last->stream, f->now), STREAM_DRAINED);
}

/* ---- limits ---- */

TEST(stream_request__too_many_names_or_too_long__error)
{
        struct client *c = open_ads(f, STREAM_DELTA);
        char *longest = mem_zalloc(STREAM_NAME_LENGTH_MAX + 2);
        memset(longest, 'x', STREAM_NAME_LENGTH_MAX);
        struct stream_request request = {.type = EDS, .names = &longest, .name_count = 1};
        struct err e = {0};
        assert_true(stream_request(c->stream, &request, f->now, &f->outcome, &e));
        longest[STREAM_NAME_LENGTH_MAX] = 'x';
        assert_false(stream_request(c->stream, &request, f->now, &f->outcome, &e));
        assert_int_equal(e.code, 0);
        mem_free(longest);
        char **names = mem_calloc(STREAM_NAMES_MAX, sizeof(char *));
        for (size_t i = 0; i < STREAM_NAMES_MAX; i++)
                names[i] = "n";
        request = (struct stream_request){.type = EDS, .names = names, .name_count = STREAM_NAMES_MAX - 1};
        assert_true(stream_request(c->stream, &request, f->now, &f->outcome, &e));
        request.name_count = STREAM_NAMES_MAX;
        assert_false(stream_request(c->stream, &request, f->now, &f->outcome, &e));
        assert_int_not_equal(e.code, 0);
        mem_free(names);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(obligation_1__sotw_before_the_first_build__nothing_is_sent),
                cmocka_unit_test(obligation_1__delta_before_the_first_build__nothing_is_sent),
                cmocka_unit_test(obligation_1__empty_cluster__is_served_as_such),
                cmocka_unit_test(obligation_2__sotw_same_content__same_version_on_every_replica),
                cmocka_unit_test(obligation_2__delta_same_content__same_version_on_every_replica),
                cmocka_unit_test(obligation_2__sotw_nonces__unique_in_the_stream),
                cmocka_unit_test(obligation_2__delta_nonces__unique_in_the_stream),
                cmocka_unit_test(obligation_3__sotw_ack_and_nack__not_answered_until_the_next_change),
                cmocka_unit_test(obligation_3__delta_ack_and_nack__not_answered_until_the_next_change),
                cmocka_unit_test(obligation_3__sotw_change_taken_back_before_it_was_sent__no_frame),
                cmocka_unit_test(obligation_3__delta_change_taken_back_before_it_was_sent__no_frame),
                cmocka_unit_test(obligation_3__sotw_shared_resource__each_answer_tells_its_version),
                cmocka_unit_test(obligation_3__delta_shared_resource__each_answer_tells_its_version),
                cmocka_unit_test(obligation_4__stale_nonce__ignored),
                cmocka_unit_test(obligation_4__names_changed_under_the_current_nonce__answered),
                cmocka_unit_test(obligation_4__missing_name__holds_back_no_existing_one),
                cmocka_unit_test(obligation_4__clusters_and_listeners__always_complete),
                cmocka_unit_test(obligation_5__subscription_with_an_old_or_foreign_nonce__honoured),
                cmocka_unit_test(obligation_5__each_subscribed_name__answered_also_when_missing),
                cmocka_unit_test(obligation_5__initial_resource_versions__only_differences_are_sent),
                cmocka_unit_test(obligation_5__known_endpoints_of_a_cluster_that_is_sent__sent_too),
                cmocka_unit_test(obligation_5__more_than_one_mebibyte__split),
                cmocka_unit_test(obligation_6__sotw_legacy_then_mixture_then_name_then_none__as_the_document_says),
                cmocka_unit_test(obligation_6__delta_legacy_then_mixture_then_name_then_none__as_the_document_says),
                cmocka_unit_test(obligation_6__delta_name_left_under_a_wildcard__client_is_told_whether_it_stays),
                cmocka_unit_test(obligation_6__wildcard_of_other_types__only_when_said),
                cmocka_unit_test(obligation_7__sotw_change__clusters_endpoints_then_routes_then_removals),
                cmocka_unit_test(obligation_7__delta_change__clusters_endpoints_then_routes_then_removals),
                cmocka_unit_test(obligation_7__sotw_ack_of_clusters_never_comes__routes_wait_five_seconds),
                cmocka_unit_test(obligation_7__delta_ack_of_clusters_never_comes__routes_wait_five_seconds),
                cmocka_unit_test(obligation_7__sotw_changed_cluster__its_endpoints_are_sent_though_unchanged),
                cmocka_unit_test(obligation_7__delta_changed_cluster__its_endpoints_are_sent_though_unchanged),
                cmocka_unit_test(obligation_7__single_service__nothing_to_wait_for),
                cmocka_unit_test(obligation_8__sotw_slow_client__gets_the_latest_and_costs_nothing),
                cmocka_unit_test(obligation_8__delta_slow_client__gets_the_latest_and_costs_nothing),
                cmocka_unit_test(obligation_8__sotw_dead_client__cut_after_a_minute_without_progress),
                cmocka_unit_test(obligation_8__delta_dead_client__cut_after_a_minute_without_progress),
                cmocka_unit_test(obligation_9__idle_stream__at_most_a_kibibyte),
                cmocka_unit_test(obligation_9__endpoint_change__only_its_subscribers_are_looked_at),
                cmocka_unit_test(obligation_10__draining__streams_go_on_and_end_within_seconds_each_at_its_time),
                cmocka_unit_test(stream_request__too_many_names_or_too_long__error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
