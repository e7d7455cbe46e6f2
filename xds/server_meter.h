/* SPDX-License-Identifier: Apache-2.0 */
/* server_meter - the xDS server's metrics: one set for the process. */
#pragma once

#include "xds/cache.h"

struct server_meter;

/* Registers the metrics. */
struct server_meter *server_meter_new(void) __attribute__((returns_nonnull));
void server_meter_free(struct server_meter *m);

void server_meter_streams(struct server_meter *m, size_t count);
/* How many resources of each type the cache holds. */
void server_meter_resources(struct server_meter *m, const struct cache *c);
void server_meter_push(struct server_meter *m, enum resource_type type);
void server_meter_answer(struct server_meter *m, enum resource_type type, bool accepted);
/* Nanoseconds from knowing a change to handing its last byte to a connection. */
void server_meter_latency(struct server_meter *m, int64_t nanos);
