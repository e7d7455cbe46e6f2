/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdout - what a shared resource may show of each host, so that one bad host never holds back another.
 *
 * One per RouteConfiguration or Listener that is assembled from parts of many hosts. Envoy refuses such a resource as a
 * whole and does not say reliably whose fault it is. After a NACK the parts that changed since the last ACK are
 * suspects: half of them go back to their last accepted bytes at once, the others are tried; so, by halves, each bad
 * part is found in log2(suspects) rounds and stays held out, by the hash of its content, until it changes. What one
 * Envoy has accepted is never held out: Envoys of different versions cannot take each other's routes away. After a
 * restart nothing is accepted yet and all are suspects; those that were refused before come first then, so that good
 * hosts are not away for these rounds.
 *
 *     on a change of hosts:       holdout_offer() each, then publish
 *     publish:                    holdout_parts(), assemble, holdout_published(), cache_set()
 *     on an outcome with tracked: if (holdout_accepted() or holdout_refused()) publish
 */
#pragma once

#include "xds/resource.h"

struct holdout;

/*
 * fallback makes what stands for a host that is held back and of which nothing was accepted yet: a part of its name
 * that answers nothing, so that no wildcard of somebody else gets its requests. When an Envoy refuses even these, there
 * are none from then on. May be NULL.
 */
struct holdout *holdout_new(struct resource *(*fallback)(const char *host)) __attribute__((returns_nonnull));
void holdout_free(struct holdout *h);
AUTO_DEFINE(holdout)

/*
 * What the host would show now; NULL: it has gone, and nothing of it is kept. The part's name is the host's. Whether
 * that is something else than before.
 */
bool holdout_offer(struct holdout *h, const char *host, const struct resource *part);
/* What the host shows now was refused before our time, it is said: it is the first to be held back, if need be. */
void holdout_suspect(struct holdout *h, const char *host);
/* What to assemble: at most one part per host, by strcmp() order of hosts. Borrowed until the next call. */
const struct resource *const *holdout_parts(struct holdout *h, size_t *n);
/*
 * What holdout_parts() gave last was assembled; mark is the cache_mark() of the result's version. True: it is what was
 * published before, and accepted, so nothing is sent and nobody will answer: holdout_accepted() is to be called. (A
 * host that serves nothing is as its fallback.)
 */
bool holdout_published(struct holdout *h, uint64_t mark);

/* An Envoy's ACK and NACK of what was published under that mark; true: publish again. Late and unknown ones are fine.
 */
bool holdout_accepted(struct holdout *h, uint64_t mark);
bool holdout_refused(struct holdout *h, uint64_t mark);

/* Whether the host's content of now was found to be refused (rule EnvoyRejected). */
bool holdout_is_refused(const struct holdout *h, const char *host);
/* All of these hosts, in no order that means anything. */
void holdout_each_refused(const struct holdout *h, void (*each)(const char *host, void *arg), void *arg);
/* Hosts of which something is held back at the moment, found or only suspected. */
size_t holdout_held(const struct holdout *h);
