/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_health - the service grpc.health.v1.Health: Check and Watch (gRPC, "Health Checking Protocol").
 *
 * Knows the server as a whole ("") and the services named at the start; all share one state, not serving at first.
 */
#pragma once

#include "xds/grpc.h"

struct grpc_health;

/* Adds the two methods to s, which must be freed before the result. names are copied. */
struct grpc_health *grpc_health_new(struct grpc_server *s, const char *const *names, size_t count)
        __attribute__((returns_nonnull));
void grpc_health_free(struct grpc_health *h);
AUTO_DEFINE(grpc_health)

/* Watchers are told when it changes. */
void grpc_health_set(struct grpc_health *h, bool serving);
