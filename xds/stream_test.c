/* SPDX-License-Identifier: Apache-2.0 */
/* Obligations 1 to 3 and 8 to 10 of envoy.md, for State of the World and Delta. */
#include "xds/holdout.h"
#include "xds/stream_testing.h"

/* ---- 1: nothing before the first build ---- */

static void gate(struct fixture *f, enum stream_variant variant)
{
        struct client *c = connect_ads(f, variant);
        subscribe(f, c, CDS, NULL);
        subscribe(f, c, EDS, "e");
        expect_nothing(f, c);
        put(f, CDS, "a", "1");
        later(f, 2 * GRPC_STALL_WAIT);
        expect_nothing(f, c);
        assert_false(stream_is_stalled(c->stream, f->now)); /* waiting for us is no stall */
        put(f, EDS, "e", "1");
        cache_open(f->cache, f->now);
        assert_ptr_equal(stream_take_ready(f->cache), c->stream);
        assert_false(stream_is_stalled(c->stream, f->now));
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

/* Envoy gives the whole resource before its reason, or behind it. */
TEST(obligation_3__nack_with_a_long_message__both_ends_are_kept)
{
        char message[5000];
        memset(message, '.', sizeof(message));
        memcpy(message, "first", 5);
        memcpy(message + sizeof(message) - 5, "last", 5);
        stage(f, CDS, "a", "1");
        struct client *c = open_ads(f, STREAM_SOTW);
        subscribe(f, c, CDS, NULL);
        expect(f, c, "CDS a=1");
        ask(f, c, CDS, (struct ask){.nonce = c->nonces[CDS], .refused = message});
        struct stream_info info;
        assert_true(stream_describe(c->stream, CDS, &info));
        assert_memory_equal(info.refused, "first", 5);
        assert_string_equal(info.refused + strlen(info.refused) - 4, "last");
        assert_in_range(strlen(info.refused), STREAM_ERROR_LENGTH_MAX, STREAM_ERROR_LENGTH_MAX + 8);
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

TEST(obligation_3__delta_shared_resource_known_from_an_earlier_stream__counts_as_accepted)
{
        cache_track(f->cache, RDS, "shared");
        stage(f, RDS, "shared", "1");
        struct client *c = open_ads(f, STREAM_DELTA);
        ask(f, c, RDS, (struct ask){.names = "shared", .known = "shared=1"});
        assert_int_equal(f->outcome.reply, STREAM_ASKS);
        assert_true(f->outcome.tracked == cache_mark(cache_find(f->cache, RDS, "shared")->version));
        expect_nothing(f, c);
}

/* Envoy as it is: of what comes by name it takes nothing behind the first resource that it refuses. */
static size_t answer_until_quiet(struct fixture *f, struct client *c, const char *bad, bool accepted[])
{
        size_t refusals = 0;
        while (stream_next(c->stream, f->now, &f->response)) {
                memcpy(c->nonces[f->response.type], f->response.nonce, sizeof(f->response.nonce));
                bool refuses = false;
                for (size_t i = 0; i < f->response.count; i++)
                        refuses = refuses || str_equal(f->response.resources[i]->name, bad);
                for (size_t i = 0; i < f->response.count && !refuses; i++)
                        accepted[f->response.resources[i]->name[0] - 'a'] = true;
                refusals += refuses;
                ask(f, c, RDS, (struct ask){.nonce = c->nonces[RDS], .refused = refuses ? "no" : NULL});
                if (f->outcome.culprit)
                        assert_string_equal(f->outcome.culprit->text, bad);
                assert_true(refusals < 20);
        }
        return refusals;
}

TEST(obligation_3__delta_one_of_many_routes_refused__all_others_get_through_and_it_is_named)
{
        bool accepted['z' - 'a' + 1] = {false};
        for (char name[] = "a"; *name <= 'p'; ++*name)
                stage(f, RDS, name, "1");
        commit(f);
        struct client *c = open_ads(f, STREAM_DELTA);
        ask(f, c, RDS, (struct ask){.names = "a b c d e f g h i j k l m n o p"});
        size_t refusals = answer_until_quiet(f, c, "g", accepted);
        assert_true(refusals == 5); /* 16, 8, 4, 2, and alone */
        for (int i = 0; i < 16; i++)
                assert_true(accepted[i] == (i != 'g' - 'a'));
        /* Later changes are whole again. */
        stage(f, RDS, "a", "2");
        stage(f, RDS, "b", "2");
        commit(f);
        expect(f, c, "RDS a=2 b=2");
}

/* Or the refusal of somebody's own routes would make the hosts suspect that all share. */
TEST(obligation_3__shared_routes__travel_alone)
{
        cache_track(f->cache, RDS, "m");
        stage(f, RDS, "a", "1");
        stage(f, RDS, "m", "1");
        stage(f, RDS, "z", "1");
        commit(f);
        for (unsigned variant = 0; variant < 2; variant++) {
                struct client *c = open_ads(f, variant ? STREAM_DELTA : STREAM_SOTW);
                ask(f, c, RDS, (struct ask){.names = "a m z"});
                for (size_t got = 0; got < 3; got += f->response.count) {
                        pull(f, c);
                        for (size_t i = 0; i < f->response.count; i++)
                                assert_true(f->response.count == 1 || !str_equal(f->response.resources[i]->name, "m"));
                        ack(f, c, RDS, "a m z");
                }
        }
}

/* Assembles the shared RouteConfiguration of what may be shown: its bytes are "a1b2" for a=1, b=2. */
static void publish(struct fixture *f, struct holdout *h)
{
        char text[TEXT] = "";
        size_t n, at = 0;
        const struct resource *const *parts = holdout_parts(h, &n);
        for (size_t i = 0; i < n; i++)
                at += (size_t)snprintf(text + at, TEXT - at, "%s%.*s", parts[i]->name, (int)parts[i]->size,
                                       (const char *)parts[i]->bytes);
        stage(f, RDS, "shared", text);
        char version[RESOURCE_VERSION_LENGTH + 1];
        holdout_published(h, cache_mark(version_of(text, version)));
        commit(f);
}

static void offer(struct holdout *h, const char *host, const char *content)
{
        struct resource *part = resource_new(RESOURCE_VIRTUAL_HOST, host, content, strlen(content));
        holdout_offer(h, host, part);
        resource_unref(part);
}

/* What the server does with each outcome. */
static void judge(struct fixture *f, struct holdout *h)
{
        const struct stream_outcome *o = &f->outcome;
        if (!o->tracked)
                return;
        if (o->reply == STREAM_NACKS ? holdout_refused(h, o->tracked) : holdout_accepted(h, o->tracked))
                publish(f, h);
}

static void bad_host(struct fixture *f, enum stream_variant variant)
{
        AUTO(holdout) *h = holdout_new(NULL);
        cache_track(f->cache, RDS, "shared");
        offer(h, "a", "1");
        offer(h, "b", "1");
        publish(f, h);
        struct client *c = open_ads(f, variant);
        subscribe(f, c, RDS, "shared");
        expect(f, c, "RDS shared=a1b1");
        ack(f, c, RDS, "shared");
        judge(f, h);
        offer(h, "b", "bad");
        publish(f, h);
        expect(f, c, "RDS shared=a1bbad");
        nack(f, c, RDS, "shared");
        judge(f, h);
        expect(f, c, "RDS shared=a1b1"); /* back, and sent again */
        ack(f, c, RDS, "shared");
        judge(f, h);
        expect_nothing(f, c);
        assert_true(holdout_is_refused(h, "b"));
        offer(h, "a", "2"); /* the other host goes on */
        publish(f, h);
        expect(f, c, "RDS shared=a2b1");
        ack(f, c, RDS, "shared");
        judge(f, h);
        offer(h, "b", "3");
        publish(f, h);
        expect(f, c, "RDS shared=a2b3");
}

TEST(obligation_3__sotw_bad_host_in_a_shared_resource__holds_back_no_other)
{
        bad_host(f, STREAM_SOTW);
}

TEST(obligation_3__delta_bad_host_in_a_shared_resource__holds_back_no_other)
{
        bad_host(f, STREAM_DELTA);
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
        later(f, 10 * GRPC_STALL_WAIT);
        subscribe(f, c, CDS, NULL);
        assert_int_equal(stream_due(c->stream), f->now + GRPC_STALL_WAIT);
        later(f, GRPC_STALL_WAIT - 1);
        assert_false(stream_is_stalled(c->stream, f->now));
        pull(f, c); /* progress: the transport took it */
        later(f, GRPC_STALL_WAIT - 1);
        assert_false(stream_is_stalled(c->stream, f->now));
        stream_progress(c->stream, f->now);
        later(f, GRPC_STALL_WAIT - 1);
        assert_false(stream_is_stalled(c->stream, f->now));
        ack(f, c, CDS, NULL);
        assert_int_equal(stream_due(c->stream), INT64_MAX);
        later(f, 10 * GRPC_STALL_WAIT); /* quiet, not dead */
        assert_false(stream_is_stalled(c->stream, f->now));
        put(f, CDS, "a", "2");
        later(f, GRPC_STALL_WAIT);
        assert_true(stream_is_stalled(c->stream, f->now));
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
                cmocka_unit_test(
                        obligation_3__delta_one_of_many_routes_refused__all_others_get_through_and_it_is_named),
                cmocka_unit_test(obligation_3__shared_routes__travel_alone),
                cmocka_unit_test(obligation_3__sotw_change_taken_back_before_it_was_sent__no_frame),
                cmocka_unit_test(obligation_3__nack_with_a_long_message__both_ends_are_kept),
                cmocka_unit_test(obligation_3__delta_change_taken_back_before_it_was_sent__no_frame),
                cmocka_unit_test(obligation_3__sotw_shared_resource__each_answer_tells_its_version),
                cmocka_unit_test(obligation_3__delta_shared_resource__each_answer_tells_its_version),
                cmocka_unit_test(obligation_3__delta_shared_resource_known_from_an_earlier_stream__counts_as_accepted),
                cmocka_unit_test(obligation_3__sotw_bad_host_in_a_shared_resource__holds_back_no_other),
                cmocka_unit_test(obligation_3__delta_bad_host_in_a_shared_resource__holds_back_no_other),
                cmocka_unit_test(obligation_8__sotw_slow_client__gets_the_latest_and_costs_nothing),
                cmocka_unit_test(obligation_8__delta_slow_client__gets_the_latest_and_costs_nothing),
                cmocka_unit_test(obligation_8__sotw_dead_client__cut_after_a_minute_without_progress),
                cmocka_unit_test(obligation_8__delta_dead_client__cut_after_a_minute_without_progress),
                cmocka_unit_test(obligation_9__idle_stream__at_most_a_kibibyte),
                cmocka_unit_test(obligation_9__endpoint_change__only_its_subscribers_are_looked_at),
                cmocka_unit_test(stream_request__too_many_names_or_too_long__error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
