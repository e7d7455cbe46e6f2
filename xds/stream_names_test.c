/* SPDX-License-Identifier: Apache-2.0 */
/* Obligations 4 to 6 of envoy.md: which names are answered with what. */
#include "xds/stream_testing.h"

#include <time.h>

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

/* Nonces are kept short: a resource of long ago is not to be blamed for a response that it was not in. */
TEST(obligation_3__delta_refused_256_responses_later__only_what_was_in_it)
{
        stage(f, RDS, "old", "1");
        stage(f, RDS, "new", "0");
        struct client *c = open_ads(f, STREAM_DELTA);
        subscribe(f, c, RDS, "old");
        expect(f, c, "RDS old=1");
        subscribe(f, c, RDS, "new");
        for (int i = 1; i < 256; i++) {
                expect(f, c, i % 2 ? "RDS new=0" : "RDS new=1");
                put(f, RDS, "new", i % 2 ? "1" : "0");
        }
        expect(f, c, "RDS new=1");
        nack(f, c, RDS, NULL);
        assert_non_null(f->outcome.culprit);
        assert_string_equal(f->outcome.culprit->text, "new");
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

/* A hundred thousand times, one after another, each resource would be looked at each time: minutes. */
TEST(obligation_6__wildcard_said_very_often_in_one_request__is_one)
{
        enum { TIMES = STREAM_NAMES_MAX / 2, RESOURCES = 2000 };
        for (int i = 0; i < RESOURCES; i++) {
                char name[16];
                snprintf(name, sizeof(name), "c%04d", i);
                stage(f, CDS, name, "1");
        }
        struct client *c = open_ads(f, STREAM_DELTA);
        char star[] = "*", **names = mem_calloc(TIMES, sizeof(*names));
        for (int i = 0; i < TIMES; i++)
                names[i] = star;
        const struct stream_request request = {.type = CDS, .names = names, .name_count = TIMES};
        struct err e = {0};
        clock_t begun = clock();
        for (int again = 0; again < 2; again++) {
                assert_true(stream_request(c->stream, &request, f->now, &f->outcome, &e));
                assert_true(stream_next(c->stream, f->now, &f->response));
                assert_int_equal(f->response.count, RESOURCES);
                expect_nothing(f, c);
        }
        assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
        mem_free(names);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(obligation_4__stale_nonce__ignored),
                cmocka_unit_test(obligation_4__names_changed_under_the_current_nonce__answered),
                cmocka_unit_test(obligation_4__missing_name__holds_back_no_existing_one),
                cmocka_unit_test(obligation_4__clusters_and_listeners__always_complete),
                cmocka_unit_test(obligation_5__subscription_with_an_old_or_foreign_nonce__honoured),
                cmocka_unit_test(obligation_5__each_subscribed_name__answered_also_when_missing),
                cmocka_unit_test(obligation_5__initial_resource_versions__only_differences_are_sent),
                cmocka_unit_test(obligation_5__known_endpoints_of_a_cluster_that_is_sent__sent_too),
                cmocka_unit_test(obligation_5__more_than_one_mebibyte__split),
                cmocka_unit_test(obligation_3__delta_refused_256_responses_later__only_what_was_in_it),
                cmocka_unit_test(obligation_6__sotw_legacy_then_mixture_then_name_then_none__as_the_document_says),
                cmocka_unit_test(obligation_6__delta_legacy_then_mixture_then_name_then_none__as_the_document_says),
                cmocka_unit_test(obligation_6__delta_name_left_under_a_wildcard__client_is_told_whether_it_stays),
                cmocka_unit_test(obligation_6__wildcard_said_very_often_in_one_request__is_one),
                cmocka_unit_test(obligation_6__wildcard_of_other_types__only_when_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
