/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - one request for a resource: what is asked, and what came of it.
 *
 * A handler returns false when it failed, with c->failure set; else it has filled c->answer.
 */
#pragma once

#include "e2e/devkube/http.h"
#include "e2e/devkube/store.h"

enum field_validation { FIELDS_IGNORE, FIELDS_WARN, FIELDS_STRICT };

struct call {
        struct request *request;
        struct answer *answer;
        struct failure failure;
        const struct resource *resource;
        const struct version *version;
        const char *verb;      /* as in RBAC: get list watch create update patch delete deletecollection */
        char *ns, *name, *sub; /* NULL: none */
        bool dry_run;
        enum field_validation validation;
};

bool read_get(struct call *c);
bool read_list(struct call *c);
/* A whole listing as an answer. */
void read_answer_listing(struct call *c, struct listing *l);
bool watch_start(struct call *c);
bool write_create(struct call *c);
bool write_update(struct call *c);
bool write_patch(struct call *c);
bool delete_one(struct call *c);
bool delete_many(struct call *c);

/* Reads ns, name and both selectors of a list, watch or deletecollection. *labels and *fields are the caller's. */
bool call_query(struct call *c, struct query *q, struct selector **labels, struct selector **fields);

/* Answers with a JSON value, or with an object's own bytes (as a Table where one was asked for). */
void call_answer(struct call *c, int code, const json_t *value);
void call_answer_object(struct call *c, int code, const json_t *object);
void call_warn(struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 404 when the namespace that is written to does not exist. */
bool call_needs_namespace(struct call *c);
