/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/discovery.h"

#include "kube/fake_api.h"

static const struct discovery_candidate slices[] = {
        {"discovery.k8s.io/v1", "endpointslices"},
        {"discovery.k8s.io/v1beta1", "endpointslices"},
        {"v1", "endpoints"},
};

/* What the server offers, by path; others are 404. */
struct offer {
        const char *path;
        int code;
        const char *body;
};

struct world {
        const struct offer *offers;
        size_t count;
        bool done;
        struct discovery_result result;
};

static void serve(struct fake_api *api, const struct fake_request *r)
{
        const struct world *w = api->arg;
        for (size_t i = 0; i < w->count; i++) {
                if (str_equal(w->offers[i].path, r->target)) {
                        fake_answer(r, w->offers[i].code, "", w->offers[i].body);
                        return;
                }
        }
        fake_answer(r, 404, "", "{\"kind\":\"Status\"}");
}

static void on_done(const struct discovery_result *result, void *arg)
{
        struct world *w = arg;
        w->done = true;
        w->result = *result;
}

static struct discovery_result ask(const struct offer *offers, size_t n)
{
        struct world w = {.offers = offers, .count = n};
        struct event_base *base = event_base_new();
        struct fake_api api;
        fake_init(&api, base, serve, &w);
        struct client *client = fake_client(&api);
        discovery_ask(client, slices, COUNT_OF(slices), on_done, &w);
        fake_wait(base, &w.done, "the result");
        client_free(client);
        fake_done(&api);
        event_base_free(base);
        return w.result;
}

#define RESOURCES(names)                                                                                               \
        "{\"kind\":\"APIResourceList\",\"resources\":["                                                                \
        "{\"name\":\"other\"},{\"name\":3}," names "]}"

static void discovery__several_are_offered__best_is_found(void **state)
{
        (void)state;
        static const struct offer offers[] = {
                {"/apis/discovery.k8s.io/v1beta1", 200, RESOURCES("{\"name\":\"endpointslices\"}")},
                {"/apis/discovery.k8s.io/v1", 200,
                 RESOURCES("{\"name\":\"endpointslices\"},{\"name\":\"endpointslices/status\"}")},
        };
        struct discovery_result r = ask(offers, COUNT_OF(offers));
        assert_true(r.answered && r.found == 0 && r.has_status);
        r = ask(offers, 1);
        assert_true(r.answered && r.found == 1 && !r.has_status);
}

static void discovery__group_is_there_without_the_resource__next_is_asked(void **state)
{
        (void)state;
        static const struct offer offers[] = {
                {"/apis/discovery.k8s.io/v1", 200, RESOURCES("{\"name\":\"endpointslices2\"}")},
                {"/api/v1", 200, RESOURCES("{\"name\":\"endpoints\"}")},
        };
        struct discovery_result r = ask(offers, COUNT_OF(offers));
        assert_true(r.answered && r.found == 2);
}

static void discovery__nothing_is_offered__is_an_answer(void **state)
{
        (void)state;
        struct discovery_result r = ask(NULL, 0);
        assert_true(r.answered);
        assert_int_equal(r.found, -1);
}

/* Else a hiccup would choose an older version, or none, for good. */
static void discovery__server_cannot_say__is_no_answer(void **state)
{
        (void)state;
        static const struct offer failures[] = {
                {"/apis/discovery.k8s.io/v1", 503, "{}"},
                {"/apis/discovery.k8s.io/v1", 403, "{}"},
                {"/apis/discovery.k8s.io/v1", 200, "<html>"},
                {"/apis/discovery.k8s.io/v1", 200, "{}"},
        };
        for (size_t i = 0; i < COUNT_OF(failures); i++) {
                struct offer offers[] = {failures[i], {"/api/v1", 200, RESOURCES("{\"name\":\"endpoints\"}")}};
                struct discovery_result r = ask(offers, COUNT_OF(offers));
                assert_false(r.answered);
                assert_true(r.error.text[0] != '\0');
        }
}

static void discovery_path__core_and_groups(void **state)
{
        (void)state;
        AUTO_STR *group = discovery_path(&slices[0]), *core = discovery_path(&slices[2]);
        assert_string_equal(group, "/apis/discovery.k8s.io/v1/endpointslices");
        assert_string_equal(core, "/api/v1/endpoints");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(discovery__several_are_offered__best_is_found),
                cmocka_unit_test(discovery__group_is_there_without_the_resource__next_is_asked),
                cmocka_unit_test(discovery__nothing_is_offered__is_an_answer),
                cmocka_unit_test(discovery__server_cannot_say__is_no_answer),
                cmocka_unit_test(discovery_path__core_and_groups),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
