/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include "kube/fake_api.h"

/*
 * The server of these tests is a script: the n-th request must be the n-th step's, and gets its answer. What the
 * reflector tells is written down as words: "[" begins a list, "]" ends it, "+name" an object, "-name" a deletion,
 * "?name" one that could not be read, "!reason" a restart.
 */
struct step {
        const char *wants; /* part of the request's target */
        const char *lacks; /* not part of it; NULL: nothing */
        int code;
        const char *headers;
        const char *body; /* of a watch: chunks, which "|" separates */
        enum { ANSWER, WATCH_HOLD, WATCH_END, WATCH_BREAK, SILENCE } how;
};

struct world {
        struct event_base *base;
        struct fake_api api;
        struct client *client;
        struct reflector *reflector;
        const struct step *steps;
        size_t count, next;
        bool served; /* every step */
        struct buf *told;
        const char *until; /* what must have been told */
        bool told_all;
        int64_t asked_at[16];
};

static void say(struct world *w, const char *mark, const char *what)
{
        buf_printf(w->told, "%s%s ", mark, what);
        w->told_all = strstr(buf_data(w->told), w->until) != NULL;
}

static const char *name_of(const json_t *object)
{
        return json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
}

static void on_list_begin(void *arg)
{
        say(arg, "[", "");
}

static void on_list_end(void *arg)
{
        say(arg, "]", "");
}

static void on_object(json_t *object, void *arg)
{
        say(arg, "+", name_of(object));
}

static void on_delete(json_t *object, void *arg)
{
        say(arg, "-", name_of(object));
}

static void on_bad_object(const char *name, const char *why, void *arg)
{
        assert_true(why[0] != '\0');
        say(arg, "?", name);
}

static void on_restart(const char *reason, const struct err *why, void *arg)
{
        (void)why;
        say(arg, "!", reason);
}

static const struct reflector_events events = {
        .on_list_begin = on_list_begin,
        .on_list_end = on_list_end,
        .on_object = on_object,
        .on_delete = on_delete,
        .on_bad_object = on_bad_object,
        .on_restart = on_restart,
};

static void play_watch(struct fake_api *api, const struct fake_request *r, const struct step *s)
{
        fake_begin_stream(r);
        AUTO_STR *all = mem_strdup(s->body);
        for (char *p = all, *part; (part = strsep(&p, "|")) != NULL;) {
                if (*part)
                        fake_chunk(r->from, part);
        }
        if (s->how == WATCH_END)
                fake_end_stream(r->from);
        if (s->how == WATCH_BREAK)
                fake_break(api, r->from);
}

static void play(struct fake_api *api, const struct fake_request *r)
{
        struct world *w = api->arg;
        if (w->next == w->count)
                return; /* held back: the script is over */
        const struct step *s = &w->steps[w->next];
        if (!strstr(r->target, s->wants) || (s->lacks && strstr(r->target, s->lacks)))
                fail_msg("request %zu: wanted \"%s\" without \"%s\", got %s", w->next, s->wants,
                         s->lacks ? s->lacks : "", r->target);
        w->asked_at[w->next++] = time_monotonic();
        if (s->how == ANSWER)
                fake_answer(r, s->code ? s->code : 200, s->headers ? s->headers : "", s->body);
        else if (s->how != SILENCE)
                play_watch(api, r, s);
        w->served = w->next == w->count;
}

/* Plays the script; all of it must be asked for, and told must be said by then. */
static struct world *run(const struct step *steps, size_t n, const char *told)
{
        struct world *w = mem_zalloc(sizeof(*w));
        w->base = event_base_new();
        w->steps = steps;
        w->count = n;
        w->told = buf_new(1 << 20);
        w->until = told;
        fake_init(&w->api, w->base, play, w);
        w->client = fake_client(&w->api);
        struct reflector_source source = {.path = "/api/v1/things", .resource = "things"};
        w->reflector = reflector_new(w->base, w->client, &source, &events, w);
        fake_wait(w->base, &w->served, "every step of the script");
        fake_wait(w->base, &w->told_all, told);
        return w;
}

static void end(struct world *w)
{
        reflector_free(w->reflector);
        client_free(w->client);
        fake_done(&w->api);
        buf_free(w->told);
        event_base_free(w->base);
        mem_free(w);
}

static void assert_plays(const struct step *steps, size_t n, const char *told)
{
        struct world *w = run(steps, n, told);
        assert_string_equal(buf_data(w->told), told);
        end(w);
}

#define LIST(version, token, items)                                                                                    \
        "{\"kind\":\"ThingList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"" version                   \
        "\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define THING(name, version)                                                                                           \
        "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define FIRST_LIST                                                                                                     \
        {                                                                                                              \
                .wants = "?limit=500", .lacks = "continue", .body = LIST("10", "", THING("a", "5"))                    \
        }
