/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/json_read.h"
#include "cmd/commands.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { ARGUMENTS_MAX = 16 };

/* A folder of manifests, and what lint says about it. */
struct fixture {
        char dir[32];
        char *out, *errors;
        int code;
};

static char *path_in(const struct fixture *f, const char *name)
{
        return mem_printf("%s/%s", f->dir, name);
}

static void fixture_init(struct fixture *f)
{
        *f = (struct fixture){.dir = "/tmp/lint-test-XXXXXX"};
        assert_non_null(mkdtemp(f->dir));
}

static void fixture_done(struct fixture *f)
{
        mem_free(f->out);
        mem_free(f->errors);
        AUTO_STR *command = mem_printf("rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static void write_manifest(const struct fixture *f, const char *name, const char *text)
{
        AUTO_STR *path = path_in(f, name);
        AUTO_STR *dir = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
        struct err e = {0};
        if (!file_make_dirs(dir, &e) || !file_write(path, text, strlen(text), 0600, &e))
                fail_msg("%s", e.text);
}

/* Redirects fd to a file in the folder; what it was before comes back. */
static int redirect(const struct fixture *f, int fd, const char *name)
{
        AUTO_STR *path = path_in(f, name);
        int saved = dup(fd);
        int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(saved >= 0 && file >= 0);
        dup2(file, fd);
        close(file);
        return saved;
}

static char *restore(const struct fixture *f, int fd, int saved, const char *name)
{
        AUTO_STR *path = path_in(f, name);
        fflush(NULL);
        dup2(saved, fd);
        close(saved);
        AUTO(buf) *text = file_read(path, 1 << 20, NULL);
        assert_non_null(text);
        return mem_strdup(buf_data(text));
}

static const char *no_environment(const char *name)
{
        (void)name;
        return NULL;
}

/* Runs lint with these arguments, ended by NULL; "%" stands for the folder. */
static void run(struct fixture *f, ...)
{
        char *argv[ARGUMENTS_MAX];
        int argc = 0;
        va_list ap;
        va_start(ap, f);
        for (const char *a; (a = va_arg(ap, const char *)) != NULL;) {
                assert_true(argc < ARGUMENTS_MAX);
                argv[argc++] = a[0] == '%' ? mem_printf("%s%s", f->dir, a + 1) : mem_strdup(a);
        }
        va_end(ap);
        struct err e = {0};
        AUTO(options) *o = options_parse(COMMAND_LINT, argc, argv, no_environment, &e);
        if (!o)
                fail_msg("%s", e.text);
        fflush(NULL);
        int out = redirect(f, STDOUT_FILENO, ".out");
        int errors = redirect(f, STDERR_FILENO, ".err");
        f->code = lint_run(o);
        mem_free(f->out);
        mem_free(f->errors);
        f->out = restore(f, STDOUT_FILENO, out, ".out");
        f->errors = restore(f, STDERR_FILENO, errors, ".err");
        for (int i = 0; i < argc; i++)
                mem_free(argv[i]);
}

static void assert_says(const char *text, const char *needle)
{
        if (!strstr(text, needle))
                fail_msg("expected \"%s\" in:\n%s", needle, text);
}

#define HEAD "apiVersion: contour.heptio.com/v1beta1\nkind: IngressRoute\n"
#define SERVICE "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: a}\nspec: {ports: [{port: 80}]}\n"
#define SITE(name, host)                                                                                               \
        HEAD "metadata: {name: " name ", namespace: a}\nspec:\n  virtualhost: {fqdn: " host "}\n  routes:\n"           \
             "  - {match: /, services: [{name: web, port: 80}]}\n"

static void lint__valid_manifests__says_nothing_and_ends_with_0(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "site.yaml", SITE("site", "a.example") "---\n" SERVICE);
        run(&f, "%", NULL);
        assert_string_equal(f.out, "");
        assert_string_equal(f.errors, "");
        assert_int_equal(f.code, 0);
        fixture_done(&f);
}

static void lint__missing_reference__is_a_warning_and_with_partial_a_notice(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "site.yaml", SITE("site", "a.example"));
        run(&f, "%", NULL);
        assert_says(f.out, "/site.yaml:1: IngressRoute a/site: spec.routes[0].services[0].name: ");
        assert_says(f.out, "[ServiceNotFound]\n");
        assert_says(f.errors, "0 errors, 1 warning, 0 notices");
        assert_int_equal(f.code, 1);
        run(&f, "--partial", "%", NULL);
        assert_says(f.errors, "0 errors, 0 warnings, 1 notice");
        assert_int_equal(f.code, 0);
        run(&f, "--strict-references", "%", NULL);
        assert_says(f.errors, "1 error, 0 warnings, 0 notices");
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

static void lint__error__names_file_and_line_and_ends_with_1(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "all.yaml", SERVICE "---\n" SITE("good", "a.example") "---\n" SITE("bad", "\"*.example\""));
        run(&f, "%/all.yaml", NULL);
        assert_says(f.out, "/all.yaml:14: IngressRoute a/bad: spec.virtualhost.fqdn: ");
        assert_says(f.out, "[FQDNInvalid]\n");
        assert_null(strstr(f.out, "a/good"));
        assert_says(f.errors, "1 error, 0 warnings, 0 notices");
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

static void lint__two_claim_a_host__the_later_one_loses(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "1.yaml", SERVICE "---\n" SITE("zebra", "a.example"));
        write_manifest(&f, "2.yaml", SITE("ant", "a.example"));
        run(&f, "%", NULL);
        assert_says(f.out, "/2.yaml:1: IngressRoute a/ant: spec.virtualhost.fqdn: ");
        assert_says(f.out, "owned by IngressRoute a/zebra");
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

static void lint__list_of_items__has_their_lines(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(
                &f, "list.yaml",
                "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: x}\n"
                "- apiVersion: contour.heptio.com/v1beta1\n  kind: IngressRoute\n  metadata: {name: empty}\n"
                "  spec: {virtualhost: {fqdn: a.example}}\n");
        run(&f, "-n", "team", "%", NULL);
        assert_says(f.out, "/list.yaml:7: IngressRoute team/empty: ");
        assert_says(f.out, "[RootEmpty]");
        write_manifest(&f, "list.yaml",
                       "kind: IngressRouteList\napiVersion: contour.heptio.com/v1beta1\nitems:\n"
                       "- {metadata: {name: empty}, spec: {virtualhost: {fqdn: a.example}}}\n");
        run(&f, "%", NULL);
        assert_says(f.out, "/list.yaml:4: IngressRoute default/empty: ");
        fixture_done(&f);
}

static void lint__json_output__holds_every_finding(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(
                &f, "site.json",
                "{\"apiVersion\":\"contour.heptio.com/v1beta1\",\"kind\":\"IngressRoute\",\n\"metadata\":{\"name\":"
                "\"site\"},\"spec\":{\"virtualhost\":{\"fqdn\":\"a.example\"},\"rutes\":[],\"routes\":[{\"match\":"
                "\"x\\\"\"}]}}");
        run(&f, "-o", "json", "%", NULL);
        AUTO_JSON *json = json_read(f.out, strlen(f.out), NULL);
        const json_t *findings = json_object_get(json, "findings");
        assert_int_equal(json_array_size(findings), 3);
        size_t i;
        json_t *item;
        unsigned errors = 0;
        json_array_foreach (findings, i, item) {
                static const char *const fields[] = {"rule", "field", "message", "severity"};
                for (size_t k = 0; k < COUNT_OF(fields); k++)
                        assert_true(json_is_string(json_object_get(item, fields[k])));
                assert_string_equal(json_string_value(json_object_get(item, "kind")), "IngressRoute");
                assert_string_equal(json_string_value(json_object_get(item, "namespace")), "default");
                assert_string_equal(json_string_value(json_object_get(item, "name")), "site");
                assert_int_equal(json_integer_value(json_object_get(item, "line")), 1);
                assert_true(str_has_suffix(json_string_value(json_object_get(item, "file")), "/site.json"));
                errors += str_equal(json_string_value(json_object_get(item, "severity")), "error");
        }
        assert_int_equal(errors, 2); /* PathInvalid, RouteActionMissing; UnknownField is a warning */
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

static void lint__nothing_found__json_is_an_empty_list(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "empty.yaml", "");
        run(&f, "-o", "json", "%", NULL);
        assert_string_equal(f.out, "{\"findings\":[]}\n");
        assert_int_equal(f.code, 0);
        fixture_done(&f);
}

static void lint__folders__are_read_below_in_order_of_names(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "b/z.yml", SITE("second", "a.example"));
        write_manifest(&f, "a/deeper/x.yaml", SITE("first", "a.example"));
        write_manifest(&f, "b/notes.txt", "no: [manifest");
        write_manifest(&f, ".hidden/x.yaml", "no: [manifest");
        run(&f, "%", NULL);
        assert_says(f.out, "IngressRoute a/second: spec.virtualhost.fqdn: ");
        assert_string_equal(f.errors, "1 error, 2 warnings, 0 notices\n");
        fixture_done(&f);
}

