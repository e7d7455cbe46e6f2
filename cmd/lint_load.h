/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint_load - manifests from files and folders as objects, each with the place it came from.
 *
 * YAML or JSON, several documents a file, kind List. Objects of kinds that gatehouse does not read are passed over.
 * What comes first counts as created first; what is given again replaces what was there.
 */
#pragma once

#include "base/arena.h"
#include "kube/object.h"

enum {
        LINT_FILE_MAX = 64 * 1024 * 1024,
        LINT_DEPTH_MAX = 32, /* of folders: links may go round in circles */
};

/* Where the object of a key stands. */
struct lint_place {
        enum kind kind;
        const char *namespace, *name;
        const char *file;
        unsigned line;
        bool replaced; /* the same object is given again further on */
};

struct lint_load {
        struct arena *arena;
        const char *default_namespace;
        /* Takes each object. */
        void (*put)(struct object *o, void *arg);
        void *arg;

        struct lint_place *places; /* in order of reading */
        size_t count;
        struct map *by_key; /* "Kind/namespace/name" -> struct lint_place, the last one; owned */
        unsigned problems;  /* told on stderr: files that cannot be read, objects without a name */
};

/* Reads path: a file, or all *.yaml, *.yml and *.json below a folder, in order of their names; "-" is stdin. */
void lint_load_path(struct lint_load *l, const char *path);