#define IDLE_WATCH(version)                                                                                            \
        {                                                                                                              \
                .wants = "watch=true&allowWatchBookmarks=true&resourceVersion=" version "&timeout", .how = WATCH_HOLD, \
                .body = ""                                                                                             \
        }

static void reflector__pages__follow_the_token_then_the_watch(void **state)
{
        (void)state;
        static const struct step steps[] = {
                {.wants = "?limit=500", .lacks = "continue", .body = LIST("10", "t/1", THING("a", "5"))},
                {.wants = "?limit=500&continue=t%2F1", .body = LIST("10", "", THING("b", "6"))},
                IDLE_WATCH("10"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a +b ] ");
}

static void reflector__events__are_told_in_order(void **state)
{
        (void)state;
        static const struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&",
                 .how = WATCH_HOLD,
                 .body = EVENT("ADDED", THING("b", "11")) "|" EVENT("MODIFIED", THING("a", "12"))
                         EVENT("BOOKMARK", THING("x", "13")) "|" EVENT("DELETED", THING("b", "14"))},
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] +b +a -b ");
}

static void reflector__clean_end__goes_on_from_the_last_version(void **state)
{
        (void)state;
        static const struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&", .how = WATCH_END, .body = EVENT("ADDED", THING("b", "11"))},
                {.wants = "resourceVersion=11&", .how = WATCH_END, .body = EVENT("BOOKMARK", THING("", "19"))},
                IDLE_WATCH("19"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] +b ");
}

static void reflector__half_line__is_not_told_and_comes_again(void **state)
{
        (void)state;
        static const struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&",
                 .how = WATCH_BREAK,
                 .body = EVENT("ADDED", THING("b", "11")) "{\"type\":\"ADDED\",\"object\":{\"meta"},
                {.wants = "?limit=1", .lacks = "limit=500", .body = LIST("12", "more", THING("a", "5"))},
                {.wants = "resourceVersion=11&", .how = WATCH_HOLD, .body = EVENT("ADDED", THING("c", "12"))},
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] +b !closed +c ");
}

static void reflector__server_with_lost_history__is_followed(void **state)
{
        (void)state;
        static const struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&", .how = WATCH_BREAK, .body = EVENT("ADDED", THING("b", "11"))},
                {.wants = "?limit=1", .lacks = "limit=500", .body = LIST("3", "", "")},
                {.wants = "?limit=500", .body = LIST("3", "", THING("z", "2"))},
                IDLE_WATCH("3"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] +b !closed !gone [ +z ] ");
}

static void reflector__gone_by_status_or_event__lists_anew(void **state)
{
        (void)state;
        static const struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&", .code = 410, .body = "{\"kind\":\"Status\",\"code\":410}"},
                {.wants = "?limit=500", .body = LIST("20", "", THING("b", "6"))},
                {.wants = "resourceVersion=20&",
                 .how = WATCH_END,
                 .body = EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}")},
                {.wants = "?limit=500", .body = LIST("30", "", THING("c", "7"))},
                IDLE_WATCH("30"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] !gone [ +b ] !gone [ +c ] ");
}

