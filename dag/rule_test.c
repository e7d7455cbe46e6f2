/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/rule.h"

#include "base/mem.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

static void find__every_name__is_its_rule(void **state)
{
        (void)state;
        enum rule found;
        for (int i = 0; i < RULE_COUNT; i++) {
                assert_true(rule_find(rule_info((enum rule)i)->name, &found));
                assert_int_equal(found, i);
        }
        assert_false(rule_find("NoSuchRule", &found));
        assert_false(rule_find("", &found));
}

static void help__every_rule__one_or_two_sentences(void **state)
{
        (void)state;
        for (int i = 0; i < RULE_COUNT; i++) {
                const struct rule_info *info = rule_info((enum rule)i);
                size_t n = strlen(info->help);
                if (n < 15 || n > 200 || info->help[n - 1] != '.' || strchr(info->help, '\n'))
                        fail_msg("%s: %s", info->name, info->help);
        }
}

static char *read_file(const char *path)
{
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        char *text = mem_zalloc(1024 * 1024);
        assert_true(fread(text, 1, 1024 * 1024 - 1, f) > 0);
        fclose(f);
        return text;
}

static void cases__every_rule__stands_in_some_case_file(void **state)
{
        (void)state;
        struct dirent **names;
        int n = scandir("dag/testdata", &names, NULL, alphasort);
        bool seen[RULE_COUNT] = {false};
        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
                AUTO_STR *path = mem_printf("dag/testdata/%s", names[i]->d_name);
                AUTO_STR *text = str_has_suffix(path, ".json") ? read_file(path) : mem_strdup("");
                for (int k = 0; k < RULE_COUNT; k++)
                        seen[k] |= strstr(text, rule_info((enum rule)k)->name) != NULL;
                free(names[i]);
        }
        free(names);
        for (int k = 0; k < RULE_COUNT; k++)
                if (!seen[k])
                        fail_msg("no case for %s", rule_info((enum rule)k)->name);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(find__every_name__is_its_rule),
                cmocka_unit_test(help__every_rule__one_or_two_sentences),
                cmocka_unit_test(cases__every_rule__stands_in_some_case_file),
        };
        return cmocka_run_group_tests_name("dag/rule", tests, NULL, NULL);
}
