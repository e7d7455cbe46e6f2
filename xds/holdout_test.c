/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/holdout.h"

#include "xds/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { HOSTS = 64, TEXT = 1024, SENT = 8, ENVOYS = 2 };

/* A shared resource that is only a text, and an Envoy that refuses it when a part's content begins with '!'. */
struct fixture {
        struct holdout *holdout;
        char text[TEXT]; /* "a=1 b=2" */
        uint64_t mark;
        size_t published;
};

static struct fixture begin(void)
{
        return (struct fixture){.holdout = holdout_new(NULL)};
}

static struct resource *stand_in(const char *host)
{
        return resource_new(RESOURCE_VIRTUAL_HOST, host, "-", 1);
}

static struct resource *bad_stand_in(const char *host)
{
        return resource_new(RESOURCE_VIRTUAL_HOST, host, "!-", 2);
}

static void offer(struct fixture *f, const char *host, const char *content)
{
        struct resource *r = content ? resource_new(RESOURCE_VIRTUAL_HOST, host, content, strlen(content)) : NULL;
        holdout_offer(f->holdout, host, r);
        resource_unref(r);
}

static void publish(struct fixture *f)
{
        size_t n, at = 0;
        const struct resource *const *parts = holdout_parts(f->holdout, &n);
        f->text[0] = '\0';
        for (size_t i = 0; i < n; i++)
                at += (size_t)snprintf(f->text + at, TEXT - at, "%s%s=%.*s", i ? " " : "", parts[i]->name,
                                       (int)parts[i]->size, (const char *)parts[i]->bytes);
        assert_true(at < TEXT);
        f->mark = cache_mark(f->text);
        f->published++;
        if (holdout_published(f->holdout, f->mark) && holdout_accepted(f->holdout, f->mark))
                publish(f);
}

/* One Envoy answers at once until nothing more is to be published. */
static void settle(struct fixture *f)
{
        for (bool again = true; again;) {
                bool bad = strchr(f->text, '!') != NULL;
                again = bad ? holdout_refused(f->holdout, f->mark) : holdout_accepted(f->holdout, f->mark);
                if (again)
                        publish(f);
        }
}

static void holdout__bad_change__goes_back_to_the_last_accepted_bytes(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "b", "1");
        offer(&f, "a", "1");
        publish(&f);
        assert_string_equal(f.text, "a=1 b=1");
        assert_false(holdout_accepted(f.holdout, f.mark));
        offer(&f, "b", "!2");
        publish(&f);
        assert_string_equal(f.text, "a=1 b=!2");
        assert_true(holdout_refused(f.holdout, f.mark));
        publish(&f);
        assert_string_equal(f.text, "a=1 b=1");
        assert_true(holdout_is_refused(f.holdout, "b"));
        assert_int_equal(holdout_held(f.holdout), 1);
        offer(&f, "a", "2"); /* held back by nobody */
        publish(&f);
        assert_string_equal(f.text, "a=2 b=1");
        assert_false(holdout_accepted(f.holdout, f.mark));
        offer(&f, "b", "3");
        publish(&f);
        assert_string_equal(f.text, "a=2 b=3");
        assert_false(holdout_is_refused(f.holdout, "b"));
        holdout_free(f.holdout);
}

static void holdout__refused_content_comes_again__held_out_by_its_hash(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        publish(&f);
        settle(&f);
        offer(&f, "a", "!2");
        publish(&f);
        settle(&f);
        offer(&f, "a", "1");
        publish(&f);
        settle(&f);
        assert_false(holdout_is_refused(f.holdout, "a"));
        offer(&f, "a", "!2");
        publish(&f);
        assert_string_equal(f.text, "a=1"); /* not tried again */
        assert_true(holdout_is_refused(f.holdout, "a"));
        holdout_free(f.holdout);
}

static void holdout__new_bad_host__left_out_and_the_others_go_on(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        offer(&f, "bad", "!1");
        offer(&f, "c", "1");
        publish(&f);
        settle(&f);
        assert_string_equal(f.text, "a=1 c=1");
        offer(&f, "bad", NULL);
        publish(&f);
        assert_int_equal(holdout_held(f.holdout), 0);
        offer(&f, "bad", "!1"); /* nothing is remembered of a host that went */
        publish(&f);
        assert_string_equal(f.text, "a=1 bad=!1 c=1");
        holdout_free(f.holdout);
}