static void reflector__continue_token_expired__list_begins_again(void **state)
{
        (void)state;
        static const struct step steps[] = {
                {.wants = "?limit=500", .body = LIST("10", "old", THING("a", "5"))},
                {.wants = "continue=old", .code = 410, .body = "{\"code\":410}"},
                {.wants = "?limit=500", .lacks = "continue", .body = LIST("12", "", THING("b", "6"))},
                IDLE_WATCH("12"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a !gone [ +b ] ");
}

static void reflector__page_fails_in_passing__same_page_after_retry_after(void **state)
{
        (void)state;
        static const struct step steps[] = {
                {.wants = "?limit=500", .body = LIST("10", "t", THING("a", "5"))},
                {.wants = "continue=t", .code = 429, .headers = "Retry-After: 1\r\n", .body = "{}"},
                {.wants = "continue=t", .body = LIST("10", "", THING("b", "6"))},
                IDLE_WATCH("10"),
        };
        struct world *w = run(steps, COUNT_OF(steps), "[ +a !error +b ] ");
        assert_string_equal(buf_data(w->told), "[ +a !error +b ] ");
        assert_true(w->asked_at[2] - w->asked_at[1] >= DURATION_SECOND);
        end(w);
}

/* None of these may be taken for a list in which nothing is left. */
static void reflector__answers_that_are_no_list__remove_nothing(void **state)
{
        (void)state;
        static const struct step answers[] = {
                {.code = 404, .body = "{\"kind\":\"Status\",\"code\":404}"},
                {.code = 403, .body = "{\"kind\":\"Status\",\"code\":403}"},
                {.code = 200, .body = "{}"},
                {.code = 200, .body = "<html>please log in</html>"},
                {.code = 200, .body = "{\"kind\":\"ThingList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{}"},
                {.code = 200, .body = "{\"kind\":\"ThingList\",\"metadata\":{},\"items\":[]}"},
        };
        for (size_t i = 0; i < COUNT_OF(answers); i++) {
                struct step steps[] = {answers[i], FIRST_LIST, IDLE_WATCH("10")};
                steps[0].wants = "?limit=500";
                assert_plays(steps, COUNT_OF(steps), "[ !error [ +a ] ");
        }
}

static void reflector__object_no_parser_takes__only_that_one_is_skipped_and_named(void **state)
{
        (void)state;
        static const struct step steps[] = {
                {.wants = "?limit=500",
                 .body = LIST(
                         "10", "",
                         THING("a", "5") ",{\"metadata\":{\"name\":\"bad\",\"namespace\":\"n\",\"continue\":\"x\"},"
                                         "\"spec\":\"\\ud800\"}," THING("c", "6"))},
                {.wants = "resourceVersion=10&",
                 .how = WATCH_HOLD,
                 .body = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"worse\",\"resourceVersion\":\"11\"},"
                         "\"a\":1,\"a\":2}}\n" EVENT("ADDED", THING("d", "12"))},
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ?n/bad +c ] ?worse +d ");
}

static void reflector__error_events__lead_to_a_list_in_the_end(void **state)
{
        (void)state;
#define FAILED_WATCH                                                                                                   \
        {                                                                                                              \
                .wants = "resourceVersion=10&", .how = WATCH_END,                                                      \
                .body = EVENT("ERROR", "{\"code\":500,\"message\":\"oh\"}")                                            \
        }
        static const struct step steps[] = {
                FIRST_LIST, FAILED_WATCH, FAILED_WATCH, FAILED_WATCH, FIRST_LIST, IDLE_WATCH("10"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] !error !error !error [ +a ] ");
}

/* Names of 20 bytes, padded until the page is larger than what is read of an answer. */
static void reflector__page_too_large__smaller_pages(void **state)
{
        (void)state;
        char *padding = mem_zalloc(CLIENT_BODY_MAX + 1);
        memset(padding, 'x', CLIENT_BODY_MAX);
        AUTO_STR *large = mem_printf(
                "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"p\":\"%s\"}]}", padding);
        mem_free(padding);
        struct step steps[] = {
                {.wants = "?limit=500", .body = large},
                {.wants = "?limit=62", .lacks = "continue", .body = LIST("10", "t", THING("a", "5"))},
                {.wants = "?limit=62&continue=t", .body = LIST("10", "", THING("b", "5"))},
                IDLE_WATCH("10"),
        };
        assert_plays(steps, COUNT_OF(steps), "[ !large +a +b ] ");
}

static void reflector__object_of_several_mib__arrives(void **state)
{
        (void)state;
        enum { SIZE = 5 * 1024 * 1024 };
        char *padding = mem_zalloc(SIZE + 1);
        memset(padding, 'x', SIZE);
        AUTO_STR *event =
                mem_printf("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"big\",\"resourceVersion\":"
                           "\"11\"},\"p\":\"%s\"}}\n" EVENT("ADDED", THING("next", "12")),
                           padding);
        mem_free(padding);
        struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&", .how = WATCH_HOLD, .body = event},
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] +big +next ");
}

static void reflector__event_beyond_the_limit__is_skipped_and_named(void **state)
{
        (void)state;
        char *padding = mem_zalloc(REFLECTOR_LINE_MAX + 1);
        memset(padding, 'x', REFLECTOR_LINE_MAX);
        AUTO_STR *event =
                mem_printf("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"big\",\"resourceVersion\":"
                           "\"11\"},\"p\":\"%s\"}}\n" EVENT("ADDED", THING("next", "12")),
                           padding);
        mem_free(padding);
        struct step steps[] = {
                FIRST_LIST,
                {.wants = "resourceVersion=10&", .how = WATCH_HOLD, .body = event},
        };
        assert_plays(steps, COUNT_OF(steps), "[ +a ] ?big +next ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reflector__pages__follow_the_token_then_the_watch),
                cmocka_unit_test(reflector__events__are_told_in_order),
                cmocka_unit_test(reflector__clean_end__goes_on_from_the_last_version),
                cmocka_unit_test(reflector__half_line__is_not_told_and_comes_again),
                cmocka_unit_test(reflector__server_with_lost_history__is_followed),
                cmocka_unit_test(reflector__gone_by_status_or_event__lists_anew),
                cmocka_unit_test(reflector__continue_token_expired__list_begins_again),
                cmocka_unit_test(reflector__page_fails_in_passing__same_page_after_retry_after),
                cmocka_unit_test(reflector__answers_that_are_no_list__remove_nothing),
                cmocka_unit_test(reflector__object_no_parser_takes__only_that_one_is_skipped_and_named),
                cmocka_unit_test(reflector__error_events__lead_to_a_list_in_the_end),
                cmocka_unit_test(reflector__page_too_large__smaller_pages),
                cmocka_unit_test(reflector__object_of_several_mib__arrives),
                cmocka_unit_test(reflector__event_beyond_the_limit__is_skipped_and_named),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
