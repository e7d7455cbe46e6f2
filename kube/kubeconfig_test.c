/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* A whole kubeconfig around one cluster and one user. */
#define CONFIG(cluster, user)                                                                                          \
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"                                                        \
        "contexts:\n"                                                                                                  \
        "- {name: elsewhere, context: {cluster: none, user: nobody}}\n"                                                \
        "- {name: here, context: {cluster: c, user: u, namespace: team}}\n"                                            \
        "clusters:\n- name: c\n  cluster: {" cluster "}\n"                                                             \
        "users:\n- name: u\n  user: {" user "}\n"
#define SERVER "server: 'https://api.example:6443/'"

static struct kubeconfig *parse(const char *yaml, struct err *e)
{
        return kubeconfig_parse(yaml, strlen(yaml), "/etc/kube", e);
}

static struct kubeconfig *parse_ok(const char *yaml)
{
        struct err e = {0};
        struct kubeconfig *k = parse(yaml, &e);
        if (!k)
                fail_msg("%s", e.text);
        return k;
}

static void assert_bytes(const struct kube_material *m, const char *bytes)
{
        struct err e = {0};
        AUTO(buf) *b = kube_material_read(m, &e);
        assert_non_null(b);
        assert_string_equal(buf_data(b), bytes);
}

static void kubeconfig__current_context__names_server_user_and_namespace(void **state)
{
        (void)state;
        AUTO(kubeconfig) *k = parse_ok(CONFIG(SERVER ", tls-server-name: api", "token: abc"));
        assert_string_equal(k->server, "https://api.example:6443");
        assert_string_equal(k->tls_server_name, "api");
        assert_string_equal(k->namespace, "team");
        assert_false(k->insecure);
        assert_bytes(&k->token, "abc");
        assert_false(kube_material_given(&k->authority));
        struct err e = {0};
        assert_null(kube_material_read(&k->authority, &e));
}

static void kubeconfig__data_and_files__both_are_materials(void **state)
{
        (void)state;
        AUTO(kubeconfig) *k =
                parse_ok(CONFIG(SERVER ", certificate-authority-data: Y2E=, certificate-authority: no.crt",
                                "client-certificate: my.crt, client-key: /keys/my.key"));
        assert_bytes(&k->authority, "ca");
        assert_null(k->authority.path);
        assert_string_equal(k->certificate.path, "/etc/kube/my.crt");
        assert_string_equal(k->key.path, "/keys/my.key");
}

static void kubeconfig__base64_in_lines__is_joined(void **state)
{
        (void)state;
        AUTO(kubeconfig) *k = parse_ok("current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n"
                                       "clusters:\n- name: c\n  cluster:\n    server: https://a\n"
                                       "    certificate-authority-data: |\n      Y2Vy\n      dGlm\n      aWNhdGU=\n");
        assert_bytes(&k->authority, "certificate");
}

static void kubeconfig__token_file__wins_over_token(void **state)
{
        (void)state;
        AUTO(kubeconfig) *k = parse_ok(CONFIG(SERVER, "token: abc, tokenFile: tokens/a"));
        assert_string_equal(k->token.path, "/etc/kube/tokens/a");
        assert_null(k->token.bytes);
}

static void kubeconfig__null_instead_of_a_plugin__is_nothing(void **state)
{
        (void)state;
        AUTO(kubeconfig) *k = parse_ok(CONFIG(SERVER ", insecure-skip-tls-verify: true", "token: abc, exec: null"));
        assert_true(k->insecure);
}

static void kubeconfig__what_cannot_be_followed__is_refused_by_name(void **state)
{
        (void)state;
        static const struct {
                const char *yaml, *why;
        } cases[] = {
                {CONFIG(SERVER, "exec: {command: aws}"), "\"exec\", which is not supported"},
                {CONFIG(SERVER, "auth-provider: {name: gcp}"), "\"auth-provider\", which is not supported"},
                {CONFIG(SERVER, "username: a, password: b"), "\"username\""},
                {CONFIG(SERVER, "token: a, as: admin"), "\"as\""},
                {CONFIG(SERVER ", proxy-url: 'http://p'", "token: a"), "\"proxy-url\""},
                {CONFIG("server: api.example", "token: a"), "https:// or http://"},
                {CONFIG("insecure-skip-tls-verify: true", "token: a"), "https:// or http://"},
                {CONFIG(SERVER ", certificate-authority-data: '&&&&'", "token: a"),
                 "certificate-authority-data is no base64"},
                {CONFIG(SERVER ", certificate-authority-data: YQ=", "token: a"), "no base64"},
                {CONFIG(SERVER ", certificate-authority: ca, insecure-skip-tls-verify: true", "token: a"), "both"},
                {CONFIG(SERVER, "client-certificate-data: YQ=="), "only one of"},
                {CONFIG(SERVER, "client-key: k"), "only one of"},
                {"contexts: []\n", "no current-context"},
                {"", "no current-context"},
                {"[]", "no current-context"},
                {"current-context: x\ncontexts: [{name: y, context: {}}]\n", "no context \"x\""},
                {"current-context: x\ncontexts: [{name: x, context: {}}]\nclusters: [{cluster: {server: "
                 "'https://a'}}]\n",
                 "no cluster \"\""},
                {"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                 "clusters: [{name: c, cluster: {server: 'https://a'}}]\nusers: {}\n",
                 "no user \"u\""},
                {"current-context: {", "line 2: "},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct err e = {0};
                struct kubeconfig *k = parse(cases[i].yaml, &e);
                if (k || !strstr(e.text, cases[i].why))
                        fail_msg("case %zu: expected \"%s\", got \"%s\"", i, cases[i].why, k ? "no error" : e.text);
        }
}

