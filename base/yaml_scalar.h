/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml_scalar - what a YAML scalar is: null, boolean, number or string. Private to base/yaml.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct yaml_text {
        const char *text;
        size_t size;
        const char *tag; /* NULL: none given */
        bool plain;      /* written without quotes */
};

/* The value, or NULL with what is wrong. */
json_t *yaml_scalar(const struct yaml_text *scalar, const char **problem);

/* A scalar value as the key of a JSON object, for mem_free(); NULL for what cannot be one. */
char *yaml_key_text(const json_t *value);
