/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/event_writer.h"

#include "base/json_read.h"
#include "controller/event.h"
#include "controller/pipeline_fixture.h"

enum { SENT_MAX = 256 };

struct fixture {
        struct world *world;
        struct event_writer *writer;
        json_t *sent[SENT_MAX];
        size_t count;
};

static void send(const char *namespace, const char *body, size_t n, void *arg)
{
        struct fixture *f = arg;
        assert_true(f->count < SENT_MAX);
        json_t *json = json_read(body, n, NULL);
        assert_non_null(json);
        assert_string_equal(json_string_value(json_object_get(json_object_get(json, "metadata"), "namespace")),
                            namespace);
        f->sent[f->count++] = json;
}

static void init(struct fixture *f)
{
        *f = (struct fixture){.world = started()};
        f->writer = event_writer_new(&(struct event_writer_options){
                .pipeline = f->world->pipeline,
                .store = f->world->store,
                .instance = "pod-1",
                .wall = wall,
                .monotonic = monotonic,
                .send = send,
                .arg = f,
        });
}

static void done(struct fixture *f)
{
        event_writer_free(f->writer);
        world_free(f->world);
        for (size_t i = 0; i < f->count; i++)
                json_decref(f->sent[i]);
}

static const char *text_of(const json_t *event, const char *key)
{
        const char *text = json_string_value(json_object_get(event, key));
        assert_non_null(text);
        return text;
}

static const char *name_of(const json_t *event)
{
        return text_of(json_object_get(event, "metadata"), "name");
}

static struct object *route(const char *name, unsigned version, const char *current, const char *reason,
                            const char *description)
{
        AUTO_STR *text = mem_printf(
                "{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":\"%u\"},"
                "\"spec\":{},\"status\":{\"currentStatus\":\"%s\",\"description\":\"%s\",\"conditions\":[{"
                "\"type\":\"Valid\",\"status\":\"False\",\"reason\":\"%s\",\"message\":\"m\","
                "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}}",
                name, name, version, current, description, reason);
        AUTO_JSON *json = json_read(text, strlen(text), NULL);
        struct err e = {0};
        struct object *o = object_decode(KIND_INGRESSROUTE, json, &(struct object_options){0}, &e);
        if (!o)
                fail_msg("%s", e.text);
        return o;
}

/* ---- IngressRoutes ---- */

static void turned__invalid__warning_with_rule_and_description(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        event_writer_set_leader(f.writer, true);
        AUTO(object) *o = route("shop", 7, "invalid", "PathInvalid", "spec.routes[0].match: bad");
        event_writer_turned(f.writer, o);
        assert_int_equal(f.count, 1);
        const json_t *event = f.sent[0], *about = json_object_get(event, "involvedObject");
        assert_string_equal(text_of(event, "type"), "Warning");
        assert_string_equal(text_of(event, "reason"), "PathInvalid");
        assert_string_equal(text_of(event, "message"), "spec.routes[0].match: bad");
        assert_string_equal(text_of(event, "reportingInstance"), "pod-1");
        assert_string_equal(text_of(about, "kind"), "IngressRoute");
        assert_string_equal(text_of(about, "name"), "shop");
        assert_string_equal(text_of(about, "uid"), "u-shop");
        assert_string_equal(text_of(about, "resourceVersion"), "7");
        assert_string_equal(name_of(event), "shop.83eb2054b2414d81"); /* whatever process writes it */
        done(&f);
}

static void turned__valid_again__normal(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        event_writer_set_leader(f.writer, true);
        AUTO(object) *o = route("shop", 8, "valid", "Valid", "valid IngressRoute");
        event_writer_turned(f.writer, o);
        assert_string_equal(text_of(f.sent[0], "type"), "Normal");
        assert_string_equal(text_of(f.sent[0], "reason"), "Valid");
        done(&f);
}

static void turned__same_version__same_name__another_version__another(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        event_writer_set_leader(f.writer, true);
        AUTO(object) *o = route("shop", 8, "valid", "Valid", "valid IngressRoute");
        AUTO(object) *later = route("shop", 9, "valid", "Valid", "valid IngressRoute");
        event_writer_turned(f.writer, o);
        pass(DURATION_HOUR);
        event_writer_turned(f.writer, o);
        event_writer_turned(f.writer, later);
        assert_string_equal(name_of(f.sent[0]), name_of(f.sent[1]));
        assert_string_not_equal(name_of(f.sent[0]), name_of(f.sent[2]));
        done(&f);
}

static void turned__not_the_leader__nothing(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        AUTO(object) *o = route("shop", 8, "valid", "Valid", "valid IngressRoute");
        event_writer_turned(f.writer, o);
        event_writer_set_leader(f.writer, true);
        event_writer_set_leader(f.writer, false);
        event_writer_turned(f.writer, o);
        assert_int_equal(f.count, 0);
        done(&f);
}

static void message__too_long__is_cut_between_characters(void **state)
{
        (void)state;
        AUTO(buf) *description = buf_new(8192);
        buf_append_char(description, 'x');
        while (buf_len(description) < 2 * EVENT_MESSAGE_MAX)
                buf_append_str(description, "\xc3\xa4");
        AUTO(object) *o = route("shop", 8, "invalid", "PathInvalid", buf_data(description));
        AUTO(buf) *body = buf_new(EVENT_BODY_MAX);
        event_body(body,
                   &(struct event_note){.object = o, .reason = "r", .message = buf_data(description), .occasion = ""},
                   "pod", 0);
        AUTO_JSON *event = json_read(buf_data(body), buf_len(body), NULL);
        assert_non_null(event);
        assert_int_equal(strlen(text_of(event, "message")), EVENT_MESSAGE_MAX - 1);
}

