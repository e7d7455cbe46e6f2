/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/keypair.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "certs/issue.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

static const int64_t start = 1700000000 * TIME_MICROS_PER_SECOND;
static const int64_t day = 86400 * TIME_MICROS_PER_SECOND;
static const int64_t now = (1700000000 + 3600) * TIME_MICROS_PER_SECOND;

static int warnings;

static void count_warnings(const char *line)
{
        if (strstr(line, "warn"))
                warnings++;
}

/* A folder as kubelet lays it out: names are links into ..data, which is a link to the folder in use. */
struct folder {
        char path[64];
        char *crt, *key, *ca;
        int generation;
        struct pair *authority;
        struct keypair_files files;
};

static struct pair *leaf(const struct folder *f, int64_t not_before, int64_t not_after)
{
        static const char *const names[] = {"a.example.com"};
        struct issue_request r = {.common_name = "a", .names = names, .name_count = 1, .server = true};
        r.not_before = not_before;
        r.not_after = not_after;
        struct err e = {0};
        struct pair *p =
                issue_leaf(&r, f->authority->crt, f->authority->crt_len, f->authority->key, f->authority->key_len, &e);
        if (!p)
                fail_msg("%s", e.text);
        return p;
}

static void write_text(const char *dir, const char *name, const char *text)
{
        struct err e = {0};
        AUTO_STR *path = file_join(dir, name);
        if (!file_write(path, text, strlen(text), 0600, &e))
                fail_msg("%s", e.text);
}

/* What kubelet does: a new folder, then one rename of the ..data link. */
static void publish(struct folder *f, const char *crt, const char *key, const char *ca)
{
        AUTO_STR *name = mem_printf("..v%d", ++f->generation);
        AUTO_STR *dir = file_join(f->path, name);
        AUTO_STR *data = file_join(f->path, "..data");
        AUTO_STR *fresh = file_join(f->path, "..data_tmp");
        struct err e = {0};
        assert_true(file_make_dirs(dir, &e));
        write_text(dir, "tls.crt", crt);
        write_text(dir, "tls.key", key);
        write_text(dir, "ca.crt", ca);
        assert_int_equal(symlink(name, fresh), 0);
        assert_int_equal(rename(fresh, data), 0);
}

static int set_up(void **state)
{
        struct folder *f = mem_zalloc(sizeof(*f));
        snprintf(f->path, sizeof(f->path), "/tmp/keypair_test.XXXXXX");
        if (!mkdtemp(f->path))
                return -1;
        f->crt = file_join(f->path, "tls.crt");
        f->key = file_join(f->path, "tls.key");
        f->ca = file_join(f->path, "ca.crt");
        f->files = (struct keypair_files){"test", f->crt, f->key, f->ca};
        if (symlink("..data/tls.crt", f->crt) || symlink("..data/tls.key", f->key) || symlink("..data/ca.crt", f->ca))
                return -1;
        struct err e = {0};
        f->authority = issue_ca(start, start + 1000 * day, &e);
        AUTO(pair) *first = leaf(f, start, start + 10 * day);
        publish(f, first->crt, first->key, f->authority->crt);
        warnings = 0;
        log_set_sink(count_warnings);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct folder *f = *state;
        log_set_sink(NULL);
        AUTO_STR *command = mem_printf("rm -r '%s'", f->path);
        int rc = system(command);
        pair_unref(f->authority);
        mem_free(f->crt);
        mem_free(f->key);
        mem_free(f->ca);
        mem_free(f);
        return rc;
}

static struct keypair *loaded(const struct folder *f)
{
        struct err e = {0};
        struct keypair *k = keypair_new(&f->files, now, &e);
        if (!k)
                fail_msg("%s", e.text);
        return k;
}

static void expect_in_use(struct keypair *k, const char *crt)
{
        AUTO(pair) *p = keypair_get(k);
        assert_string_equal(p->crt, crt);
}

static void keypair_poll__nothing_changed__keeps_the_pair(void **state)
{
        struct folder *f = *state;
        AUTO(keypair) *k = loaded(f);
        AUTO(pair) *before = keypair_get(k);
        assert_false(keypair_poll(k, now));
        AUTO(pair) *after = keypair_get(k);
        assert_ptr_equal(before, after);
        assert_true(keypair_not_after(k) == start + 10 * day);
}

static void keypair_poll__link_swapped__takes_the_new_pair(void **state)
{
        struct folder *f = *state;
        AUTO(keypair) *k = loaded(f);
        AUTO(pair) *old = keypair_get(k);
        AUTO_STR *old_crt = mem_strdup(old->crt);
        AUTO(pair) *fresh = leaf(f, start, start + 20 * day);
        publish(f, fresh->crt, fresh->key, f->authority->crt);
        assert_true(keypair_poll(k, now));
        expect_in_use(k, fresh->crt);
        assert_true(keypair_not_after(k) == start + 20 * day);
        assert_false(keypair_poll(k, now));
        /* Whoever still serves with the old one may go on. */
        assert_string_equal(old->crt, old_crt);
        assert_int_equal(warnings, 0);
}

