/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/rule.h"

#include "base/mem.h"

#include <assert.h>

#define RULE_INFO(name, admission, status, help) [RULE_##name] = {#name, ADMISSION_##admission, STATUS_##status, help},
static const struct rule_info rules[RULE_COUNT] = {RULES(RULE_INFO)};
#undef RULE_INFO

const struct rule_info *rule_info(enum rule rule)
{
        assert((size_t)rule < COUNT_OF(rules));
        return &rules[rule];
}

bool rule_find(const char *name, enum rule *rule)
{
        for (size_t i = 0; i < COUNT_OF(rules); i++) {
                if (str_equal(rules[i].name, name)) {
                        *rule = (enum rule)i;
                        return true;
                }
        }
        return false;
}
