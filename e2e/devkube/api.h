/* SPDX-License-Identifier: Apache-2.0 */
/* api - from a path to the handler: authentication, discovery, resources, control. */
#pragma once

#include "e2e/devkube/http.h"

/* The token that every request needs; borrowed for ever. */
void api_init(const char *expected_token);
void api_handle(struct request *q, struct answer *a);
