/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envoy_admin - the few questions that we have for Envoy's admin interface, over its Unix socket.
 *
 * Blocking, a few seconds at most; any thread.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on Envoy says that it is not ready, and closes connections behind their next answer. */
bool envoy_admin_fail_health(const char *socket_path, struct err *e);

/*
 * How many connections clients hold open: to all listeners but the admin interface itself and the one on stats_port,
 * whose readers (probes, Prometheus) come until the end.
 */
bool envoy_admin_open_connections(const char *socket_path, uint16_t stats_port, size_t *open, struct err *e);

/* What Envoy's /stats says in its text form, summed up: see above. False when a line is not what Envoy writes. */
bool envoy_admin_count(const char *stats, uint16_t stats_port, size_t *open, struct err *e);
