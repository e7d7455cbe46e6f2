/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include "base/file.h"
#include "base/time.h"
#include "cmd/options_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

enum { WORDS_MAX = 32 };

/* The environment of a test: "NAME=value" strings up to NULL. */
static const char *const *environment_of_test;

static const char *environment(const char *name)
{
        size_t n = strlen(name);
        for (const char *const *v = environment_of_test; v && *v; v++) {
                if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
                        return *v + n + 1;
        }
        return NULL;
}

/* Splits "serve --a b" at spaces; the first word is the command. */
static struct options *parse(const char *line, struct err *e)
{
        char copy[1024];
        char *words[WORDS_MAX];
        int count = 0;
        char *rest = copy;
        snprintf(copy, sizeof(copy), "%s", line);
        for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL && count < WORDS_MAX;)
                words[count++] = word;
        enum command command;
        assert_true(options_find_command(words[0], &command, e));
        return options_parse(command, count - 1, words + 1, environment, e);
}

static struct options *parsed(const char *line)
{
        struct err e = {0};
        struct options *o = parse(line, &e);
        if (!o)
                fail_msg("%s: %s", line, e.text);
        return o;
}

static void expect_error(const char *line, const char *words)
{
        struct err e = {0};
        AUTO(options) *o = parse(line, &e);
        if (o)
                fail_msg("\"%s\" was accepted", line);
        if (!strstr(e.text, words))
                fail_msg("%s: \"%s\" does not say \"%s\"", line, e.text, words);
}

static int set_up(void **state)
{
        (void)state;
        environment_of_test = NULL;
        return 0;
}

static void defaults__serve__are_those_of_operations_md(void **state)
{
        (void)state;
        AUTO(options) *o = parsed("serve --disable webhook --insecure");
        assert_string_equal(o->serve.webhook_address, "0.0.0.0");
        assert_int_equal(o->serve.webhook_port, 9443);
        assert_string_equal(o->serve.http_address, "0.0.0.0");
        assert_int_equal(o->serve.http_port, 8000);
        assert_string_equal(o->serve.debug_http_address, "127.0.0.1");
        assert_int_equal(o->serve.debug_http_port, 6060);
        assert_string_equal(o->serve.xds_address, "127.0.0.1");
        assert_int_equal(o->serve.xds_port, 8001);
        assert_int_equal(o->serve.xds_client_names.count, 1);
        assert_string_equal(o->serve.xds_client_names.items[0], "envoy");
        assert_true(o->serve.shutdown_delay == 5 * DURATION_SECOND);
        assert_int_equal(o->serve.admission_mode, ADMISSION_ENFORCE);
        assert_string_equal(o->policy.cluster_domain, "cluster.local");
        assert_null(o->policy.ingress_class);
        assert_int_equal(o->policy.root_namespaces.count, 0);
        assert_int_equal(o->log_format, LOG_JSON);
        assert_int_equal(o->log_level, LOG_INFO);
        assert_non_null(o->kube.namespace);
        assert_false(o->kube.incluster);
}

static void defaults__certgen__are_those_of_operations_md(void **state)
{
        (void)state;
        AUTO(options) *o = parsed("certgen --kube");
        assert_true(o->certgen.certificate_lifetime == 365 * 24 * DURATION_HOUR);
        assert_true(o->certgen.ca_lifetime == 3650 * 24 * DURATION_HOUR);
        assert_true(o->certgen.ca_overlap == 24 * DURATION_HOUR);
        assert_string_equal(o->certgen.webhook_service, "gatehouse-webhook");
        assert_false(o->certgen.rotate_ca);
}

static void flags__every_form__is_read(void **state)
{
        (void)state;
        AUTO(options) *o =
                parsed("serve --disable=webhook,status --insecure --webhook-port=1 --http-port 65535 --incluster "
                       "--strict-references=false --require-fqdn-grants=true --shutdown-delay 1m30s "
                       "--log-level=debug --ingressroute-root-namespaces=a,b "
                       "--ingressroute-root-namespaces c --http-address ::1");
        assert_int_equal(o->serve.disable, DISABLE_WEBHOOK | DISABLE_STATUS);
        assert_int_equal(o->serve.webhook_port, 1);
        assert_int_equal(o->serve.http_port, 65535);
        assert_string_equal(o->serve.http_address, "::1");
        assert_true(o->kube.incluster);
        assert_false(o->policy.strict_references);
        assert_true(o->policy.require_fqdn_grants);
        assert_true(o->serve.shutdown_delay == 90 * DURATION_SECOND);
        assert_int_equal(o->log_level, LOG_DEBUG);
        assert_int_equal(o->policy.root_namespaces.count, 3);
        assert_string_equal(o->policy.root_namespaces.items[0], "a");
        assert_string_equal(o->policy.root_namespaces.items[2], "c");
}

