/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi_pb - an OpenAPI v2 document in the protobuf form that kubectl before 1.2x insists on.
 *
 * Messages and numbers are those of openapi.v2.Document (gnostic, openapiv2/OpenAPIv2.proto); only what devkube's own
 * documents hold is written.
 */
#pragma once

#include "base/buf.h"

#include <jansson.h>

void openapi_pb_write(struct buf *out, const json_t *document);
