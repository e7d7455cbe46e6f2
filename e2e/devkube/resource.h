/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource - the kinds that are served: built in, or defined by a CustomResourceDefinition.
 *
 * A resource never changes once it is found: a changed CRD puts a new one in its place, which shares the collection
 * of objects. All of them live as long as the process, so a borrowed pointer never dies.
 */
#pragma once

#include "e2e/devkube/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { VERSIONS_MAX = 8 };

struct collection;

struct version {
        char *name;        /* "v1beta1" */
        char *api_version; /* "contour.heptio.com/v1beta1" */
        char *head;        /* {"apiVersion":...,"kind":...,  what stands before an object's stored text */
        json_t *schema;    /* of the whole object; NULL: anything goes */
        json_t *columns;   /* additionalPrinterColumns of a CRD, or NULL */
        bool status;       /* has the status subresource */
};

struct resource {
        char *group, *plural, *singular, *kind, *list_kind;
        json_t *short_names, *categories;
        bool namespaced, custom;
        struct version versions[VERSIONS_MAX]; /* served ones; the preferred one first */
        size_t version_count;
        struct collection *objects;
};

/* The built-in kinds. disabled: NULL-ended list of "group/version" that are left out. */
void resources_init(const char *const *disabled);

/* NULL when it is not served. */
const struct resource *resource_find(const char *group, const char *version, const char *plural);
const struct resource *resource_find_kind(const char *group, const char *kind);
const struct version *resource_version(const struct resource *r, const char *name) __attribute__((pure));

bool resource_group_served(const char *group, const char *version);

/* All served ones, for mem_free(). */
const struct resource **resources_all(size_t *count);

/* From a CRD that was validated; again for a changed one. */
void resource_define(const json_t *crd);
/* The CRD is gone: nothing serves it any more; NULL when there was none. */
const struct resource *resource_undefine(const char *plural, const char *group);

/* As kube-apiserver judges it before it stores a CRD; also fills the defaults in. */
void crd_default(json_t *crd);
void crd_validate(const json_t *crd, json_t *causes);
/* Accepted and served at once. */
void crd_establish(json_t *crd);
