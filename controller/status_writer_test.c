/* SPDX-License-Identifier: Apache-2.0 */
/* The writer on a real pipeline; the API server is a function that answers by hand. */
#include "controller/status_writer.h"

#include "base/json_read.h"
#include "base/log.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SENT_MAX = 64 };

static int64_t clock_monotonic = 1000 * DURATION_SECOND;

static int64_t monotonic(void)
{
        return clock_monotonic;
}

static int64_t wall(void)
{
        return 1800000000 * TIME_MICROS_PER_SECOND + clock_monotonic / DURATION_MICROSECOND;
}

static uint32_t no_random(void)
{
        return 0;
}

struct sent {
        const char *key;
        char *name, *body;
};

struct fixture {
        pthread_rwlock_t lock;
        struct policy policy;
        struct store *store;
        struct pipeline *pipeline;
        struct status_writer *writer;
        struct sent sent[SENT_MAX];
        unsigned count;
        unsigned version;
        unsigned turned;
        char turned_to[32]; /* currentStatus when it was told last */
};

static void send(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg)
{
        struct fixture *f = arg;
        assert_true(f->count < SENT_MAX);
        f->sent[f->count++] = (struct sent){key, mem_printf("%s/%s", namespace, name), mem_strndup(body, n)};
}

static void note_turn(const struct object *o, void *arg)
{
        struct fixture *f = arg;
        f->turned++;
        snprintf(f->turned_to, sizeof(f->turned_to), "%s", o->ingressroute->status->current_status);
}

static void init(struct fixture *f)
{
        *f = (struct fixture){.policy.claim_id = "me"};
        pthread_rwlock_init(&f->lock, NULL);
        f->store = store_new();
        f->pipeline = pipeline_new(&(struct pipeline_options){
                .store = f->store,
                .lock = &f->lock,
                .policy = &f->policy,
                .wall = wall,
                .monotonic = monotonic,
        });
        f->writer = status_writer_new(&(struct status_writer_options){
                .pipeline = f->pipeline,
                .store = f->store,
                .policy = &f->policy,
                .wall = wall,
                .monotonic = monotonic,
                .random = no_random,
                .send = send,
                .turned = note_turn,
                .arg = f,
        });
        pipeline_start(f->pipeline);
}

static void done(struct fixture *f)
{
        status_writer_free(f->writer);
        pipeline_free(f->pipeline);
        store_free(f->store);
        pthread_rwlock_destroy(&f->lock);
        for (unsigned i = 0; i < f->count; i++) {
                mem_free(f->sent[i].name);
                mem_free(f->sent[i].body);
        }
}

/* Half a second passes. */
static void settle(struct fixture *f)
{
        for (int i = 0; i < 50; i++) {
                clock_monotonic += 10 * DURATION_MILLISECOND;
                pipeline_turn(f->pipeline);
                if (status_writer_due(f->writer) == 0)
                        status_writer_turn(f->writer);
        }
}

/* What the API server holds: status is the text of an object, or "". */
static char *object_text(const char *name, unsigned version, const char *status)
{
        return mem_printf(
                "{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":\"%u\","
                "\"generation\":1,\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"virtualhost\":{"
                "\"fqdn\":\"%s.example\"},\"routes\":[{\"match\":\"/\",\"services\":[{\"name\":\"s\",\"port\":80}]}]"
                "}%s%s}",
                name, name, version, name, *status ? ",\"status\":" : "", status);
}

static void put(struct fixture *f, const char *text)
{
        AUTO_JSON *json = json_read(text, strlen(text), NULL);
        struct err e = {0};
        struct object *o = object_decode(KIND_INGRESSROUTE, json, &(struct object_options){0}, &e);
        if (!o)
                fail_msg("%s", e.text);
        pipeline_put(f->pipeline, o, 0);
}

static void put_site(struct fixture *f, const char *name)
{
        AUTO_STR *text = object_text(name, ++f->version, "");
        put(f, text);
}

static void put_service(struct fixture *f)
{
        static const char text[] =
                "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}";
        AUTO_JSON *json = json_read(text, strlen(text), NULL);
        struct err e = {0};
        pipeline_put(f->pipeline, object_decode(KIND_SERVICE, json, &(struct object_options){0}, &e), 0);
        settle(f);
}

/* The status of the last body sent, as text. */
static char *last_status(const struct fixture *f)
{
        const char *body = f->sent[f->count - 1].body;
        AUTO_JSON *json = json_read(body, strlen(body), NULL);
        char *text = json_dumps(json_object_get(json, "status"), JSON_COMPACT);
        char *copy = mem_strdup(text);
        free(text);
        return copy;
}

/* Answers the last write with this code; a 200 keeps status (the one sent when NULL), and the watch brings it. */
static void answer(struct fixture *f, const char *name, int code, const char *status)
{
        AUTO_STR *kept = status ? mem_strdup(status) : last_status(f);
        AUTO_STR *text = object_text(name, ++f->version, kept);
        bool written = code == 200;
        status_writer_answered(f->writer, f->sent[f->count - 1].key, code, 0, written ? text : "{}",
                               written ? strlen(text) : 2);
        if (written)
                put(f, text);
        settle(f);
}

static void leader__new_object__status_and_claim_are_written_once(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        assert_int_equal(f.count, 1);
        assert_string_equal(f.sent[0].name, "a/one");
        assert_non_null(strstr(f.sent[0].body, "\"uid\":\"u-one\",\"resourceVersion\":\"1\""));
        assert_non_null(strstr(f.sent[0].body, "[ServiceNotFound]"));
        assert_non_null(
                strstr(f.sent[0].body,
                       "\"claim\":{\"fqdn\":\"one.example\",\"since\":\"2026-01-01T00:00:00.000000Z\",\"by\":\"me\"}"));
        answer(&f, "one", 200, NULL);
        assert_int_equal(f.count, 1);
        assert_int_equal(status_writer_pending(f.writer), 0);
        done(&f);
}

