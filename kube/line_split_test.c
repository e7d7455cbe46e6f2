/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/line_split.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { MAX = 8 };

static void write_line(const char *text, size_t n, bool whole, void *arg)
{
        buf_printf(arg, "<%.*s%s>", (int)n, text, whole ? "" : "...");
}

/* Feeds text in pieces of the given size. */
static void assert_splits(const char *text, size_t piece, const char *lines)
{
        AUTO(buf) *out = buf_new(4096);
        AUTO(line_split) *l = line_split_new(MAX, write_line, out);
        size_t n = strlen(text);
        for (size_t i = 0; i < n; i += piece)
                line_split_feed(l, text + i, n - i < piece ? n - i : piece);
        if (strcmp(buf_data(out), lines) != 0)
                fail_msg("%s in pieces of %zu: %s, expected %s", text, piece, buf_data(out), lines);
}

static void line_split__any_pieces__same_lines(void **state)
{
        (void)state;
        static const char text[] = "one\n\ntwo3\n12345678\nlast";
        for (size_t piece = 1; piece <= strlen(text); piece++)
                assert_splits(text, piece, "<one><><two3><12345678>");
}

static void line_split__line_beyond_the_limit__is_told_once_and_skipped(void **state)
{
        (void)state;
        static const char text[] = "a\n123456789abcdefghi\nb\n";
        for (size_t piece = 1; piece <= strlen(text); piece++) {
                AUTO(buf) *out = buf_new(4096);
                AUTO(line_split) *l = line_split_new(MAX, write_line, out);
                for (size_t i = 0; i < strlen(text); i += piece)
                        line_split_feed(l, text + i, strlen(text + i) < piece ? strlen(text + i) : piece);
                const char *told = buf_data(out), *cut = strstr(told, "...");
                assert_memory_equal(told, "<a><1", 5);
                assert_non_null(cut);
                assert_string_equal(cut, "...><b>");
        }
}

static void line_split_reset__half_a_line__is_forgotten(void **state)
{
        (void)state;
        AUTO(buf) *out = buf_new(4096);
        AUTO(line_split) *l = line_split_new(MAX, write_line, out);
        line_split_feed(l, "half", 4);
        line_split_reset(l);
        line_split_feed(l, "a\n123456789", 11);
        line_split_reset(l);
        line_split_feed(l, "b\n", 2);
        assert_string_equal(buf_data(out), "<a><12345678...><b>");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(line_split__any_pieces__same_lines),
                cmocka_unit_test(line_split__line_beyond_the_limit__is_told_once_and_skipped),
                cmocka_unit_test(line_split_reset__half_a_line__is_forgotten),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
