/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Runs work() in a child whose stderr is read into text; the signal that it died of. */
static int run_child(void (*work)(void), char *text, size_t size)
{
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                dup2(fds[1], STDERR_FILENO);
                for (int s = 1; s < 32; s++)
                        signal(s, SIG_DFL);
                crash_install();
                work();
                _exit(0);
        }
        close(fds[1]);
        size_t len = 0;
        for (ssize_t n; len < size - 1 && (n = read(fds[0], text + len, size - 1 - len)) > 0;)
                len += (size_t)n;
        text[len] = '\0';
        close(fds[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void abort_with_object(void)
{
        crash_working_on_object("judging CREATE", "IngressRoute", "team-a", "shop");
        abort();
}

static void crash__abort_at_work__names_the_object_and_keeps_the_signal(void **state)
{
        (void)state;
        char text[2048];
        assert_int_equal(run_child(abort_with_object, text, sizeof(text)), SIGABRT);
        assert_string_equal(text, "gatehouse: fatal signal while judging CREATE IngressRoute team-a/shop\n");
}

static void segv_with_long_line(void)
{
        char what[2 * CRASH_LINE_MAX];
        memset(what, 'x', sizeof(what) - 1);
        what[sizeof(what) - 1] = '\0';
        crash_working_on("judging", what);
        raise(SIGSEGV);
}

static void crash__long_line__is_cut(void **state)
{
        (void)state;
        char text[2048];
        assert_int_equal(run_child(segv_with_long_line, text, sizeof(text)), SIGSEGV);
        assert_int_equal(strlen(text), strlen("gatehouse: fatal signal while ") + CRASH_LINE_MAX + 1);
}

static void abort_after_work(void)
{
        crash_working_on("judging", "something");
        crash_idle();
        abort();
}

static void crash__abort_after_work__names_nothing(void **state)
{
        (void)state;
        char text[2048];
        assert_int_equal(run_child(abort_after_work, text, sizeof(text)), SIGABRT);
        assert_string_equal(text, "gatehouse: fatal signal while idle\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(crash__abort_at_work__names_the_object_and_keeps_the_signal),
                cmocka_unit_test(crash__long_line__is_cut),
                cmocka_unit_test(crash__abort_after_work__names_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