/* After a restart nothing has been accepted: the bad one of many is found by halves. */
static void holdout__one_bad_among_many_new__found_in_few_rounds(void **state)
{
        (void)state;
        for (unsigned bad = 0; bad < HOSTS; bad++) {
                struct fixture f = begin();
                for (unsigned i = 0; i < HOSTS; i++) {
                        char host[16];
                        snprintf(host, sizeof(host), "h%02u", i);
                        offer(&f, host, i == bad ? "!" : "1");
                }
                publish(&f);
                settle(&f);
                char host[16];
                snprintf(host, sizeof(host), "h%02u", bad);
                assert_true(holdout_is_refused(f.holdout, host));
                assert_int_equal(holdout_held(f.holdout), 1);
                assert_true(f.published <= 1 + 2 * 6 + 1);
                holdout_free(f.holdout);
        }
}

static void holdout__many_envoys_refuse_the_same__acted_on_once(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "!1");
        offer(&f, "b", "1");
        offer(&f, "c", "1");
        offer(&f, "d", "1");
        publish(&f);
        uint64_t first = f.mark;
        assert_true(holdout_refused(f.holdout, first));
        publish(&f);
        assert_string_equal(f.text, "a=!1 b=1");
        for (int i = 0; i < 200; i++)
                assert_false(holdout_refused(f.holdout, first));
        settle(&f);
        assert_string_equal(f.text, "b=1 c=1 d=1");
        assert_false(holdout_refused(f.holdout, f.mark)); /* accepted by one, refused by another */
        publish(&f);
        assert_string_equal(f.text, "b=1 c=1 d=1");
        assert_false(holdout_refused(f.holdout, 12345));
        assert_false(holdout_accepted(f.holdout, 12345));
        holdout_free(f.holdout);
}

static void holdout__late_ack__says_what_was_accepted_then(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        publish(&f);
        uint64_t one = f.mark;
        offer(&f, "a", "!2");
        publish(&f);
        uint64_t two = f.mark;
        assert_false(holdout_accepted(f.holdout, one));
        assert_true(holdout_refused(f.holdout, two));
        publish(&f);
        assert_string_equal(f.text, "a=1");
        holdout_free(f.holdout);
}

static void holdout__nothing_accepted_yet__something_stands_for_the_host(void **state)
{
        (void)state;
        struct fixture f = {.holdout = holdout_new(stand_in)};
        offer(&f, "a", "!1");
        offer(&f, "b", "1");
        publish(&f);
        settle(&f);
        assert_string_equal(f.text, "a=- b=1");
        assert_true(holdout_is_refused(f.holdout, "a"));
        offer(&f, "a", "2");
        publish(&f);
        settle(&f);
        assert_string_equal(f.text, "a=2 b=1");
        offer(&f, "a", "!3");
        publish(&f);
        settle(&f);
        assert_string_equal(f.text, "a=2 b=1");
        holdout_free(f.holdout);
}

/* Whoever serves nothing looks as what stands for it: to show it changes nothing, and nobody answers. */
static void holdout__one_says_what_stands_for_it__the_search_goes_on(void **state)
{
        (void)state;
        struct fixture f = {.holdout = holdout_new(stand_in)};
        offer(&f, "a", "1");
        offer(&f, "b", "2");
        offer(&f, "c", "-");
        offer(&f, "d", "!1");
        publish(&f);
        assert_true(holdout_refused(f.holdout, f.mark));
        publish(&f);
        assert_string_equal(f.text, "a=1 b=2 c=- d=-");
        assert_true(holdout_accepted(f.holdout, f.mark));
        publish(&f);
        assert_true(holdout_is_refused(f.holdout, "d"));
        assert_int_equal(holdout_held(f.holdout), 1);
        holdout_free(f.holdout);
}

static void holdout__what_stands_for_hosts_is_refused__they_are_left_out(void **state)
{
        (void)state;
        struct fixture f = {.holdout = holdout_new(bad_stand_in)};
        offer(&f, "a", "!1");
        offer(&f, "b", "1");
        offer(&f, "c", "1");
        publish(&f);
        settle(&f);
        assert_string_equal(f.text, "b=1 c=1");
        assert_true(holdout_is_refused(f.holdout, "a"));
        assert_int_equal(holdout_held(f.holdout), 1);
        holdout_free(f.holdout);
}

