/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault - what goes wrong on demand, and a count of what was asked. README.md describes the control endpoint.
 */
#pragma once

#include "e2e/devkube/call.h"

/* Counts the request, and lets a matching fault strike: true when c->failure or c->answer->drop is set. */
bool fault_strikes(struct call *c);
/* After the handler ran: a fault that loses the answer of a request that was served. */
void fault_loses_answer(struct call *c);
/* A watch that starts is told that its revision is too old. */
bool fault_says_gone(const struct call *c);
/* The line of a watch that was just written is cut in the middle. */
bool fault_cuts_line(const struct resource *r);
/* Counts up when all watches are to be dropped. */
uint64_t fault_drops(void);
void fault_drop_watches(void);

/* Adds one from its description; an error says what is wrong with it. */
bool fault_add(const json_t *description, struct err *e);
void fault_clear(void);
json_t *fault_list(void);

/* {"list ingressroutes": 3, "patch ingressroutes/status": 1, ...} */
json_t *fault_counts(void);
void fault_reset_counts(void);
