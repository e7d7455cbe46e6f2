/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what every check of an object is given, and where its findings go.
 *
 * Each rule is checked by one function, used twice: judge_object() wants the findings, host_compile() wants only what
 * is left to serve and passes no list. So the two cannot disagree.
 */
#pragma once

#include "dag/finding.h"
#include "dag/policy.h"
#include "kube/store.h"

#include <stdint.h>

struct check {
        const struct view *view;
        const struct policy *policy;
        const struct object *about; /* whose findings these are */
        struct findings *list;      /* NULL: findings are not wanted */
        struct arena *scratch;      /* for what does not outlive the judgement */
};

/* Where in an object: the object itself, one of its routes, or its tcpproxy; in these, perhaps one service. */
enum place_part { PLACE_OBJECT, PLACE_ROUTE, PLACE_TCPPROXY };
struct place {
        enum place_part part;
        size_t route;
        bool in_service;
        size_t service;
};
static const struct place place_object = {.part = PLACE_OBJECT};

static inline struct place place_route(size_t index)
{
        return (struct place){.part = PLACE_ROUTE, .route = index};
}

static inline struct place place_tcpproxy(void)
{
        return (struct place){.part = PLACE_TCPPROXY};
}

static inline struct place place_service(struct place at, size_t index)
{
        at.in_service = true;
        at.service = index;
        return at;
}

/* "spec.routes[1].services[0].port" for leaf "port"; leaf alone for the object; "" or NULL: the place itself. */
char *place_field(struct arena *a, struct place at, const char *leaf) __attribute__((returns_nonnull));

/*
 * Adds a finding about c->about. subject is what the violation is about, independent of indices (finding_same()).
 * Whether it denies follows from the rule and the policy. A field that could not be decoded has its FieldInvalid and
 * gets no second finding. Does nothing without a list.
 */
void check_add(const struct check *c, enum rule rule, struct place at, const char *leaf, const char *subject,
               const char *format, ...) __attribute__((format(printf, 6, 7)));

/* FieldInvalid or UnknownField for every problem that decoding c->about met. */
void check_add_problems(const struct check *c);

/* s quoted for a message, in the scratch arena; NULL becomes "". */
const char *check_quote(const struct check *c, const char *s) __attribute__((returns_nonnull));

static inline struct object_ref object_ref_of(const struct object *o)
{
        return (struct object_ref){o->kind, o->namespace, o->name};
}
/* The same with copies in a. */
struct object_ref object_ref_dup(struct arena *a, const struct object *o);