static void name__longest_object__is_cut_to_a_name_that_ends_well(void **state)
{
        (void)state;
        AUTO(buf) *long_name = buf_new(512);
        for (int i = 0; i < 126; i++)
                buf_append_str(long_name, i % 2 ? "-x" : "y.");
        buf_append_char(long_name, 'z');
        AUTO(object) *o = route(buf_data(long_name), 8, "valid", "Valid", "d");
        AUTO(buf) *body = buf_new(EVENT_BODY_MAX);
        event_body(body, &(struct event_note){.object = o, .reason = "r", .message = "m", .occasion = ""}, "pod", 0);
        AUTO_JSON *event = json_read(buf_data(body), buf_len(body), NULL);
        const char *name = name_of(event), *hash = strrchr(name, '.');
        assert_true(strlen(name) <= 253);
        assert_int_equal(strlen(hash), 17);
        assert_true(hash[-1] == 'x' || hash[-1] == 'y');
}

/* ---- limits ---- */

static void limit__one_object_flaps__burst_then_one_a_minute(void **state)
{
        (void)state;
        static struct event_limit limit;
        memset(&limit, 0, sizeof(limit));
        AUTO(object) *o = route("shop", 1, "valid", "Valid", "d");
        AUTO(object) *other = route("other", 1, "valid", "Valid", "d");
        unsigned allowed = 0;
        for (int i = 0; i < 1000; i++)
                allowed += event_limit_take(&limit, o, 5 * DURATION_HOUR);
        assert_int_equal(allowed, EVENT_OBJECT_BURST);
        assert_true(event_limit_take(&limit, other, 5 * DURATION_HOUR));
        assert_false(event_limit_take(&limit, o, 5 * DURATION_HOUR + EVENT_OBJECT_INTERVAL - 1));
        assert_true(event_limit_take(&limit, o, 5 * DURATION_HOUR + EVENT_OBJECT_INTERVAL));
        assert_false(event_limit_take(&limit, o, 5 * DURATION_HOUR + EVENT_OBJECT_INTERVAL));
}

static void limit__thousands_of_objects_turn__a_burst_is_told(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        event_writer_set_leader(f.writer, true);
        for (unsigned i = 0; i < 3000; i++) {
                char name[32];
                snprintf(name, sizeof(name), "route-%u", i);
                AUTO(object) *o = route(name, 1, "invalid", "PathInvalid", "d");
                event_writer_turned(f.writer, o);
        }
        assert_int_equal(f.count, EVENT_BURST);
        done(&f);
}

/* ---- Ingresses ---- */

static void put_ingress(struct fixture *f, const char *namespace, const char *host, unsigned version)
{
        AUTO_STR *text = mem_printf(
                "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"web\",\"uid\":\"u-%s\",\"resourceVersion\":\"%u\","
                "\"creationTimestamp\":\"2026-01-0%cT00:00:00Z\",\"annotations\":{\"kubernetes.io/ingress.class\":"
                "\"contour\"}},\"spec\":{\"rules\":[{\"host\":\"%s\",\"http\":{\"paths\":[]}}]}}",
                namespace, namespace, version, namespace[0] == 'a' ? '1' : '2', host);
        put(f->world, KIND_INGRESS, text);
        settle(f->world);
        pass(DURATION_SECOND);
}

static void ingress__host_of_another_namespace__is_told_once_and_when_it_is_over(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        event_writer_set_leader(f.writer, true);
        put_ingress(&f, "a", "shared.example", 1);
        put_ingress(&f, "b", "shared.example", 1);
        assert_int_equal(f.count, 1);
        assert_string_equal(text_of(f.sent[0], "reason"), "FQDNSharedWithIngress");
        assert_string_equal(text_of(f.sent[0], "type"), "Warning");
        assert_string_equal(text_of(json_object_get(f.sent[0], "involvedObject"), "namespace"), "b");
        put_ingress(&f, "b", "shared.example", 2);
        assert_int_equal(f.count, 1);
        put_ingress(&f, "a", "another.example", 2);
        assert_int_equal(f.count, 2);
        assert_string_equal(text_of(f.sent[1], "type"), "Normal");
        done(&f);
}

static void leader__new__tells_what_is_refused_under_the_same_name(void **state)
{
        (void)state;
        struct fixture f;
        init(&f);
        event_writer_set_leader(f.writer, true);
        put_ingress(&f, "a", "shared.example", 1);
        put_ingress(&f, "b", "shared.example", 1);
        event_writer_set_leader(f.writer, false);
        event_writer_set_leader(f.writer, true);
        assert_int_equal(f.count, 2);
        assert_string_equal(name_of(f.sent[0]), name_of(f.sent[1]));
        done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(turned__invalid__warning_with_rule_and_description),
                cmocka_unit_test(turned__valid_again__normal),
                cmocka_unit_test(turned__same_version__same_name__another_version__another),
                cmocka_unit_test(turned__not_the_leader__nothing),
                cmocka_unit_test(message__too_long__is_cut_between_characters),
                cmocka_unit_test(name__longest_object__is_cut_to_a_name_that_ends_well),
                cmocka_unit_test(limit__one_object_flaps__burst_then_one_a_minute),
                cmocka_unit_test(limit__thousands_of_objects_turn__a_burst_is_told),
                cmocka_unit_test(ingress__host_of_another_namespace__is_told_once_and_when_it_is_over),
                cmocka_unit_test(leader__new__tells_what_is_refused_under_the_same_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
