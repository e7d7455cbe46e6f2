/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access_log - what Envoy writes of each request or connection.
 *
 * A field of a JSON log is a name from our table ("path"), or a name with a format string of Envoy's
 * ("tenant=%REQ(X-TENANT)%").
 */
#pragma once

#include "xds/message.h"
#include "xds/options.h"

#include <envoy/config/accesslog/v3/accesslog.pb-c.h>

/* The format string of a named field, or NULL. */
const char *access_log_field_find(const char *name);
/* Whether a field as written is one: known by name, or with a format. */
bool access_log_field_is_known(const char *field);

/* Fields that are not known are left out. */
Envoy__AccessLog *access_log(struct arena *a, const char *path, const struct xds_access_log *log)
        __attribute__((returns_nonnull));
