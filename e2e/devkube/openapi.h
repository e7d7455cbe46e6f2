/* SPDX-License-Identifier: Apache-2.0 */
/* openapi - what kubectl asks for: v3 per group and version (JSON), v2 as a whole (JSON, or protobuf for old ones). */
#pragma once

#include "e2e/devkube/http.h"

/* false when the path is none of its. */
bool openapi_handle(const struct request *q, struct answer *a);
