/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - YAML (and JSON) documents as JSON values, the way Kubernetes' own tools read manifests.
 *
 * Plain scalars are read by YAML 1.1: yes and on are booleans, 0644 is octal; merge keys (<<) work. What JSON cannot
 * hold (infinity, a list as key) and what is surely a mistake (a key given twice) is an error that names the line.
 * The bytes are not trusted: depth, nodes and what aliases multiply are bounded.
 * Source: YAML 1.1, yaml.org/type; sigs.k8s.io/yaml.
 */
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

enum {
        YAML_DEPTH_MAX = 128,
        YAML_NODES_MAX = 1000 * 1000, /* a document, aliases counted as often as they are used */
};

/* One document. The callee takes value by json_incref() when it keeps it. */
struct yaml_document {
        json_t *value;
        unsigned line;              /* where it begins, from 1 */
        const unsigned *item_lines; /* of the elements of a list called "items" at the top (a kind List) */
        size_t item_count;
};

/*
 * Calls each() for every document that is not empty, until it returns false. False with an error when the text cannot
 * be read: each() has then been called for the documents before.
 */
bool yaml_read(const char *text, size_t n, bool (*each)(const struct yaml_document *document, void *arg), void *arg,
               struct err *e);