static void lint__folder_without_manifests__is_said_and_ends_with_1(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "notes.txt", "no: [manifest");
        run(&f, "%", NULL);
        assert_says(f.errors, ": there is no manifest in it (.yaml, .yml, .json)");
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

static void lint__what_cannot_be_read__is_said_and_ends_with_1(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "1.yaml", SITE("site", "a.example") "---\nx: [\n");
        run(&f, "%", NULL);
        assert_says(f.errors, "/1.yaml: line ");
        assert_says(f.out, "a/site");
        assert_int_equal(f.code, 1);
        run(&f, "%/missing.yaml", NULL);
        assert_says(f.errors, "missing.yaml");
        assert_int_equal(f.code, 1);
        write_manifest(&f, "1.yaml", "hello: world\n---\n" HEAD "metadata: {}\n");
        run(&f, "%", NULL);
        assert_says(f.errors, "/1.yaml:1: no Kubernetes object");
        assert_says(f.errors, "/1.yaml:3: IngressRoute: ");
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

static void lint__object_given_twice__last_one_counts_and_it_is_said(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        write_manifest(&f, "1.yaml", SERVICE "---\n" SITE("site", "BAD_HOST") "---\n" SITE("site", "a.example"));
        run(&f, "%", NULL);
        assert_string_equal(f.out, "");
        assert_says(f.errors, "is given again");
        assert_int_equal(f.code, 1);
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lint__valid_manifests__says_nothing_and_ends_with_0),
                cmocka_unit_test(lint__missing_reference__is_a_warning_and_with_partial_a_notice),
                cmocka_unit_test(lint__error__names_file_and_line_and_ends_with_1),
                cmocka_unit_test(lint__two_claim_a_host__the_later_one_loses),
                cmocka_unit_test(lint__list_of_items__has_their_lines),
                cmocka_unit_test(lint__json_output__holds_every_finding),
                cmocka_unit_test(lint__nothing_found__json_is_an_empty_list),
                cmocka_unit_test(lint__folders__are_read_below_in_order_of_names),
                cmocka_unit_test(lint__folder_without_manifests__is_said_and_ends_with_1),
                cmocka_unit_test(lint__what_cannot_be_read__is_said_and_ends_with_1),
                cmocka_unit_test(lint__object_given_twice__last_one_counts_and_it_is_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
