/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission_review - an AdmissionReview's bytes in, its answer's bytes out.
 *
 * Pure. Limits come before the parser; what is refused here is the sender's fault, not the user's, and answered with
 * an HTTP status. The object and oldObject lie in the thread's json_arena from admission_review_read() until
 * admission_review_done(), on the same thread; everything else of the review lives in the arena that was given.
 * Format: Kubernetes, "Dynamic Admission Control", admission.k8s.io/v1 and v1beta1 (which differ in name only).
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

enum {
        REVIEW_BODY_MAX = 8 * 1024 * 1024, /* etcd holds 1.5 MiB; old and new object, escaped, and headroom */
        REVIEW_NAME_MAX = 1024,            /* bytes of uid, names and kinds; Kubernetes allows 253 */
        REVIEW_WARNING_MAX = 250,          /* the API server cuts at 256 */
        REVIEW_LINE_MAX = 1024,            /* bytes of one finding in a denial */
        REVIEW_LINES_MAX = 100,            /* findings told in one answer; then how many more */
        REVIEW_ANSWER_MAX = 4 * 1024 * 1024,
};

enum operation { OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE, OPERATION_CONNECT };
enum { OPERATION_COUNT = OPERATION_CONNECT + 1 };
const char *operation_name(enum operation operation) __attribute__((returns_nonnull));

struct admission_review {
        const char *api_version; /* "admission.k8s.io/v1" or "admission.k8s.io/v1beta1" */
        const char *uid;
        enum operation operation;
        const char *group, *version, *kind; /* "" when not given, as the others */
        const char *subresource, *namespace, *name;
        bool dry_run;
        json_t *object, *old_object; /* JSON objects; NULL when null or absent */
};

/*
 * Reads n bytes. False with e->code an HTTP status (400; 413 for what is too large) when they are not a usable
 * review; then there is nothing to finish.
 */
bool admission_review_read(const char *body, size_t n, struct arena *a, struct admission_review *r, struct err *e);
/* Gives the JSON back: object and old_object are NULL afterwards, the rest stays. */
void admission_review_done(struct admission_review *r);

/* One reason of a denial, as Kubernetes tells it. */
struct admission_cause {
        const char *field, *message;
};

struct admission_answer {
        bool allowed;
        int code; /* of a denial: 403 or 422 */
        const struct admission_cause *causes;
        size_t cause_count;
        const char *const *warnings;
        size_t warning_count;
        const char *patch; /* JSON Patch; NULL: none */
};

/*
 * The answer in the review's own version, with its uid: a denial's message has one line a cause. Whatever is too long
 * is shortened in the middle, what is too much is counted; out needs a maximum of REVIEW_ANSWER_MAX.
 */
void admission_review_answer(const struct admission_review *r, const struct admission_answer *answer, struct buf *out);

/* text in at most max bytes (at least 64), the middle replaced by "..." where needed, never within a character. */
char *admission_review_shorten(struct arena *a, const char *text, size_t max) __attribute__((returns_nonnull));