static void expect_refusal(struct folder *f, const char *crt, const char *key, const char *ca, const char *words)
{
        AUTO(keypair) *k = loaded(f);
        AUTO(pair) *before = keypair_get(k);
        publish(f, crt, key, ca);
        assert_false(keypair_poll(k, now));
        assert_false(keypair_poll(k, now));
        expect_in_use(k, before->crt);
        char problem[ERR_TEXT_MAX];
        keypair_problem(k, problem);
        if (!strstr(problem, words))
                fail_msg("\"%s\" does not say \"%s\"", problem, words);
        assert_int_equal(warnings, 1);
        /* Mended: taken, and the problem is gone. */
        publish(f, before->crt, before->key, before->ca);
        assert_true(keypair_poll(k, now));
        keypair_problem(k, problem);
        assert_string_equal(problem, "");
}

static void keypair_poll__key_of_another__old_stays_with_one_warning(void **state)
{
        struct folder *f = *state;
        AUTO(pair) *fresh = leaf(f, start, start + 20 * day);
        expect_refusal(f, fresh->crt, f->authority->key, f->authority->crt, "not that of the first certificate");
}

static void keypair_poll__expired__old_stays(void **state)
{
        struct folder *f = *state;
        AUTO(pair) *fresh = leaf(f, start - day, now - 1);
        expect_refusal(f, fresh->crt, fresh->key, f->authority->crt, "tls.crt: expired at 2023-");
}

static void keypair_poll__unreadable_bundle__old_stays(void **state)
{
        struct folder *f = *state;
        AUTO(pair) *fresh = leaf(f, start, start + 20 * day);
        expect_refusal(f, fresh->crt, fresh->key, "nothing", "ca.crt: ");
}

static void keypair_poll__file_gone__old_stays(void **state)
{
        struct folder *f = *state;
        AUTO(keypair) *k = loaded(f);
        AUTO(pair) *before = keypair_get(k);
        assert_int_equal(unlink(f->key), 0);
        assert_false(keypair_poll(k, now));
        expect_in_use(k, before->crt);
        char problem[ERR_TEXT_MAX];
        keypair_problem(k, problem);
        assert_non_null(strstr(problem, "tls.key"));
}

static void keypair_poll__valid_from_tomorrow__taken_tomorrow(void **state)
{
        struct folder *f = *state;
        AUTO(keypair) *k = loaded(f);
        AUTO(pair) *fresh = leaf(f, now + day, now + 20 * day);
        publish(f, fresh->crt, fresh->key, f->authority->crt);
        assert_false(keypair_poll(k, now));
        assert_false(keypair_poll(k, now + day - 1));
        assert_true(keypair_poll(k, now + day));
        expect_in_use(k, fresh->crt);
}

static void keypair_new__unusable_files__says_which(void **state)
{
        struct folder *f = *state;
        struct err e = {0};
        assert_null(keypair_new(&f->files, now + 100 * day, &e));
        assert_non_null(strstr(e.text, "tls.crt: expired at"));
        assert_int_equal(unlink(f->crt), 0);
        assert_null(keypair_new(&f->files, now, &e));
        assert_non_null(strstr(e.text, f->crt));
}

static void keypair_ca_not_after__several_cas__that_of_the_last(void **state)
{
        struct folder *f = *state;
        struct err e = {0};
        AUTO(keypair) *k = keypair_new(&f->files, start + day, &e);
        assert_true(keypair_ca_not_after(k) == start + 1000 * day);
        AUTO(pair) *next = issue_ca(start, start + 3000 * day, &e);
        AUTO(pair) *same = leaf(f, start, start + 10 * day);
        AUTO_STR *both = mem_printf("%s%s", next->crt, f->authority->crt);
        publish(f, same->crt, same->key, both);
        assert_true(keypair_poll(k, start + day));
        assert_true(keypair_ca_not_after(k) == start + 3000 * day);
        f->files.ca = NULL;
        AUTO(keypair) *none = keypair_new(&f->files, start + day, &e);
        assert_true(keypair_ca_not_after(none) == 0);
}

static void keypair_new__no_bundle_wanted__none_is_read(void **state)
{
        struct folder *f = *state;
        f->files.ca = NULL;
        assert_int_equal(unlink(f->ca), 0);
        AUTO(keypair) *k = loaded(f);
        AUTO(pair) *p = keypair_get(k);
        assert_int_equal(p->ca_len, 0);
        assert_string_equal(p->ca, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(keypair_poll__nothing_changed__keeps_the_pair),
                TEST(keypair_poll__link_swapped__takes_the_new_pair),
                TEST(keypair_poll__key_of_another__old_stays_with_one_warning),
                TEST(keypair_poll__expired__old_stays),
                TEST(keypair_poll__unreadable_bundle__old_stays),
                TEST(keypair_poll__file_gone__old_stays),
                TEST(keypair_poll__valid_from_tomorrow__taken_tomorrow),
                TEST(keypair_new__unusable_files__says_which),
                TEST(keypair_ca_not_after__several_cas__that_of_the_last),
                TEST(keypair_new__no_bundle_wanted__none_is_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