static void holdout__refused_before_a_restart__only_those_are_ever_away(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        offer(&f, "b", "!1");
        offer(&f, "c", "1");
        offer(&f, "d", "!1");
        holdout_suspect(f.holdout, "b");
        holdout_suspect(f.holdout, "d");
        holdout_suspect(f.holdout, "nobody");
        publish(&f);
        assert_true(holdout_refused(f.holdout, f.mark));
        publish(&f);
        assert_string_equal(f.text, "a=1 c=1");
        settle(&f);
        assert_string_equal(f.text, "a=1 c=1");
        assert_true(holdout_is_refused(f.holdout, "b") && holdout_is_refused(f.holdout, "d"));
        holdout_free(f.holdout);
}

static void holdout__an_innocent_is_suspect__comes_back_and_the_bad_one_is_found(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        offer(&f, "b", "!1");
        offer(&f, "c", "1");
        holdout_suspect(f.holdout, "a");
        publish(&f);
        assert_true(holdout_refused(f.holdout, f.mark));
        publish(&f);
        assert_string_equal(f.text, "b=!1 c=1");
        settle(&f);
        assert_string_equal(f.text, "a=1 c=1");
        assert_true(holdout_is_refused(f.holdout, "b"));
        holdout_free(f.holdout);
}

static void holdout__accepted_by_an_envoy__is_no_suspect(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        publish(&f);
        settle(&f);
        holdout_suspect(f.holdout, "a");
        offer(&f, "b", "!1");
        publish(&f);
        settle(&f);
        assert_string_equal(f.text, "a=1");
        assert_true(holdout_is_refused(f.holdout, "b"));
        holdout_free(f.holdout);
}

/* ---- at random ---- */

static uint64_t random_state;

static unsigned pick(unsigned n)
{
        random_state ^= random_state << 13; /* xorshift64 */
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)(random_state >> 32) % n;
}

struct sent {
        uint64_t mark;
        bool bad;
};

/* Envoys that get the latest when they read, and answer late. */
static void run_envoys(struct fixture *f, struct sent sent[ENVOYS][SENT], unsigned counts[ENVOYS], bool all)
{
        for (unsigned e = 0; e < ENVOYS; e++) {
                struct sent *mine = sent[e];
                if ((!counts[e] || mine[counts[e] - 1].mark != f->mark) && counts[e] < SENT && (all || pick(2)))
                        mine[counts[e]++] = (struct sent){f->mark, strchr(f->text, '!') != NULL};
                while (counts[e] > 1 && (all || pick(3) == 0)) { /* the last one stays: what it was told last */
                        struct sent answered = mine[0];
                        memmove(mine, mine + 1, --counts[e] * sizeof(*mine));
                        if (answered.bad ? holdout_refused(f->holdout, answered.mark)
                                         : holdout_accepted(f->holdout, answered.mark))
                                publish(f);
                }
                if (all && counts[e] && mine[0].mark == f->mark &&
                    (mine[0].bad ? holdout_refused(f->holdout, f->mark) : holdout_accepted(f->holdout, f->mark)))
                        publish(f);
        }
}

static void holdout__hosts_go_and_come_again_before_it_is_published__each_stands_there_once(void **state)
{
        (void)state;
        struct fixture f = begin();
        offer(&f, "a", "1");
        offer(&f, "b", "1");
        offer(&f, "c", "1");
        publish(&f);
        settle(&f);
        offer(&f, "a", NULL);
        offer(&f, "b", NULL);
        offer(&f, "b", "2");
        offer(&f, "b", NULL);
        offer(&f, "b", "!3");
        offer(&f, "d", "1");
        offer(&f, "d", NULL);
        publish(&f);
        assert_string_equal(f.text, "b=!3 c=1");
        settle(&f);
        assert_string_equal(f.text, "c=1"); /* what b was before it went is nothing to go back to */
        assert_true(holdout_is_refused(f.holdout, "b"));
        offer(&f, "b", NULL); /* and never published again */
        holdout_free(f.holdout);
}

