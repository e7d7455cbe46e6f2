/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crash.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 16 * 1024 }; /* for the handler when the thread's own stack has overflowed */

static const int FATAL[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

struct line {
        char text[CRASH_LINE_MAX];
        size_t len; /* 0: idle */
        bool has_stack;
        char stack[STACK_SIZE];
};
static _Thread_local struct line line;

static void say(const char *p, size_t n)
{
        ssize_t ignored = write(STDERR_FILENO, p, n); /* there is nowhere left to complain to */
        (void)ignored;
}

/* Only write(2), sigaction(2) and raise(3): all else is forbidden in a handler (signal-safety(7)). */
static void on_fatal(int number)
{
        static const char head[] = "gatehouse: fatal signal while ";
        static const char idle[] = "gatehouse: fatal signal while idle\n";
        if (line.len) {
                say(head, sizeof(head) - 1);
                say(line.text, line.len);
                say("\n", 1);
        } else {
                say(idle, sizeof(idle) - 1);
        }
        /* SA_RESETHAND has restored the default: returning or raising now ends the process with this signal. */
        raise(number);
}

void crash_install(void)
{
        struct sigaction action = {.sa_handler = on_fatal, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK | SA_NODEFER)};
        sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < sizeof(FATAL) / sizeof(FATAL[0]); i++) {
                struct sigaction old;
                if (sigaction(FATAL[i], NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL)
                        sigaction(FATAL[i], &action, NULL);
        }
}

/* A handler on an overflowed stack needs another one; sanitizers bring their own. */
static void prepare_stack(void)
{
        stack_t old;
        line.has_stack = true;
        if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE)) {
                stack_t own = {.ss_sp = line.stack, .ss_size = sizeof(line.stack)};
                sigaltstack(&own, NULL);
        }
}

static void append(const char *s)
{
        size_t n = strlen(s);
        if (n > CRASH_LINE_MAX - line.len)
                n = CRASH_LINE_MAX - line.len;
        memcpy(line.text + line.len, s, n);
        line.len += n;
}

void crash_working_on(const char *verb, const char *what)
{
        if (!line.has_stack)
                prepare_stack();
        line.len = 0;
        append(verb);
        append(" ");
        append(what);
}

void crash_working_on_object(const char *verb, const char *kind, const char *namespace, const char *name)
{
        crash_working_on(verb, kind);
        append(" ");
        append(namespace);
        append(namespace[0] ? "/" : "");
        append(name);
}

void crash_idle(void)
{
        line.len = 0;
}
