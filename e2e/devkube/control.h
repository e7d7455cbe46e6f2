/* SPDX-License-Identifier: Apache-2.0 */
/* control - the endpoints under /devkube/, and what they ask of the main thread. README.md describes them. */
#pragma once

#include "e2e/devkube/http.h"

void control_handle(struct request *q, struct answer *a);

/* What the main thread is asked to do to the server. */
struct restart {
        int64_t down;  /* nanoseconds without a listening socket */
        bool forget;   /* history is lost */
        uint64_t jump; /* of the revision, when it is lost */
};
/* A descriptor that is readable when a restart is wanted; control_restart() then says which. */
int control_fd(void);
struct restart control_restart(void);

/* Stores objects from a List or from lines of JSON, past validation and admission; *count of them. */
bool control_load(const char *text, size_t n, size_t *count, struct err *e);