/* Each for itself would move all that stand behind it. */
static void holdout__very_many_hosts_go_together__costs_little_more_than_their_coming(void **state)
{
        (void)state;
        enum { MANY = 60000 };
        struct fixture f = begin();
        size_t n;
        clock_t spent[2];
        for (int go = 0; go < 2; go++) {
                clock_t from = clock();
                for (int i = 0; i < MANY; i++) {
                        char host[16];
                        snprintf(host, sizeof(host), "h%05d", i);
                        offer(&f, host, go ? NULL : "1");
                }
                holdout_parts(f.holdout, &n);
                assert_int_equal(n, go ? 0 : MANY);
                spent[go] = clock() - from;
        }
        assert_true(spent[1] < 4 * spent[0]);
        holdout_free(f.holdout);
}

static void holdout__random_hosts_and_answers__ends_with_all_good_and_no_bad(void **state)
{
        (void)state;
        const char *given = getenv("HOLDOUT_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
        print_message("HOLDOUT_SEED=%llu\n", (unsigned long long)seed);
        random_state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        for (int round = 0; round < 300; round++) {
                struct fixture f = {.holdout = holdout_new(round % 2 ? stand_in : NULL)};
                char offered[HOSTS][8] = {{0}};
                struct sent sent[ENVOYS][SENT];
                unsigned counts[ENVOYS] = {0};
                publish(&f);
                for (int i = 0; i < 100; i++) {
                        for (unsigned n = pick(6); n; n--) {
                                unsigned which = pick(HOSTS);
                                char host[16];
                                snprintf(host, sizeof(host), "h%02u", which);
                                snprintf(offered[which], sizeof(offered[which]), "%s%u", pick(6) ? "" : "!", pick(50));
                                if (pick(8) == 0)
                                        offered[which][0] = '\0';
                                offer(&f, host, offered[which][0] ? offered[which] : NULL);
                                if (pick(4) == 0)
                                        holdout_suspect(f.holdout, host);
                        }
                        publish(&f);
                        run_envoys(&f, sent, counts, false);
                }
                for (int i = 0; i < 400; i++)
                        run_envoys(&f, sent, counts, true);
                assert_null(strchr(f.text, '!'));
                for (unsigned i = 0; i < HOSTS; i++) {
                        char line[32], host[16];
                        snprintf(host, sizeof(host), "h%02u", i);
                        snprintf(line, sizeof(line), "h%02u=%.7s", i, offered[i]);
                        bool bad = offered[i][0] == '!';
                        assert_int_equal(holdout_is_refused(f.holdout, host), bad);
                        if (offered[i][0] && !bad)
                                assert_non_null(strstr(f.text, line));
                }
                holdout_free(f.holdout);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holdout__bad_change__goes_back_to_the_last_accepted_bytes),
                cmocka_unit_test(holdout__refused_content_comes_again__held_out_by_its_hash),
                cmocka_unit_test(holdout__new_bad_host__left_out_and_the_others_go_on),
                cmocka_unit_test(holdout__one_bad_among_many_new__found_in_few_rounds),
                cmocka_unit_test(holdout__many_envoys_refuse_the_same__acted_on_once),
                cmocka_unit_test(holdout__late_ack__says_what_was_accepted_then),
                cmocka_unit_test(holdout__nothing_accepted_yet__something_stands_for_the_host),
                cmocka_unit_test(holdout__one_says_what_stands_for_it__the_search_goes_on),
                cmocka_unit_test(holdout__what_stands_for_hosts_is_refused__they_are_left_out),
                cmocka_unit_test(holdout__refused_before_a_restart__only_those_are_ever_away),
                cmocka_unit_test(holdout__an_innocent_is_suspect__comes_back_and_the_bad_one_is_found),
                cmocka_unit_test(holdout__accepted_by_an_envoy__is_no_suspect),
                cmocka_unit_test(holdout__hosts_go_and_come_again_before_it_is_published__each_stands_there_once),
                cmocka_unit_test(holdout__very_many_hosts_go_together__costs_little_more_than_their_coming),
                cmocka_unit_test(holdout__random_hosts_and_answers__ends_with_all_good_and_no_bad),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