static void flags__xds__contours_names_are_taken_too(void **state)
{
        (void)state;
        AUTO(options) *o =
                parsed("serve --disable webhook --contour-cafile a --contour-cert-file=b --contour-key-file c "
                       "--xds-address 0.0.0.0 --xds-client-names envoy,gateway");
        assert_string_equal(o->serve.xds_ca_file, "a");
        assert_string_equal(o->serve.xds_cert_file, "b");
        assert_string_equal(o->serve.xds_key_file, "c");
        assert_int_equal(o->serve.xds_client_names.count, 2);
        assert_string_equal(o->serve.xds_client_names.items[0], "envoy");
}

static void defaults__envoy__are_those_of_the_translator(void **state)
{
        (void)state;
        AUTO(options) *o = parsed("serve --disable webhook --insecure");
        const struct xds_options *d = &xds_options_default, *v = &o->envoy;
        const struct xds_listen *const pairs[][2] = {
                {&d->http, &v->http}, {&d->https, &v->https}, {&d->stats, &v->stats}};
        for (size_t i = 0; i < COUNT_OF(pairs); i++) {
                assert_string_equal(pairs[i][0]->address, pairs[i][1]->address);
                assert_int_equal(pairs[i][0]->port, pairs[i][1]->port);
        }
        assert_string_equal(d->http_access_log, v->http_access_log);
        assert_string_equal(d->https_access_log, v->https_access_log);
        assert_true(d->connect_timeout == v->connect_timeout && d->tracing_percent == v->tracing_percent);
        assert_int_equal(d->access_log.form, v->access_log.form);
        assert_int_equal(d->underscores, v->underscores);
        assert_int_equal(d->escaped_slashes, v->escaped_slashes);
        assert_int_equal(d->xff_trusted_hops, v->xff_trusted_hops);
        assert_null(v->tracing_host);
}

static void flags__envoy__every_one_arrives(void **state)
{
        (void)state;
        AUTO(options) *o = parsed("serve --disable webhook --insecure --envoy-service-http-port 80 --stats-address ::1 "
                                  "--accesslog-format json --json-fields path,tenant=%REQ(X-TENANT)% "
                                  "--use-proxy-protocol --xff-num-trusted-hops 2 --headers-with-underscores allow "
                                  "--escaped-slashes keep --connect-timeout 2s --tracing-otlp [::1]:4317 "
                                  "--tracing-sampling 0.5");
        const struct xds_options *v = &o->envoy;
        assert_int_equal(v->http.port, 80);
        assert_string_equal(v->stats.address, "::1");
        assert_int_equal(v->access_log.form, ACCESS_LOG_JSON);
        assert_int_equal(v->access_log.field_count, 2);
        assert_string_equal(v->access_log.fields[1], "tenant=%REQ(X-TENANT)%");
        assert_true(v->use_proxy_protocol);
        assert_int_equal(v->xff_trusted_hops, 2);
        assert_int_equal(v->underscores, UNDERSCORES_ALLOW);
        assert_int_equal(v->escaped_slashes, SLASHES_KEEP);
        assert_true(v->connect_timeout == 2 * DURATION_SECOND);
        assert_string_equal(v->tracing_host, "::1");
        assert_int_equal(v->tracing_port, 4317);
        assert_true(v->tracing_percent == 0.5);
}

static void flags__lint__shares_the_policy_and_takes_files(void **state)
{
        (void)state;
        AUTO(options) *o = parsed("lint a.yaml -o json --ingress-class-name x -- --odd.yaml");
        assert_int_equal(o->output, OUTPUT_JSON);
        assert_string_equal(o->policy.ingress_class, "x");
        assert_int_equal(o->arguments.count, 2);
        assert_string_equal(o->arguments.items[0], "a.yaml");
        assert_string_equal(o->arguments.items[1], "--odd.yaml");
        AUTO(options) *joined = parsed("lint -ojson -");
        assert_int_equal(joined->output, OUTPUT_JSON);
        assert_string_equal(joined->arguments.items[0], "-");
}

