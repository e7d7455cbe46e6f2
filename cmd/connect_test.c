/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/connect.h"

#include "base/file.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

static const char config_format[] = "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                    "clusters: [{name: k, cluster: {server: \"https://%s:6443\"}}]\n"
                                    "users: [{name: u, user: {token: t}}]\n"
                                    "contexts: [{name: c, context: {cluster: k, user: u}}]\n";

static const char *variable_kubeconfig, *variable_home;

static const char *environment(const char *name)
{
        if (strcmp(name, "KUBECONFIG") == 0)
                return variable_kubeconfig;
        return strcmp(name, "HOME") == 0 ? variable_home : NULL;
}

static char dir[64];

static int set_up(void **state)
{
        (void)state;
        variable_kubeconfig = variable_home = NULL;
        snprintf(dir, sizeof(dir), "/tmp/connect_test.XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        AUTO_STR *command = mem_printf("rm -r '%s'", dir);
        return system(command);
}

static char *write_config(const char *name, const char *server)
{
        struct err e = {0};
        AUTO_STR *text = mem_printf(config_format, server);
        char *path = file_join(dir, name);
        if (!file_write(path, text, strlen(text), 0600, &e))
                fail_msg("%s", e.text);
        return path;
}

static void expect_server(const struct kube_options *o, const char *server)
{
        struct err e = {0};
        AUTO(kubeconfig) *k = connect_config(o, environment, &e);
        if (!k)
                fail_msg("%s", e.text);
        AUTO_STR *url = mem_printf("https://%s:6443", server);
        assert_string_equal(k->server, url);
}

static void connect_config__several_places__flag_then_variable_then_home(void **state)
{
        (void)state;
        AUTO_STR *flag = write_config("flag", "flag.example");
        AUTO_STR *variable = write_config("variable", "variable.example");
        AUTO_STR *kube = file_join(dir, ".kube");
        struct err e = {0};
        assert_true(file_make_dirs(kube, &e));
        AUTO_STR *home = write_config(".kube/config", "home.example");
        assert_non_null(home);
        AUTO_STR *list = mem_printf("%s:/nonexistent", variable);
        struct kube_options o = {.kubeconfig = flag};
        variable_kubeconfig = list;
        variable_home = dir;
        expect_server(&o, "flag.example");
        o.kubeconfig = NULL;
        expect_server(&o, "variable.example");
        variable_kubeconfig = "";
        expect_server(&o, "home.example");
}

static void expect_error(const struct kube_options *o, const char *words)
{
        struct err e = {0};
        assert_null(connect_config(o, environment, &e));
        if (!strstr(e.text, words))
                fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

static void connect_config__nothing_to_go_by__says_what_names_it(void **state)
{
        (void)state;
        struct kube_options o = {0};
        expect_error(&o, "--kubeconfig or $KUBECONFIG says which");
        variable_home = dir;
        expect_error(&o, "neither --incluster nor --kubeconfig is given");
        o.kubeconfig = "/nonexistent/config";
        expect_error(&o, "/nonexistent/config");
        o = (struct kube_options){.incluster = true};
        expect_error(&o, "KUBERNETES_SERVICE_HOST");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(connect_config__several_places__flag_then_variable_then_home),
                TEST(connect_config__nothing_to_go_by__says_what_names_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