static void follower__becomes_leader__takes_up_what_is_unwritten(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        put_site(&f, "one");
        put_site(&f, "two");
        settle(&f);
        assert_int_equal(f.count, 0);
        status_writer_set_leader(f.writer, true);
        settle(&f);
        assert_int_equal(f.count, 2);
        done(&f);
}

static void leader__loses_the_lease__writes_no_more(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        settle(&f);
        status_writer_set_leader(f.writer, false);
        put_site(&f, "one");
        settle(&f);
        assert_int_equal(f.count, 0);
        done(&f);
}

static unsigned pruned_lines;

static void count_pruned(const char *line)
{
        pruned_lines += strstr(line, "did not keep all") != NULL;
}

static void answer__claim_is_pruned__is_not_written_again_and_said_once(void **state)
{
        (void)state;
        struct fixture f;
        pruned_lines = 0;
        log_set_sink(count_pruned);
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        AUTO_STR *whole = last_status(&f);
        *strstr(whole, ",\"claim\"") = '\0';
        AUTO_STR *pruned = mem_printf("%s}", whole);
        answer(&f, "one", 200, pruned);
        for (int i = 0; i < 3; i++) {
                AUTO_STR *again = object_text("one", ++f.version, pruned);
                put(&f, again);
                settle(&f);
        }
        assert_int_equal(f.count, 1);
        put_site(&f, "two");
        settle(&f);
        assert_int_equal(f.count, 2);
        answer(&f, "two", 200, pruned);
        assert_int_equal(pruned_lines, 1);
        log_set_sink(NULL);
        done(&f);
}

static void answer__another_state_is_wanted_by_then__is_not_taken_for_pruned(void **state)
{
        (void)state;
        struct fixture f;
        pruned_lines = 0;
        log_set_sink(count_pruned);
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        assert_non_null(strstr(f.sent[0].body, "[ServiceNotFound]"));
        put_service(&f);
        settle(&f);
        answer(&f, "one", 200, NULL);
        assert_int_equal(pruned_lines, 0);
        assert_int_equal(f.count, 2);
        assert_null(strstr(f.sent[1].body, "[ServiceNotFound]"));
        log_set_sink(NULL);
        done(&f);
}

static void answer__none__is_tried_again_from_the_same_object(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        answer(&f, "one", 0, NULL);
        settle(&f);
        assert_int_equal(f.count, 2);
        assert_non_null(strstr(f.sent[1].body, "\"resourceVersion\":\"1\""));
        done(&f);
}

static void answer__conflict__is_recomputed_from_what_the_watch_brings(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        f.version = 40;
        put_site(&f, "one");
        status_writer_answered(f.writer, f.sent[0].key, 409, 0, "{}", 2);
        settle(&f);
        assert_int_equal(f.count, 2);
        assert_non_null(strstr(f.sent[1].body, "\"resourceVersion\":\"41\""));
        done(&f);
}

static void object__deleted_while_under_way__answer_is_dropped(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        pipeline_remove(f.pipeline, KIND_INGRESSROUTE, "a", "one", 0);
        settle(&f);
        status_writer_answered(f.writer, f.sent[0].key, 404, 0, "{}", 2);
        settle(&f);
        assert_int_equal(f.count, 1);
        assert_int_equal(status_writer_pending(f.writer), 0);
        done(&f);
}

static void answer__no_object__is_taken_without_a_crash(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        status_writer_answered(f.writer, f.sent[0].key, 200, 0, "nonsense", 8);
        settle(&f);
        assert_int_equal(f.count, 1); /* waits for the watch */
        done(&f);
}

static void turned__invalid_then_valid__each_is_told_once_it_is_written(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_site(&f, "one");
        settle(&f);
        assert_int_equal(f.turned, 0);
        answer(&f, "one", 409, NULL);
        assert_int_equal(f.turned, 0);
        put_site(&f, "one");
        settle(&f);
        answer(&f, "one", 200, NULL);
        assert_int_equal(f.turned, 1);
        assert_string_equal(f.turned_to, "invalid");
        put_service(&f);
        answer(&f, "one", 200, NULL);
        assert_int_equal(f.turned, 2);
        assert_string_equal(f.turned_to, "valid");
        done(&f);
}

static void turned__new_object_is_valid__nothing_is_told(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        status_writer_set_leader(f.writer, true);
        put_service(&f);
        put_site(&f, "one");
        settle(&f);
        answer(&f, "one", 200, NULL);
        assert_non_null(strstr(f.sent[0].body, "\"currentStatus\":\"valid\""));
        assert_int_equal(f.turned, 0);
        done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(leader__new_object__status_and_claim_are_written_once),
                cmocka_unit_test(follower__becomes_leader__takes_up_what_is_unwritten),
                cmocka_unit_test(leader__loses_the_lease__writes_no_more),
                cmocka_unit_test(answer__claim_is_pruned__is_not_written_again_and_said_once),
                cmocka_unit_test(answer__another_state_is_wanted_by_then__is_not_taken_for_pruned),
                cmocka_unit_test(answer__none__is_tried_again_from_the_same_object),
                cmocka_unit_test(answer__conflict__is_recomputed_from_what_the_watch_brings),
                cmocka_unit_test(object__deleted_while_under_way__answer_is_dropped),
                cmocka_unit_test(turned__invalid_then_valid__each_is_told_once_it_is_written),
                cmocka_unit_test(turned__new_object_is_valid__nothing_is_told),
                cmocka_unit_test(answer__no_object__is_taken_without_a_crash),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
