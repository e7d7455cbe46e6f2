/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/ingress_writer.h"

#include "base/json_read.h"
#include "controller/pipeline_fixture.h"

enum { SENT_MAX = 16 };

struct sent {
        const char *key;
        char *name, *body;
};

struct fixture {
        struct world *world;
        struct ingress_writer *writer;
        struct sent sent[SENT_MAX];
        unsigned count;
};

static uint32_t no_random(void)
{
        return 0;
}

static void keep(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg)
{
        struct fixture *f = arg;
        assert_true(f->count < SENT_MAX);
        f->sent[f->count++] = (struct sent){key, mem_printf("%s/%s", namespace, name), mem_strndup(body, n)};
}

static pthread_rwlock_t *watched; /* NULL: not watched */
static unsigned looks_under_lock;

/* Each Ingress that is looked at asks for the time. */
static int64_t watching_monotonic(void)
{
        if (watched && pthread_rwlock_tryrdlock(watched) == 0)
                pthread_rwlock_unlock(watched);
        else if (watched)
                looks_under_lock++;
        return monotonic();
}

static void no_wake(void *arg)
{
        (void)arg;
}

/* address NULL: those of Service edge/envoy. */
static void init(struct fixture *f, const char *address)
{
        *f = (struct fixture){.world = started()};
        f->writer = ingress_writer_new(&(struct ingress_writer_options){
                .pipeline = f->world->pipeline,
                .store = f->world->store,
                .policy = &f->world->policy,
                .address = address,
                .service_namespace = "edge",
                .service_name = address ? NULL : "envoy",
                .monotonic = watching_monotonic,
                .random = no_random,
                .send = keep,
                .wake = no_wake,
                .arg = f,
        });
        ingress_writer_set_leader(f->writer, true);
}

static void done(struct fixture *f)
{
        ingress_writer_free(f->writer);
        world_free(f->world);
        for (unsigned i = 0; i < f->count; i++) {
                mem_free(f->sent[i].name);
                mem_free(f->sent[i].body);
        }
}

static void run(struct fixture *f)
{
        for (int i = 0; i < 10; i++) {
                settle(f->world);
                pass(100 * DURATION_MILLISECOND);
                if (ingress_writer_due(f->writer) <= clock_monotonic)
                        ingress_writer_turn(f->writer);
        }
}

static char *ingress(const char *name, unsigned version, const char *class, const char *status)
{
        return mem_printf("{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":"
                          "\"%u\",\"annotations\":{\"kubernetes.io/ingress.class\":\"%s\"}},\"spec\":{\"rules\":[]}%s}",
                          name, name, version, class, status);
}

static void put_ingress(struct fixture *f, const char *name, unsigned version, const char *class, const char *status)
{
        AUTO_STR *text = ingress(name, version, class, status);
        put(f->world, KIND_INGRESS, text);
        run(f);
}

static void put_service(struct fixture *f, unsigned version, const char *addresses)
{
        AUTO_STR *text = mem_printf("{\"metadata\":{\"namespace\":\"edge\",\"name\":\"envoy\",\"uid\":\"s\","
                                    "\"resourceVersion\":\"%u\"},\"spec\":{},\"status\":{\"loadBalancer\":{%s}}}",
                                    version, addresses);
        put(f->world, KIND_SERVICE, text);
        run(f);
}

static void fixed_address__our_ingress__is_written_once(void **state)
{
        (void)state;
        struct fixture f;
        init(&f, "192.0.2.7");
        put_ingress(&f, "web", 1, "contour", "");
        assert_int_equal(f.count, 1);
        assert_string_equal(f.sent[0].name, "a/web");
        assert_string_equal(f.sent[0].body,
                            "{\"metadata\":{\"uid\":\"u-web\",\"resourceVersion\":\"1\"},\"status\":{\"loadBalancer\":"
                            "{\"ingress\":[{\"ip\":\"192.0.2.7\"}]}}}");
        static const char status[] = ",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.7\"}]}}";
        AUTO_STR *answer = ingress("web", 2, "contour", status);
        ingress_writer_answered(f.writer, f.sent[0].key, 200, 0, answer, strlen(answer));
        put_ingress(&f, "web", 2, "contour", status);
        put_ingress(&f, "web", 3, "contour", status);
        assert_int_equal(f.count, 1);
        assert_int_equal(ingress_writer_in_flight(f.writer), 0);
        done(&f);
}

static void fixed_address__ingress_of_another_class__is_left_alone(void **state)
{
        (void)state;
        struct fixture f;
        init(&f, "edge.example.com");
        put_ingress(&f, "theirs", 1, "nginx", "");
        assert_int_equal(f.count, 0);
        put_ingress(&f, "ours", 1, "contour", "");
        assert_non_null(strstr(f.sent[0].body, "[{\"hostname\":\"edge.example.com\"}]"));
        done(&f);
}

static void service__gets_addresses__they_are_written_and_follow(void **state)
{
        (void)state;
        struct fixture f;
        init(&f, NULL);
        put_ingress(&f, "web", 1, "contour", "");
        put_service(&f, 1, "");
        assert_int_equal(f.count, 0);
        put_service(&f, 2, "\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"lb.example.com\"},{\"ip\":7}]");
        assert_int_equal(f.count, 1);
        assert_non_null(strstr(f.sent[0].body, "[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"lb.example.com\"}]"));
        done(&f);
}

/* There may be very many of them, and the webhook's threads wait. */
static void service__changes__ingresses_are_gone_through_without_the_lock(void **state)
{
        (void)state;
        struct fixture f;
        init(&f, NULL);
        put_ingress(&f, "web", 1, "contour", "");
        put_ingress(&f, "shop", 1, "contour", "");
        watched = &f.world->lock;
        looks_under_lock = 0;
        put_service(&f, 1, "\"ingress\":[{\"ip\":\"192.0.2.1\"}]");
        watched = NULL;
        assert_int_equal(f.count, 2);
        assert_int_equal(looks_under_lock, 0);
        done(&f);
}

static void follower__writes_nothing__until_it_leads(void **state)
{
        (void)state;
        struct fixture f;
        init(&f, "192.0.2.7");
        ingress_writer_set_leader(f.writer, false);
        put_ingress(&f, "web", 1, "contour", "");
        assert_int_equal(f.count, 0);
        ingress_writer_set_leader(f.writer, true);
        run(&f);
        assert_int_equal(f.count, 1);
        done(&f);
}

static void answer__conflict_or_deletion__is_no_failure(void **state)
{
        (void)state;
        struct fixture f;
        init(&f, "192.0.2.7");
        put_ingress(&f, "web", 1, "contour", "");
        ingress_writer_answered(f.writer, f.sent[0].key, 409, 0, "{}", 2);
        put_ingress(&f, "web", 2, "contour", "");
        assert_int_equal(f.count, 2);
        assert_non_null(strstr(f.sent[1].body, "\"resourceVersion\":\"2\""));
        pipeline_remove(f.world->pipeline, KIND_INGRESS, "a", "web", 0);
        run(&f);
        ingress_writer_answered(f.writer, f.sent[1].key, 404, 0, "{}", 2);
        run(&f);
        assert_int_equal(f.count, 2);
        done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fixed_address__our_ingress__is_written_once),
                cmocka_unit_test(fixed_address__ingress_of_another_class__is_left_alone),
                cmocka_unit_test(service__gets_addresses__they_are_written_and_follow),
                cmocka_unit_test(service__changes__ingresses_are_gone_through_without_the_lock),
                cmocka_unit_test(follower__writes_nothing__until_it_leads),
                cmocka_unit_test(answer__conflict_or_deletion__is_no_failure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
