/* SPDX-License-Identifier: Apache-2.0 */
/* meta - names and metadata as kube-apiserver checks and fills them. */
#pragma once

#include "e2e/devkube/resource.h"

/* "2d1c...": a random UUID (RFC 4122, version 4). */
void meta_new_uid(char uid[37]);
/* At creation: name from generateName, uid, creationTimestamp, generation; what a client may not set goes. */
void meta_create(const struct resource *r, const char *ns, json_t *object);
/* At an update: what must not change comes from old. */
void meta_update(json_t *object, const json_t *old);
/* name, labels, annotations, finalizers. old NULL: it is created. */
void meta_validate(const struct resource *r, const json_t *object, const json_t *old, json_t *causes);
/* Whether what metadata.generation counts differs: all but metadata, and status where it is a subresource. */
bool meta_spec_differs(const struct version *v, const json_t *object, const json_t *old);
