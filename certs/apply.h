/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply - the rotation's objects in a cluster: Secrets, and caBundle in the webhook configurations.
 *
 * Blocking, for certgen: each call runs the event loop until its answer is there. Every write carries the
 * resourceVersion that was read, so of two Jobs the slower one gets APPLY_CONFLICT and starts over by reading again.
 */
#pragma once

#include "certs/rotation.h"
#include "kube/kubeconfig.h"

/* err.code when another writer was faster. */
enum { APPLY_CONFLICT = 409 };

struct apply;

/* Takes config. namespace: where the Secrets live. */
struct apply *apply_new(struct kubeconfig *config, const char *namespace, struct err *e);
void apply_free(struct apply *a);
AUTO_DEFINE(apply)

/* Fills all objects from the API server; what it does not have is absent. */
bool apply_read(struct apply *a, struct rotation *r, struct err *e);

/* A rotation_write_fn; arg is the apply that the objects were read by. */
bool apply_write(struct rotation_object *o, void *arg, struct err *e);

/*
 * What time it is: the API server's, where this machine's clock is more than a few seconds away from it. Jobs on
 * different nodes then agree on when an overlap is over. After apply_read().
 */
int64_t apply_time(const struct apply *a);

/* Waits, so that the other Job gets on. */
void apply_pause(struct apply *a, int64_t nanos);
