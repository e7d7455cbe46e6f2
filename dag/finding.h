/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding - one thing that is wrong (or worth saying) with one object.
 *
 * Findings are data: the webhook turns them into denials and warnings, the controller into status, lint into lines.
 * A finding lives in the arena of whoever asked for it and borrows nothing from the store.
 */
#pragma once

#include "dag/rule.h"
#include "kube/object.h"

/* Names an object; copies, for results that outlive the store's object. */
struct object_ref {
        enum kind kind;
        const char *namespace, *name;
};
bool object_ref_equal(const struct object_ref *a, const struct object_ref *b);
/* By kind, namespace, name. */
int object_ref_compare(const struct object_ref *a, const struct object_ref *b);

struct finding {
        enum rule rule;
        bool denies;             /* at admission (the policy and the case have been considered) */
        struct object_ref about; /* whose finding it is */
        const char *field;       /* "spec.routes[1].match" */
        const char *message;     /* in Kubernetes' form: "Invalid value: \"x\": must start with /" */
        const char *subject;     /* what it is about whatever the index: an UPDATE may keep rule + subject as it was */
};

/* A growing list in an arena; the zero value with an arena set is empty. */
struct findings {
        struct arena *arena;
        struct finding *items;
        size_t count;
};

/* Copies f and everything that it points to into the list. */
void findings_add(struct findings *list, const struct finding *f);

/* Whether two findings are the same violation: rule and subject are equal (rules.md, "At admission"). */
bool finding_same(const struct finding *a, const struct finding *b);

/* "<field>: <message> [<Rule>]", as denials, warnings, conditions and lint print it; in a. */
char *finding_text(struct arena *a, const struct finding *f) __attribute__((returns_nonnull));

/* Sorts by the order in which they are told: rule_status (worst first), ownership and grants, field, rule, message;
 * drops equal ones. */
void findings_sort(struct findings *list);

/* s between quotes, control characters and the C0 80 of object.h as \uXXXX, at most 128 bytes of it; in a. */
char *finding_quote(struct arena *a, const char *s) __attribute__((returns_nonnull));
