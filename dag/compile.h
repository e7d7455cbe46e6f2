/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile - from a view of the store to hosts and findings, with no I/O, no clock and no log.
 *
 * One judgement, three readers: the webhook calls this on store + candidate, the controller on the store, xds reads
 * the controller's hosts. Everything here is thread-safe for as long as the view's store does not change.
 * The same store gives the same bytes, whatever the order in which objects arrived.
 */
#pragma once

#include "dag/host.h"

/*
 * Compiles the virtual host called name (normalised). Never NULL: a host that nobody asks for has no owner and no
 * objects. now is in microseconds since 1970. The caller owns a reference. What was read is recorded in v->reads.
 */
struct host *host_compile(const struct view *v, const struct policy *policy, const char *name, int64_t now)
        __attribute__((returns_nonnull));

/*
 * What can be said of one object without compiling a host: its own syntax and ranges, the objects that it names and
 * whether it may. Findings go to the list, all about o. Works for every kind (TLSCertificateDelegation, Ingress,
 * Service and Namespace annotations). When o is the view's candidate, what only admission asks is judged too: whether
 * it closes a cycle, whether every existing delegator excludes a route.
 */
void judge_object(const struct view *v, const struct policy *policy, const struct object *o, struct findings *list);

/* Rule EnvoyRejected, about the owner of h: an Envoy has refused what h says (controller/pipeline knows of which). */
void judge_refused(const struct host *h, struct findings *list);

/* Whether an IngressRoute or Ingress is of our class (api.md, "Annotations"); other kinds are. */
bool judge_is_ours(const struct view *v, const struct policy *policy, const struct object *o);

/* ---- an object's state: its own findings and what its hosts say, as one answer ---- */

struct object_state {
        bool ours;                      /* false: another class; no status is written, nothing else is set */
        enum rule_status status;        /* STATUS_NOTICE stands for valid */
        const struct finding *findings; /* in the order of findings_sort() */
        size_t finding_count;
        const char *const *virtual_hosts; /* sorted */
        size_t virtual_host_count;
        const char *claim_fqdn; /* NULL: the object is to hold no claim */
        int64_t claim_since;    /* as host_object.claim_since */
};

/*
 * Merges judge_object()'s findings (own, about o) with those of the hosts that have o among their objects. hosts_of
 * gives the hosts of an object (o, or one that findings of o depend on), in any order; arg is handed to it. Results
 * are in a; hosts' strings are copied.
 */
typedef size_t hosts_of_fn(const struct object_ref *ref, const struct host *const **hosts, void *arg);
void object_state(struct arena *a, const struct view *v, const struct policy *policy, const struct object *o,
                  const struct findings *own, hosts_of_fn *hosts_of, void *arg, struct object_state *out);

/* ---- admission ---- */

/* What one review judges at most; ReviewTruncated says when there is more. */
enum {
        ADMISSION_HOSTS_MAX = 64,
        ADMISSION_WORK_MAX = 16384, /* routes looked at: strangers' large hosts must not make a review long */
};

/*
 * Everything found about the view's candidate on store + candidate: judge_object(), the hosts that it touches (its
 * own names; upwards along delegations for a child), merged by object_state(). Ordered as findings_sort() does.
 */
void judge_candidate(const struct view *v, const struct policy *policy, int64_t now, struct findings *list);
