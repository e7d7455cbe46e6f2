/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 3, 0))) set(struct err *e, int code, const char *format, va_list ap)
{
        if (!e)
                return;
        e->code = code;
        vsnprintf(e->text, sizeof(e->text), format, ap);
}

bool err_set(struct err *e, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        set(e, 0, format, ap);
        va_end(ap);
        return false;
}

bool err_set_code(struct err *e, int code, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        set(e, code, format, ap);
        va_end(ap);
        return false;
}

bool err_wrap(struct err *e, const char *format, ...)
{
        if (!e)
                return false;
        struct err inner = *e;
        va_list ap;
        va_start(ap, format);
        set(e, inner.code, format, ap);
        va_end(ap);
        size_t n = strlen(e->text);
        snprintf(e->text + n, sizeof(e->text) - n, ": %s", inner.text);
        return false;
}

bool err_set_errno(struct err *e, const char *format, ...)
{
        int code = errno;
        va_list ap;
        va_start(ap, format);
        set(e, code, format, ap);
        va_end(ap);
        if (!e)
                return false;
        size_t n = strlen(e->text);
        snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(code));
        return false;
}
