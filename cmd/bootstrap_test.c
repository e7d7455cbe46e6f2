/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/json_read.h"
#include "cmd/bootstrap_config.h"
#include "cmd/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { FILE_MAX = 64 * 1024, WORDS_MAX = 24 };

/* A folder with what certgen would have put there; nobody looks into the files. */
struct fixture {
        char dir[40];
        struct err e;
};

static char *path_in(const struct fixture *f, const char *name)
{
        return file_join(f->dir, name);
}

static void fixture_init(struct fixture *f)
{
        *f = (struct fixture){.dir = "/tmp/bootstrap-test-XXXXXX"};
        assert_non_null(mkdtemp(f->dir));
        static const char *const names[] = {"ca.crt", "tls.crt", "tls.key"};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                AUTO_STR *path = path_in(f, names[i]);
                assert_true(file_write(path, "", 0, 0600, NULL));
        }
}

static void fixture_done(struct fixture *f)
{
        AUTO_STR *command = mem_printf("rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static const char *no_environment(const char *name)
{
        (void)name;
        return NULL;
}

/* Options from words, in which @ stands for the fixture's folder; NULL with f->e when they are refused. */
static struct options *parse(struct fixture *f, const char *line)
{
        char *words[WORDS_MAX];
        size_t count = 0;
        AUTO_STR *copy = mem_strdup(line);
        for (char *rest = copy, *word; (word = strtok_r(NULL, " ", &rest)) != NULL;) {
                assert_true(count < WORDS_MAX);
                char *at = strchr(word, '@');
                words[count++] = at ? mem_printf("%.*s%s%s", (int)(at - word), word, f->dir, at + 1) : mem_strdup(word);
        }
        f->e = (struct err){0};
        struct options *o = options_parse(COMMAND_BOOTSTRAP, (int)count, words, no_environment, &f->e);
        while (count)
                mem_free(words[--count]);
        return o;
}

static int run(struct fixture *f, const char *line)
{
        AUTO(options) *o = parse(f, line);
        if (!o)
                fail_msg("%s", f->e.text);
        return bootstrap_run(o);
}

static void assert_refused(struct fixture *f, const char *line, const char *why)
{
        AUTO(options) *o = parse(f, line);
        if (o || !strstr(f->e.text, why))
                fail_msg("%s: %s", line, o ? "accepted" : f->e.text);
}

static json_t *read_json(const struct fixture *f, const char *name)
{
        AUTO_STR *path = path_in(f, name);
        struct err e = {0};
        AUTO(buf) *text = file_read(path, FILE_MAX, &e);
        json_t *value = text ? json_read(buf_data(text), buf_len(text), &e) : NULL;
        if (!value)
                fail_msg("%s: %s", name, e.text);
        return value;
}

static json_t *cluster(const json_t *config, size_t i)
{
        return json_array_get(json_object_get(json_object_get(config, "static_resources"), "clusters"), i);
}

/* ---- what is written ---- */

static void assert_golden(const char *name, const struct buf *text)
{
        AUTO_STR *path = mem_printf("cmd/testdata/%s", name);
        if (getenv("GATEHOUSE_GOLDEN_UPDATE"))
                assert_true(file_write(path, buf_data(text), buf_len(text), 0644, NULL));
        struct err e = {0};
        AUTO(buf) *expected = file_read(path, FILE_MAX, &e);
        if (!expected)
                fail_msg("%s (GATEHOUSE_GOLDEN_UPDATE=1 writes it)", e.text);
        assert_string_equal(buf_data(text), buf_data(expected));
}

static const struct xds_client_options in_cluster = {
        .address = "gatehouse-xds.gatehouse-system",
        .port = 8001,
        .server_name = "gatehouse",
        .ca_file = "/certs/ca.crt",
        .cert_file = "/certs/tls.crt",
        .key_file = "/certs/tls.key",
};

static const struct bootstrap_options everything = {
        .resources_dir = "/config",
        .node_id = "envoy-x7k2p",
        .node_cluster = "gatehouse",
        .max_connections = 50000,
        .max_heap = 1 << 30,
};

static void config__everything_given__is_as_reviewed(void **state)
{
        (void)state;
        AUTO(buf) *config = bootstrap_config(&everything, &in_cluster, "/admin/admin.sock");
        assert_golden("bootstrap.json", config);
        AUTO(buf) *pair = bootstrap_pair(&in_cluster);
        assert_golden("bootstrap-xds-certificate.json", pair);
        AUTO(buf) *ca = bootstrap_ca(&in_cluster);
        assert_golden("bootstrap-xds-ca.json", ca);
}

static void config__strange_characters__stay_inside_their_strings(void **state)
{
        (void)state;
        static const char strange[] = "a\"b\\c'd$e\n";
        struct bootstrap_options b = everything;
        b.node_id = strange;
        AUTO(buf) *config = bootstrap_config(&b, &in_cluster, "/admin/admin.sock");
        AUTO_JSON *value = json_read(buf_data(config), buf_len(config), NULL);
        assert_string_equal(json_string_value(json_object_get(json_object_get(value, "node"), "id")), strange);
}

static void run__with_certificates__writes_three_files(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        assert_int_equal(run(&f, "@/envoy.json --resources-dir @/new/sds --envoy-cafile @/ca.crt "
                                 "--envoy-cert-file @/tls.crt --envoy-key-file @/tls.key"),
                         0);
        AUTO_JSON *config = read_json(&f, "envoy.json");
        assert_non_null(json_object_get(cluster(config, 0), "transport_socket"));
        json_decref(read_json(&f, "new/sds/xds-certificate.json"));
        AUTO_JSON *ca = read_json(&f, "new/sds/xds-ca.json");
        const char *path = NULL;
        assert_int_equal(json_unpack(ca, "{s:[{s:{s:{s:s}}}]}", "resources", "validation_context", "watched_directory",
                                     "path", &path),
                         0);
        assert_string_equal(path, f.dir);
        AUTO_STR *file = path_in(&f, "envoy.json");
        struct stat st;
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        fixture_done(&f);
}

static void run__without_resources_dir__the_folder_of_the_file_is_it(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        assert_int_equal(
                run(&f, "@/envoy.json --xds-cafile @/ca.crt --xds-cert-file @/tls.crt --xds-key-file @/tls.key"), 0);
        json_decref(read_json(&f, "xds-certificate.json"));
        json_decref(read_json(&f, "xds-ca.json"));
        fixture_done(&f);
}

static void run__relative_paths__are_absolute_for_envoy(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        char before[4096];
        assert_true(getcwd(before, sizeof(before)) && chdir(f.dir) == 0);
        int code = run(&f, "envoy.json --xds-cafile ca.crt --xds-cert-file tls.crt --xds-key-file tls.key");
        assert_int_equal(chdir(before), 0);
        assert_int_equal(code, 0);
        AUTO_JSON *pair = read_json(&f, "xds-certificate.json");
        const char *path = NULL;
        assert_int_equal(json_unpack(pair, "{s:[{s:{s:{s:s}}}]}", "resources", "tls_certificate", "private_key",
                                     "filename", &path),
                         0);
        AUTO_STR *expected = path_in(&f, "tls.key");
        assert_string_equal(path, expected);
        fixture_done(&f);
}

static void run__insecure__has_no_tls_and_no_other_file(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        assert_int_equal(run(&f, "@/envoy.json --insecure"), 0);
        AUTO_JSON *config = read_json(&f, "envoy.json");
        assert_null(json_object_get(cluster(config, 0), "transport_socket"));
        assert_string_equal(json_string_value(json_object_get(cluster(config, 0), "type")), "STATIC");
        AUTO_STR *pair = path_in(&f, "xds-certificate.json");
        assert_int_not_equal(access(pair, F_OK), 0);
        fixture_done(&f);
}

static void run__certificate_missing__fails_and_writes_nothing(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        assert_int_equal(
                run(&f, "@/envoy.json --xds-cafile @/no.crt --xds-cert-file @/tls.crt --xds-key-file @/tls.key"), 1);
        AUTO_STR *file = path_in(&f, "envoy.json");
        assert_int_not_equal(access(file, F_OK), 0);
        fixture_done(&f);
}

/* ---- options ---- */

static void options__that_cannot_work__are_refused_with_what_to_do(void **state)
{
        (void)state;
        struct fixture f = {.dir = "/d"};
        static const char *const cases[][2] = {
                {"", "needs one FILE"},
                {"a b --insecure", "needs one FILE"},
                {"a", "gatehouse certgen"},
                {"a --xds-cafile @/ca.crt", "--xds-cert-file"},
                {"a --insecure --xds-cafile @/ca.crt", "exclude each other"},
                {"a --insecure --xds-address 192.0.2.1", "loopback"},
                {"a --insecure --xds-address gatehouse-xds", "loopback"},
                {"- --xds-cafile @/ca.crt --xds-cert-file @/tls.crt --xds-key-file @/tls.key", "--resources-dir"},
                {"a --insecure --admin-address admin.sock", "absolute"},
                {"a --insecure --admin-address 127.0.0.1:9001", "absolute"},
                {"a --insecure --overload-max-connections 0", "at least 1"},
                {"a --insecure --overload-max-heap 1Gi", "digits only"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++)
                assert_refused(&f, cases[i][0], cases[i][1]);
}

static void options__socket_path_too_long__is_refused(void **state)
{
        (void)state;
        struct fixture f = {.dir = "/d"};
        char name[108 + 1];
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        name[0] = '/';
        AUTO_STR *line = mem_printf("a --insecure --admin-address %s", name);
        assert_refused(&f, line, "107 bytes");
        name[sizeof(name) - 2] = '\0';
        AUTO_STR *shorter = mem_printf("a --insecure --admin-address %s", name);
        AUTO(options) *o = parse(&f, shorter);
        assert_non_null(o);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(config__everything_given__is_as_reviewed),
                cmocka_unit_test(config__strange_characters__stay_inside_their_strings),
                cmocka_unit_test(run__with_certificates__writes_three_files),
                cmocka_unit_test(run__without_resources_dir__the_folder_of_the_file_is_it),
                cmocka_unit_test(run__relative_paths__are_absolute_for_envoy),
                cmocka_unit_test(run__insecure__has_no_tls_and_no_other_file),
                cmocka_unit_test(run__certificate_missing__fails_and_writes_nothing),
                cmocka_unit_test(options__that_cannot_work__are_refused_with_what_to_do),
                cmocka_unit_test(options__socket_path_too_long__is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
