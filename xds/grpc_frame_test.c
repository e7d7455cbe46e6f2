/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"
#include "xds/grpc_frame.h"
#include "xds/grpc_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

enum { MAX = 100, LARGE = 16 << 20 };

struct seen {
        char text[256];
        size_t len, count, stop_at;
};

static bool see(const uint8_t *message, size_t n, void *arg)
{
        struct seen *s = arg;
        s->count++;
        assert_true(s->len + n + 1 < sizeof(s->text));
        memcpy(s->text + s->len, message, n);
        s->len += n;
        s->text[s->len++] = '|';
        return s->count != s->stop_at;
}

static const uint8_t two[] = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\2de";
enum { TWO = sizeof(two) - 1 };

static void feed__any_cut__messages_are_the_same(void **state)
{
        (void)state;
        for (size_t cut = 1; cut <= TWO; cut++) {
                struct grpc_frame f = {0};
                struct seen s = {0};
                for (size_t at = 0; at < TWO; at += cut) {
                        size_t n = TWO - at < cut ? TWO - at : cut;
                        assert_int_equal(grpc_frame_feed(&f, two + at, n, MAX, see, &s), GRPC_FRAME_OK);
                }
                assert_string_equal(s.text, "abc||de|");
                assert_int_equal(s.count, 3);
                assert_false(grpc_frame_inside(&f));
                grpc_frame_done(&f);
        }
}

static void feed__each_says_no__stops_there(void **state)
{
        (void)state;
        struct grpc_frame f = {0};
        struct seen s = {.stop_at = 1};
        assert_int_equal(grpc_frame_feed(&f, two, TWO, MAX, see, &s), GRPC_FRAME_STOPPED);
        assert_string_equal(s.text, "abc|");
        grpc_frame_done(&f);
}

static void feed__length_at_and_over_the_maximum__refused_by_the_head_alone(void **state)
{
        (void)state;
        struct grpc_frame f = {0};
        struct seen s = {0};
        uint8_t head[GRPC_FRAME_HEAD];
        grpc_frame_head(head, MAX + 1);
        assert_int_equal(grpc_frame_feed(&f, head, sizeof(head), MAX, see, &s), GRPC_FRAME_TOO_LONG);
        struct grpc_frame g = {0};
        grpc_frame_head(head, MAX);
        assert_int_equal(grpc_frame_feed(&g, head, sizeof(head), MAX, see, &s), GRPC_FRAME_OK);
        assert_true(grpc_frame_inside(&g));
        assert_int_equal(grpc_frame_held(&g), 0);
        assert_int_equal(s.count, 0);
        grpc_frame_done(&g);
}

static void feed__declares_much_sends_little__holds_little(void **state)
{
        (void)state;
        struct grpc_frame f = {0};
        struct seen s = {0};
        uint8_t bytes[GRPC_FRAME_HEAD + 3] = {0};
        grpc_frame_head(bytes, LARGE);
        assert_int_equal(grpc_frame_feed(&f, bytes, sizeof(bytes), LARGE, see, &s), GRPC_FRAME_OK);
        assert_int_equal(grpc_frame_held(&f), 3);
        assert_true(grpc_frame_inside(&f));
        grpc_frame_done(&f);
        assert_false(grpc_frame_inside(&f));
}

static void feed__flags__compressed_and_unknown_are_told_apart(void **state)
{
        (void)state;
        struct seen s = {0};
        struct grpc_frame f = {0}, g = {0};
        assert_int_equal(grpc_frame_feed(&f, (const uint8_t *)"\1\0\0\0\1x", 6, MAX, see, &s), GRPC_FRAME_COMPRESSED);
        assert_int_equal(grpc_frame_feed(&g, (const uint8_t *)"\2\0\0\0\1x", 6, MAX, see, &s), GRPC_FRAME_MALFORMED);
        assert_int_equal(s.count, 0);
}

static void head__round_trip__length_is_read_back(void **state)
{
        (void)state;
        uint8_t head[GRPC_FRAME_HEAD];
        grpc_frame_head(head, 0x01020304);
        assert_memory_equal(head, "\0\1\2\3\4", GRPC_FRAME_HEAD);
}

static void rate__burst_is_spent__one_more_comes_with_its_share_of_time(void **state)
{
        (void)state;
        struct grpc_rate r = {0};
        int64_t now = 5 * DURATION_SECOND;
        for (int i = 0; i < 10; i++)
                assert_true(grpc_rate_take(&r, 10, 2, now));
        assert_false(grpc_rate_take(&r, 10, 2, now));
        assert_false(grpc_rate_take(&r, 10, 2, now + DURATION_SECOND / 2 - 1));
        assert_true(grpc_rate_take(&r, 10, 2, now + DURATION_SECOND / 2));
        assert_false(grpc_rate_take(&r, 10, 2, now + DURATION_SECOND / 2));
}

static void rate__long_quiet__no_more_than_the_burst_is_saved_up(void **state)
{
        (void)state;
        struct grpc_rate r = {0};
        int64_t now = DURATION_SECOND;
        assert_true(grpc_rate_take(&r, 3, 1, now));
        now += DURATION_HOUR;
        for (int i = 0; i < 3; i++)
                assert_true(grpc_rate_take(&r, 3, 1, now));
        assert_false(grpc_rate_take(&r, 3, 1, now));
}

static void rate__at_the_rate_for_ever__is_never_refused(void **state)
{
        (void)state;
        struct grpc_rate r = {0};
        for (int64_t i = 0; i < 10000; i++)
                assert_true(grpc_rate_take(&r, 1, 100, i * (DURATION_SECOND / 100)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(feed__any_cut__messages_are_the_same),
                cmocka_unit_test(feed__each_says_no__stops_there),
                cmocka_unit_test(feed__length_at_and_over_the_maximum__refused_by_the_head_alone),
                cmocka_unit_test(feed__declares_much_sends_little__holds_little),
                cmocka_unit_test(feed__flags__compressed_and_unknown_are_told_apart),
                cmocka_unit_test(head__round_trip__length_is_read_back),
                cmocka_unit_test(rate__burst_is_spent__one_more_comes_with_its_share_of_time),
                cmocka_unit_test(rate__long_quiet__no_more_than_the_burst_is_saved_up),
                cmocka_unit_test(rate__at_the_rate_for_ever__is_never_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
