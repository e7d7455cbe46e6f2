/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
        (void)state;
        snprintf(dir, sizeof(dir), "/tmp/file_test.XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        AUTO_STR *command = mem_printf("rm -r '%s'", dir);
        return system(command);
}

static char *write_file(const char *name, const char *text, mode_t mode)
{
        struct err e = {0};
        char *path = file_join(dir, name);
        if (!file_write(path, text, strlen(text), mode, &e))
                fail_msg("%s", e.text);
        return path;
}

static void file_read__within_the_limit__all_bytes(void **state)
{
        (void)state;
        AUTO_STR *path = write_file("f", "12345678", 0644);
        struct err e = {0};
        AUTO(buf) *whole = file_read(path, 8, &e);
        assert_non_null(whole);
        assert_string_equal(buf_data(whole), "12345678");
        AUTO(buf) *secret = file_read_secret(path, 100, &e);
        assert_string_equal(buf_data(secret), "12345678");
        assert_null(file_read(path, 7, &e));
        assert_non_null(strstr(e.text, path));
        assert_non_null(strstr(e.text, "larger than the 7 bytes"));
}

static void file_read__large_and_binary__unchanged(void **state)
{
        (void)state;
        enum { SIZE = 100 * 1000 };
        char *bytes = mem_zalloc(SIZE);
        for (size_t i = 0; i < SIZE; i++)
                bytes[i] = (char)(i * 7);
        AUTO_STR *path = file_join(dir, "large");
        struct err e = {0};
        assert_true(file_write(path, bytes, SIZE, 0600, &e));
        AUTO(buf) *back = file_read(path, SIZE, &e);
        assert_int_equal(buf_len(back), SIZE);
        assert_memory_equal(buf_data(back), bytes, SIZE);
        mem_free(bytes);
}

static void file_read__absent_or_folder__error_names_it(void **state)
{
        (void)state;
        AUTO_STR *path = file_join(dir, "absent");
        struct err e = {0};
        assert_null(file_read(path, 8, &e));
        assert_non_null(strstr(e.text, path));
        assert_int_equal(e.code, ENOENT);
        assert_null(file_read(dir, 8, &e));
        assert_int_equal(e.code, EISDIR);
}

static void file_write__existing_file__replaced_with_the_mode(void **state)
{
        (void)state;
        AUTO_STR *path = write_file("f", "old and longer", 0644);
        AUTO_STR *again = write_file("f", "new", 0600);
        struct err e = {0};
        struct stat st;
        AUTO(buf) *content = file_read(path, 100, &e);
        assert_string_equal(buf_data(content), "new");
        assert_int_equal(stat(again, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void file_write__folder_missing__error_and_nothing_left(void **state)
{
        (void)state;
        AUTO_STR *path = file_join(dir, "absent/f");
        struct err e = {0};
        assert_false(file_write(path, "x", 1, 0600, &e));
        assert_non_null(strstr(e.text, path));
        /* A folder in the file's place: the temporary file goes again. */
        AUTO_STR *taken = file_join(dir, "taken");
        assert_int_equal(mkdir(taken, 0755), 0);
        assert_false(file_write(taken, "x", 1, 0600, &e));
        assert_int_equal(rmdir(taken), 0);
        assert_int_equal(rmdir(dir), 0); /* empty */
        assert_int_equal(mkdir(dir, 0700), 0);
}

static void file_join__folder_with_and_without_slash__one_slash(void **state)
{
        (void)state;
        AUTO_STR *plain = file_join("a", "b"), *slash = file_join("a/", "b"), *root = file_join("/", "b");
        assert_string_equal(plain, "a/b");
        assert_string_equal(slash, "a/b");
        assert_string_equal(root, "/b");
}

static void file_make_dirs__missing_and_existing__are_there_afterwards(void **state)
{
        (void)state;
        struct err e = {0};
        struct stat st;
        AUTO_STR *path = file_join(dir, "a/b//c");
        assert_true(file_make_dirs(path, &e));
        assert_true(file_make_dirs(path, &e));
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        AUTO_STR *slash = file_join(dir, "d/");
        assert_true(file_make_dirs(slash, &e));
        assert_true(file_make_dirs("/", &e));
}

static void file_make_dirs__impossible__says_which(void **state)
{
        (void)state;
        struct err e = {0};
        AUTO_STR *path = write_file("f", "x", 0644);
        assert_false(file_make_dirs(path, &e));
        assert_non_null(strstr(e.text, path));
        assert_int_equal(e.code, ENOTDIR);
        AUTO_STR *below = file_join(path, "g");
        assert_false(file_make_dirs(below, &e));
        assert_non_null(strstr(e.text, path));
        assert_false(file_make_dirs("", &e));
        assert_non_null(strstr(e.text, "empty"));
}

static void file_stamp__every_way_to_change__differs(void **state)
{
        (void)state;
        AUTO_STR *one = write_file("one", "1", 0644);
        AUTO_STR *two = write_file("two", "2", 0644);
        AUTO_STR *link = file_join(dir, "link");
        AUTO_STR *fresh = file_join(dir, "fresh");
        assert_int_equal(symlink("one", link), 0);
        struct file_stamp first = file_stamp_get(link);
        struct file_stamp same = file_stamp_get(one);
        assert_true(file_stamp_equal(&first, &same));
        assert_int_equal(symlink("two", fresh), 0);
        assert_int_equal(rename(fresh, link), 0);
        struct file_stamp swapped = file_stamp_get(link);
        assert_false(file_stamp_equal(&first, &swapped));
        AUTO_STR *again = write_file("two", "2", 0644); /* the same bytes in a new file */
        struct file_stamp rewritten = file_stamp_get(again);
        assert_false(file_stamp_equal(&swapped, &rewritten));
        assert_int_equal(unlink(two), 0);
        struct file_stamp gone = file_stamp_get(two);
        struct file_stamp zero = {0};
        assert_true(file_stamp_equal(&gone, &zero));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(file_read__within_the_limit__all_bytes),
                TEST(file_read__large_and_binary__unchanged),
                TEST(file_read__absent_or_folder__error_names_it),
                TEST(file_write__existing_file__replaced_with_the_mode),
                TEST(file_write__folder_missing__error_and_nothing_left),
                TEST(file_join__folder_with_and_without_slash__one_slash),
                TEST(file_make_dirs__missing_and_existing__are_there_afterwards),
                TEST(file_make_dirs__impossible__says_which),
                TEST(file_stamp__every_way_to_change__differs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
