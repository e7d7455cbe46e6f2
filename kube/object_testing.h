/* SPDX-License-Identifier: Apache-2.0 */
/* object_testing - objects from JSON text and from testdata/, for the tests of kube. */
#pragma once

#include "kube/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static inline json_t *test_json(const char *text)
{
        json_error_t error;
        json_t *json = json_loads(text, JSON_ALLOW_NUL, &error);
        if (!json)
                fail_msg("%s at %d: %s", error.text, error.position, text);
        return json;
}

static inline json_t *test_file(const char *name)
{
        char path[256];
        snprintf(path, sizeof(path), "kube/testdata/%s", name);
        json_error_t error;
        json_t *json = json_load_file(path, JSON_ALLOW_NUL, &error);
        if (!json)
                fail_msg("%s: %s", path, error.text);
        return json;
}

static inline struct object *test_decode_with(enum kind kind, const json_t *json, const struct object_options *options)
{
        struct err e = {0};
        struct object *o = object_decode(kind, json, options, &e);
        if (!o)
                fail_msg("%s", e.text);
        return o;
}

/* From text, with ' in the place of ". */
static inline struct object *test_object(enum kind kind, const char *text)
{
        AUTO_STR *quoted = mem_strdup(text);
        for (char *c = quoted; *c; c++)
                if (*c == '\'')
                        *c = '"';
        json_t *json = test_json(quoted);
        struct object *o = test_decode_with(kind, json, NULL);
        json_decref(json);
        return o;
}

static inline struct object *test_file_object(enum kind kind, const char *name)
{
        json_t *json = test_file(name);
        struct object *o = test_decode_with(kind, json, NULL);
        json_decref(json);
        return o;
}

/* o has just this problem. */
static inline void assert_problem(const struct object *o, const char *field, const char *message)
{
        assert_int_equal(o->problem_count, 1);
        assert_string_equal(o->problems[0].field, field);
        assert_string_equal(o->problems[0].message, message);
}