static void kubeconfig__errors__never_hold_the_secret(void **state)
{
        (void)state;
        static const char *const yamls[] = {
                CONFIG(SERVER, "token: geheim, exec: {env: geheim}"),
                CONFIG(SERVER, "client-key-data: geheim1"),
                CONFIG(SERVER, "token: geheim, client-key-data: '%geheim'"),
        };
        for (size_t i = 0; i < COUNT_OF(yamls); i++) {
                struct err e = {0};
                assert_null(parse(yamls[i], &e));
                assert_null(strstr(e.text, "geheim"));
        }
}

static void kubeconfig_load__relative_paths__start_from_the_files_folder(void **state)
{
        (void)state;
        char dir[] = "/tmp/gatehouse-kubeconfig-XXXXXX";
        assert_non_null(mkdtemp(dir));
        struct err e = {0};
        AUTO_STR *path = file_join(dir, "config"), *ca = file_join(dir, "ca.crt");
        static const char yaml[] = CONFIG(SERVER ", certificate-authority: ca.crt", "token: a");
        assert_true(file_write(path, yaml, strlen(yaml), 0600, &e));
        assert_true(file_write(ca, "PEM", 3, 0600, &e));
        AUTO(kubeconfig) *k = kubeconfig_load(path, &e);
        assert_non_null(k);
        assert_bytes(&k->authority, "PEM");
        unlink(path);
        unlink(ca);
        assert_null(kubeconfig_load(path, &e));
        assert_non_null(strstr(e.text, path));
        rmdir(dir);
}

static void kubeconfig_in_cluster__service_account__is_read_again_from_its_files(void **state)
{
        (void)state;
        char dir[] = "/tmp/gatehouse-in-cluster-XXXXXX";
        assert_non_null(mkdtemp(dir));
        struct err e = {0};
        AUTO_STR *token = file_join(dir, "token"), *namespace = file_join(dir, "namespace"),
                 *ca = file_join(dir, "ca.crt");
        assert_null(kubeconfig_in_cluster("10.0.0.1", "443", dir, &e));
        assert_non_null(strstr(e.text, token));
        assert_true(file_write(token, "abc", 3, 0600, &e));
        assert_true(file_write(namespace, "gatehouse-system\n", 17, 0600, &e));
        AUTO(kubeconfig) *k = kubeconfig_in_cluster("fd00::1", "443", dir, &e);
        assert_non_null(k);
        assert_string_equal(k->server, "https://[fd00::1]:443");
        assert_string_equal(k->namespace, "gatehouse-system");
        assert_string_equal(k->token.path, token);
        assert_string_equal(k->authority.path, ca);
        unlink(token);
        unlink(namespace);
        rmdir(dir);
}

static void kubeconfig_in_cluster__outside_a_pod__says_what_is_missing(void **state)
{
        (void)state;
        struct err e = {0};
        assert_null(kubeconfig_in_cluster(NULL, "443", "/nonexistent", &e));
        assert_non_null(strstr(e.text, "KUBERNETES_SERVICE_HOST"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(kubeconfig__current_context__names_server_user_and_namespace),
                cmocka_unit_test(kubeconfig__data_and_files__both_are_materials),
                cmocka_unit_test(kubeconfig__base64_in_lines__is_joined),
                cmocka_unit_test(kubeconfig__token_file__wins_over_token),
                cmocka_unit_test(kubeconfig__null_instead_of_a_plugin__is_nothing),
                cmocka_unit_test(kubeconfig__what_cannot_be_followed__is_refused_by_name),
                cmocka_unit_test(kubeconfig__errors__never_hold_the_secret),
                cmocka_unit_test(kubeconfig_load__relative_paths__start_from_the_files_folder),
                cmocka_unit_test(kubeconfig_in_cluster__service_account__is_read_again_from_its_files),
                cmocka_unit_test(kubeconfig_in_cluster__outside_a_pod__says_what_is_missing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