static void flags__wrong__say_what_and_what_to_do(void **state)
{
        (void)state;
        static const struct {
                const char *line, *words;
        } rows[] = {
                {"serve --webhok-port 1", "unknown flag --webhok-port: did you mean --webhook-port?"},
                {"serve --pem x", "unknown flag --pem: it belongs to gatehouse certgen"},
                {"serve --completely-different", "unknown flag --completely-different: see gatehouse serve --help"},
                {"serve -x", "unknown flag -x"},
                {"serve --webhook-port", "--webhook-port needs a value"},
                {"serve --webhook-port 0", "--webhook-port: \"0\" is no port: 1-65535"},
                {"serve --webhook-port 65536", "is no port"},
                {"serve --webhook-port -1", "is no port"},
                {"serve --webhook-port 80x", "is no port"},
                {"serve --webhook-port=", "is no port"},
                {"serve --webhook-address localhost", "--webhook-address: \"localhost\" is no IP address"},
                {"serve --shutdown-delay 5", "--shutdown-delay: \"5\" is no duration"},
                {"serve --shutdown-delay -5s", "is negative"},
                {"serve --admission-mode off", "\"off\" is none of enforce|warn"},
                {"serve --disable webhook,dns", "--disable: \"dns\" is none of webhook|status|xds"},
                {"serve --disable=", "--disable: the value is empty"},
                {"serve --disable webhook --namespace a/b", "--namespace: \"a/b\" is no name of a namespace"},
                {"serve --disable webhook --namespace Team", "is no name of a namespace"},
                {"serve --incluster=maybe", "\"maybe\" is neither true nor false"},
                {"serve --ingress-class-name=", "--ingress-class-name: the value is empty"},
                {"serve --ingressroute-root-namespaces=", "--ingressroute-root-namespaces: the value is empty"},
                {"serve --ingressroute-root-namespaces=,", "--ingressroute-root-namespaces: the value is empty"},
                {"serve extra", "takes no argument: \"extra\""},
                {"serve", "the webhook needs --webhook-cert-file"},
                {"serve --webhook-cert-file x", "go together"},
                {"serve --disable webhook --default-ingress-class", "needs --ingress-class-name"},
                {"serve --disable webhook --incluster --kubeconfig x", "exclude each other"},
                {"serve --disable webhook", "xDS needs --xds-cafile, --xds-cert-file and --xds-key-file"},
                {"serve --disable webhook --xds-cafile a --xds-cert-file b", "xDS needs --xds-cafile"},
                {"serve --disable webhook --insecure --xds-cafile a", "exclude each other"},
                {"serve --disable webhook --insecure --xds-address 10.0.0.1", "it needs a loopback --xds-address"},
                {"serve --disable webhook --insecure --xds-address ::", "whoever reaches :: would get the keys"},
                {"serve --disable webhook --insecure --stats-port 8080", "must differ"},
                {"serve --disable webhook --insecure --connect-timeout 0s", "--connect-timeout: at least 1ms"},
                {"serve --disable webhook --insecure --envoy-https-access-log a", "\"a\" is no absolute path"},
                {"serve --disable webhook --insecure --json-fields path", "needs --accesslog-format json"},
                {"serve --disable webhook --insecure --accesslog-format json --json-fields path,nonsense",
                 "\"nonsense\" is no known field"},
                {"serve --disable webhook --insecure --accesslog-format json --accesslog-format-string x",
                 "--accesslog-json-fields is for json"},
                {"serve --disable webhook --insecure --tracing-otlp collector", "\"collector\" is not HOST:PORT"},
                {"serve --disable webhook --insecure --tracing-otlp :4317", "is not HOST:PORT"},
                {"serve --disable webhook --insecure --tracing-otlp a:70000", "is not HOST:PORT"},
                {"serve --disable webhook --insecure --tracing-otlp ::1:4317", "is not HOST:PORT"},
                {"serve --tracing-sampling 101", "--tracing-sampling: \"101\" is no percentage: 0-100"},
                {"serve --xff-num-trusted-hops -1", "\"-1\" is no number: 0 and up"},
                {"serve --disable webhook --ignore-object a/b", "is not KIND/NAMESPACE/NAME"},
                {"serve --disable webhook --ignore-object IngresRoute/a/b", "is of no kind that is read"},
                {"lint", "needs files or folders"},
                {"tree", "needs one host"},
                {"tree a --server here", "is not HOST:PORT"},
                {"cli", "needs one of lds, rds, cds, eds, sds"},
                {"cli xds --insecure", "needs one of lds"},
                {"cli lds", "--xds-cafile, --xds-cert-file and --xds-key-file"},
                {"cli lds --insecure --cafile a", "exclude each other"},
                {"cli lds --insecure --xds-address example.com", "needs a loopback --xds-address"},
                {"cli lds --insecure --timeout 0s", "--timeout: at least 1ms"},
                {"explain", "needs one URL"},
                {"explain a b", "needs one URL"},
                {"explain a --from b", "--from: \"b\" is not NAMESPACE/NAME"},
                {"explain a --from a/b/c", "is not NAMESPACE/NAME"},
                {"explain a --server here", "--server: \"here\" is not HOST:PORT"},
                {"explain a --server u@h:80", "is not HOST:PORT"},
                {"shutdown-manager --check-interval 0s", "--check-interval: at least 1ms"},
                {"shutdown-manager --drain-timeout 1s", "--drain-delay is longer than --drain-timeout"},
                {"certgen", "exactly one of --pem DIR, --yaml and --kube"},
                {"certgen --yaml --kube", "exactly one of"},
                {"certgen --yaml --rotate-ca", "nothing for --rotate-ca"},
                {"certgen --yaml --certificate-lifetime 1m", "at least 1h"},
                {"certgen --yaml --ca-lifetime 24h", "shorter than"},
                {"certgen --yaml --ca-lifetime 9000h --ca-overlap 2000h", "at most a sixth"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++)
                expect_error(rows[i].line, rows[i].words);
}

static void commands__unknown__suggests_the_nearest(void **state)
{
        (void)state;
        enum command command;
        struct err e = {0};
        assert_false(options_find_command("serv", &command, &e));
        assert_string_equal(e.text, "unknown command \"serv\": did you mean serve?");
        assert_false(options_find_command("frobnicate", &command, &e));
        assert_non_null(strstr(e.text, "see gatehouse help"));
        assert_true(options_find_command("certgen", &command, &e));
        assert_int_equal(command, COMMAND_CERTGEN);
}

/* ---- where values come from ---- */

struct file {
        char path[64];
};

static void write_config(struct file *f, const char *text)
{
        snprintf(f->path, sizeof(f->path), "/tmp/options_test.XXXXXX");
        int fd = mkstemp(f->path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void file_auto(struct file *f)
{
        unlink(f->path);
}
#define AUTO_FILE __attribute__((cleanup(file_auto))) struct file

static void sources__all_three__flag_over_environment_over_file(void **state)
{
        (void)state;
        AUTO_FILE f;
        write_config(&f, "http-port: 1\nwebhook-port: 1\ndebug-http-port: 1\nstrict-references: true\n"
                         "disable: [webhook]\ningressroute-root-namespaces: [a, b]\nlog-format: text\n");
        static const char *const variables[] = {"GATEHOUSE_HTTP_PORT=2", "GATEHOUSE_WEBHOOK_PORT=2",
                                                "GATEHOUSE_INGRESSROUTE_ROOT_NAMESPACES=c",
                                                "GATEHOUSE_LOG_LEVEL=", NULL};
        environment_of_test = variables;
        char line[256];
        snprintf(line, sizeof(line), "serve --insecure -c %s --http-port 3 --strict-references=false", f.path);
        AUTO(options) *o = parsed(line);
        assert_int_equal(o->serve.http_port, 3);
        assert_int_equal(o->serve.webhook_port, 2);
        assert_int_equal(o->serve.debug_http_port, 1);
        assert_false(o->policy.strict_references);
        assert_int_equal(o->serve.disable, DISABLE_WEBHOOK);
        assert_int_equal(o->policy.root_namespaces.count, 1);
        assert_string_equal(o->policy.root_namespaces.items[0], "c");
        assert_int_equal(o->log_format, LOG_TEXT);
        assert_int_equal(o->log_level, LOG_INFO);
}

static void sources__file_named_by_environment__is_read(void **state)
{
        (void)state;
        AUTO_FILE f;
        write_config(&f, "http-port: 17\ndisable: webhook,xds\n");
        AUTO_STR *variable = mem_printf("GATEHOUSE_CONFIG_PATH=%s", f.path);
        const char *const variables[] = {variable, NULL};
        environment_of_test = variables;
        AUTO(options) *o = parsed("serve");
        assert_int_equal(o->serve.http_port, 17);
        environment_of_test = NULL;
}

static void sources__file_shared_by_commands__keys_of_others_are_passed_over(void **state)
{
        (void)state;
        AUTO_FILE f;
        write_config(&f, "webhook-port: 17\ncluster-domain: corp.example\n");
        AUTO_STR *line = mem_printf("certgen --yaml --config-path=%s", f.path);
        AUTO(options) *o = parsed(line);
        assert_string_equal(o->policy.cluster_domain, "corp.example");
}

static void sources__wrong_file__line_and_key_are_named(void **state)
{
        (void)state;
        static const struct {
                const char *text, *words;
        } rows[] = {
                {"http-port: 1\nhttp-prt: 2\n", ":2: unknown key http-prt: did you mean http-port?"},
                {"\n\nhttp-port: x\n", ":3: http-port: \"x\" is no port"},
                {"http-port: [1, 2]\n", ":1: http-port takes one value, no list"},
                {"strict-references: yes\n", ":1: strict-references: \"yes\" is neither true nor false"},
                {"config-path: x\n", ":1: config-path cannot stand in the file itself"},
                {"http-port:\n", ":1: http-port: \"\" is no port"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                AUTO_FILE f;
                write_config(&f, rows[i].text);
                AUTO_STR *line = mem_printf("serve --disable webhook -c %s", f.path);
                AUTO_STR *words = mem_printf("%s%s", f.path, rows[i].words);
                expect_error(line, words);
        }
        expect_error("serve -c /nonexistent/gatehouse.yaml", "/nonexistent/gatehouse.yaml");
}

static void sources__wrong_environment__variable_is_named(void **state)
{
        (void)state;
        static const char *const variables[] = {"GATEHOUSE_HTTP_PORT=many", NULL};
        environment_of_test = variables;
        expect_error("serve --disable webhook", "GATEHOUSE_HTTP_PORT: \"many\" is no port");
}

/* ---- help and the table itself ---- */

static void help__flag__needs_nothing_else(void **state)
{
        (void)state;
        AUTO(options) *o = parsed("certgen --help");
        assert_true(o->help);
        AUTO(options) *letter = parsed("serve --http-port 1 -h --nonsense");
        assert_true(letter->help);
}

/* The same name may stand for something else in another command, such as where to listen and whom to ask. */
static bool has_option(enum command command, const char *name)
{
        for (size_t i = 0; i < option_table_count; i++) {
                if (option_table[i].commands & 1U << command && str_equal(option_table[i].name, name))
                        return true;
        }
        return false;
}

static void help__command__tells_all_its_flags_and_no_others(void **state)
{
        (void)state;
        for (int c = 0; c < COMMAND_COUNT; c++) {
                AUTO(buf) *text = buf_new(1 << 20);
                AUTO(buf) *page = buf_new(1 << 20);
                options_help(text, (enum command)c);
                options_markdown(page);
                for (size_t i = 0; i < option_table_count; i++) {
                        const struct option *o = &option_table[i];
                        AUTO_STR *flag = mem_printf(" --%s ", o->name);
                        AUTO_STR *at_end = mem_printf(" --%s\n", o->name);
                        bool told = strstr(buf_data(text), flag) || strstr(buf_data(text), at_end);
                        if (told != has_option((enum command)c, o->name))
                                fail_msg("help of %s and --%s: %d", command_table[c].name, o->name, told);
                        AUTO_STR *row = mem_printf("`--%s", o->name);
                        assert_non_null(strstr(buf_data(page), row));
                }
        }
}

static void table__every_option__has_a_name_of_its_own_and_help(void **state)
{
        (void)state;
        for (size_t i = 0; i < option_table_count; i++) {
                const struct option *o = &option_table[i];
                assert_true(o->commands != 0 && strlen(o->name) < 40);
                if (strlen(o->help) < 8 || o->help[strlen(o->help) - 1] == '.')
                        fail_msg("help of --%s", o->name);
                assert_int_equal(o->choices != NULL, o->type == OPTION_CHOICE || o->type == OPTION_SET);
                for (size_t k = 0; k < i; k++) {
                        if (o->commands & option_table[k].commands)
                                assert_string_not_equal(o->name, option_table[k].name);
                        assert_int_not_equal(o->offset, option_table[k].offset);
                }
        }
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(defaults__serve__are_those_of_operations_md),
                TEST(defaults__certgen__are_those_of_operations_md),
                TEST(flags__every_form__is_read),
                TEST(flags__xds__contours_names_are_taken_too),
                TEST(defaults__envoy__are_those_of_the_translator),
                TEST(flags__envoy__every_one_arrives),
                TEST(flags__lint__shares_the_policy_and_takes_files),
                TEST(flags__wrong__say_what_and_what_to_do),
                TEST(commands__unknown__suggests_the_nearest),
                TEST(sources__all_three__flag_over_environment_over_file),
                TEST(sources__file_named_by_environment__is_read),
                TEST(sources__file_shared_by_commands__keys_of_others_are_passed_over),
                TEST(sources__wrong_file__line_and_key_are_named),
                TEST(sources__wrong_environment__variable_is_named),
                TEST(help__flag__needs_nothing_else),
                TEST(help__command__tells_all_its_flags_and_no_others),
                TEST(table__every_option__has_a_name_of_its_own_and_help),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
