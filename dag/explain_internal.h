/* SPDX-License-Identifier: Apache-2.0 */
/* explain_internal - what the parts of explain() share. Only for explain*.c. */
#pragma once

#include "dag/explain.h"

struct explain_work {
        struct arena *a;
        const struct explain_input *in;
        const struct explain_url *url;
        bool tls; /* the side that is asked: the URL's, or that of a redirect */
        struct explanation *out;
};

/* explain.c: whether the match, escaped as Envoy has it, covers the URL's path. */
bool explain_covers(const struct explain_work *w, const char *match, bool exact);

/* explain_chain.c: the delegations from the host's owner to the route's object (or along its tcpproxy). */
void explain_chain(struct explain_work *w);
/* Adds the findings of each object on the way that touch what is asked for. */
void explain_findings(struct explain_work *w);
/* Whether a finding's field is about the route, or about the object as a whole. */
bool explain_field_matters(const char *field, const char *place, bool tcpproxy);

/* explain_stopped.c: who asks for the host or a path of it, and does not have it. */
void explain_stopped(struct explain_work *w);
/* The object's own side. */
void explain_from(struct explain_work *w);
