/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include "base/json_read.h"
#include "kube/fake_api.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/ns/leases"

/* A server with one Lease. */
struct world {
        struct event_base *base;
        struct fake_api api;
        struct client *client;
        struct lease *lease;
        char *stored; /* NULL: none */
        int version;
        int conflicts; /* writes to answer with 409 */
        bool leads, led, written, released, refused;
        int code; /* of every answer; 0: served */
};

static void answer_stored(struct world *w, const struct fake_request *r, int code)
{
        struct err e = {0};
        AUTO_JSON *object = json_read(w->stored, strlen(w->stored), &e);
        AUTO_STR *version = mem_printf("%d", w->version);
        json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(version));
        char *text = json_dumps(object, JSON_COMPACT);
        fake_answer(r, code, "", text);
        mem_free(text);
}

static bool carries_version(const struct world *w, const char *body)
{
        AUTO_STR *version = mem_printf("\"resourceVersion\":\"%d\"", w->version);
        return strstr(body, version) != NULL;
}

static void take_write(struct world *w, const struct fake_request *r, int code)
{
        mem_free(w->stored);
        w->stored = mem_strdup(r->body);
        w->version++;
        w->written = true;
        answer_stored(w, r, code);
}

static void serve(struct fake_api *api, const struct fake_request *r)
{
        struct world *w = api->arg;
        if (w->code) {
                fake_answer(r, w->code, "", "{}");
                w->refused = true;
        } else if (str_equal(r->method, "GET")) {
                assert_string_equal(r->target, LEASES "/gatehouse");
                if (w->stored)
                        answer_stored(w, r, 200);
                else
                        fake_answer(r, 404, "", "{\"kind\":\"Status\"}");
        } else if (str_equal(r->method, "POST") && !w->stored) {
                assert_string_equal(r->target, LEASES);
                take_write(w, r, 201);
        } else if (w->conflicts > 0 || !carries_version(w, r->body)) {
                w->conflicts--;
                fake_answer(r, 409, "", "{\"kind\":\"Status\"}");
        } else {
                assert_string_equal(r->method, "PUT");
                take_write(w, r, 200);
        }
}

static void on_change(bool leading, void *arg)
{
        struct world *w = arg;
        w->leads = leading;
        w->led = w->led || leading;
}

static void on_released(void *arg)
{
        struct world *w = arg;
        w->released = true;
}

static struct world *world_new(const char *stored)
{
        struct world *w = mem_zalloc(sizeof(*w));
        w->base = event_base_new();
        w->stored = mem_strdup(stored);
        w->version = 1;
        fake_init(&w->api, w->base, serve, w);
        w->client = fake_client(&w->api);
        struct lease_options options = {
                .namespace = "ns", .name = "gatehouse", .identity = "me", .on_change = on_change, .arg = w};
        w->lease = lease_new(w->base, w->client, &options);
        return w;
}

static void world_free(struct world *w)
{
        lease_free(w->lease);
        client_free(w->client);
        fake_done(&w->api);
        event_base_free(w->base);
        mem_free(w->stored);
        mem_free(w);
}

static void release(struct world *w)
{
        lease_release(w->lease, on_released, w);
        assert_false(w->released);
        fake_wait(w->base, &w->released, "the release");
}

#define HELD_BY(holder)                                                                                                \
        "{\"metadata\":{\"name\":\"gatehouse\"},\"spec\":{\"holderIdentity\":\"" holder                                \
        "\",\"leaseTransitions\":4,\"renewTime\":\"2026-01-01T00:00:00.000000Z\"}}"

static void lease__none_there__is_created_then_given_back(void **state)
{
        (void)state;
        struct world *w = world_new(NULL);
        fake_wait(w->base, &w->leads, "leading");
        assert_true(lease_is_leader(w->lease));
        assert_non_null(strstr(w->stored, "\"holderIdentity\":\"me\""));
        assert_non_null(strstr(w->stored, "\"leaseDurationSeconds\":15"));
        struct err e = {0};
        AUTO_JSON *body = json_read(w->stored, strlen(w->stored), &e);
        const char *renewed = json_string_value(json_object_get(json_object_get(body, "spec"), "renewTime"));
        assert_non_null(renewed);
        assert_int_equal(strlen(renewed), strlen("2026-01-01T00:00:00.000000Z")); /* MicroTime */
        release(w);
        assert_non_null(strstr(w->stored, "\"holderIdentity\":\"\""));
        assert_false(lease_is_leader(w->lease));
        world_free(w);
}

static void lease__given_back_by_another__is_taken_and_the_transition_counted(void **state)
{
        (void)state;
        struct world *w = world_new(HELD_BY(""));
        fake_wait(w->base, &w->leads, "leading");
        assert_non_null(strstr(w->stored, "\"leaseTransitions\":5"));
        world_free(w);
}

static void lease__write_meets_a_conflict__is_tried_again(void **state)
{
        (void)state;
        struct world *w = world_new(HELD_BY(""));
        w->conflicts = 1;
        fake_wait(w->base, &w->leads, "leading");
        assert_int_equal(w->conflicts, 0);
        world_free(w);
}

static void lease__held_by_another__is_left_alone_also_on_release(void **state)
{
        (void)state;
        struct world *w = world_new(HELD_BY("other"));
        while (w->api.requests < 2)
                event_base_loop(w->base, EVLOOP_ONCE);
        release(w);
        assert_false(w->written);
        assert_false(w->led);
        world_free(w);
}

static void lease__taken_by_another_meanwhile__is_lost_and_not_given_away(void **state)
{
        (void)state;
        struct world *w = world_new(NULL);
        fake_wait(w->base, &w->leads, "leading");
        mem_free(w->stored);
        w->stored = mem_strdup(HELD_BY("other"));
        w->version++;
        int64_t end = time_monotonic() + FAKE_PATIENCE_SECONDS * DURATION_SECOND;
        while (w->leads && time_monotonic() < end)
                event_base_loop(w->base, EVLOOP_ONCE);
        assert_false(w->leads);
        release(w);
        assert_non_null(strstr(w->stored, "\"other\""));
        world_free(w);
}

static void lease__server_refuses__nobody_leads_and_release_still_ends(void **state)
{
        (void)state;
        struct world *w = world_new(NULL);
        w->code = 403;
        fake_wait(w->base, &w->refused, "a refusal");
        release(w);
        assert_false(w->led);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lease__none_there__is_created_then_given_back),
                cmocka_unit_test(lease__given_back_by_another__is_taken_and_the_transition_counted),
                cmocka_unit_test(lease__write_meets_a_conflict__is_tried_again),
                cmocka_unit_test(lease__held_by_another__is_left_alone_also_on_release),
                cmocka_unit_test(lease__taken_by_another_meanwhile__is_lost_and_not_given_away),
                cmocka_unit_test(lease__server_refuses__nobody_leads_and_release_still_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
