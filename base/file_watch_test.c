/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_watch.h"

#include "base/file.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

struct fixture {
        char dir[64];
        char *path;
        struct file_watch *watch;
};

static int set_up(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        snprintf(f->dir, sizeof(f->dir), "/tmp/file_watch_test.XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        f->path = file_join(f->dir, "tls.crt");
        f->watch = file_watch_new();
        *state = f;
        return f->watch ? 0 : -1;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *command = mem_printf("rm -r '%s'", f->dir);
        int rc = system(command);
        file_watch_free(f->watch);
        mem_free(f->path);
        mem_free(f);
        return rc;
}

static bool is_readable(const struct fixture *f)
{
        struct pollfd p = {.fd = file_watch_fd(f->watch), .events = POLLIN};
        return poll(&p, 1, 0) == 1;
}

static void watch__nothing_happened__says_nothing(void **state)
{
        struct fixture *f = *state;
        file_watch_add(f->watch, f->path);
        file_watch_add(f->watch, NULL);
        file_watch_add(f->watch, "/nowhere/at/all");
        assert_false(is_readable(f));
        assert_false(file_watch_take(f->watch));
}

static void watch__file_replaced__is_heard_once(void **state)
{
        struct fixture *f = *state;
        file_watch_add(f->watch, f->path);
        struct err e = {0};
        assert_true(file_write(f->path, "x", 1, 0600, &e));
        assert_true(is_readable(f));
        assert_true(file_watch_take(f->watch));
        assert_false(file_watch_take(f->watch));
        assert_false(is_readable(f));
}

static void watch__symlink_swapped_as_kubelet_does__is_heard(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *command =
                mem_printf("cd '%s' && mkdir ..1 ..2 && ln -s ..1 ..data && ln -s ..data/tls.crt tls.crt", f->dir);
        AUTO_STR *swap = mem_printf("cd '%s' && ln -s ..2 ..data_tmp && mv -T ..data_tmp ..data", f->dir);
        assert_int_equal(system(command), 0);
        file_watch_add(f->watch, f->path);
        assert_false(file_watch_take(f->watch));
        assert_int_equal(system(swap), 0);
        assert_true(file_watch_take(f->watch));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(watch__nothing_happened__says_nothing),
                TEST(watch__file_replaced__is_heard_once),
                TEST(watch__symlink_swapped_as_kubelet_does__is_heard),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
