/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure - an answer of kind Status with status Failure, worded as kube-apiserver words it.
 *
 * Zero it before use; failure_done() when the request is over. The functions return false, so that a handler fails in
 * one line. Source: apimachinery's api/errors and util/validation/field, as seen on the wire.
 */
#pragma once

#include "e2e/devkube/js.h"

struct resource;

struct failure {
        int code; /* 0: none */
        json_t *status;
        int retry_after; /* seconds; 0: no header */
};

void failure_done(struct failure *f);

/* reason is a metav1.StatusReason such as "BadRequest". */
bool fail(struct failure *f, int code, const char *reason, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* A Status that is already complete (taken over); its code is looked up in it. */
bool fail_status(struct failure *f, json_t *status);

bool fail_bad_request(struct failure *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fail_not_found(struct failure *f, const struct resource *r, const char *name);
bool fail_exists(struct failure *f, const struct resource *r, const char *name);
/* why NULL: the object has been modified. */
bool fail_conflict(struct failure *f, const struct resource *r, const char *name, const char *why);
/* An update of a kind that must name the revision that it changes. */
bool fail_needs_revision(struct failure *f, const struct resource *r, const char *name);
/* A webhook could not be asked. */
bool fail_webhook(struct failure *f, const char *message);
/* The list asked for goes too far back: 410 Expired. */
bool fail_expired(struct failure *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One field's error appended to causes (an array); message as field.Error prints it without the field. */
void cause_add(json_t *causes, const char *reason, const char *field, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
void cause_required(json_t *causes, const char *field, const char *detail);
/* value is quoted when it is a string, else printed as JSON. */
void cause_invalid(json_t *causes, const char *field, const json_t *value, const char *detail);
void cause_invalid_str(json_t *causes, const char *field, const char *value, const char *detail);
/* 422 when there are causes. */
bool fail_if_causes(struct failure *f, const struct resource *r, const char *name, const json_t *causes);
