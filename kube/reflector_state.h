/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reflector_state - what a reflector asks next and when, pure.
 *
 * Pages of a list follow each other until one has no continue token; then a watch follows the other, each from where
 * the last one stopped. Only 410 Gone, a server that knows less than we do, or a watch that is refused over and over
 * begin a new list. A try that failed for want of a server is tried again as it was.
 */
#pragma once

#include "kube/backoff.h"

#include <stdbool.h>
#include <stddef.h>

enum {
        REFLECTOR_REFUSALS = 3,     /* watches in a row that brought nothing but an error: then a list */
        REFLECTOR_GOOD_SECONDS = 5, /* a watch that held as long was none that fails at once */
};

enum reflector_ask {
        REFLECTOR_ASK_LIST,    /* the page of state->next */
        REFLECTOR_ASK_VERSION, /* a list of one object: only its resourceVersion counts */
        REFLECTOR_ASK_WATCH,
};

struct reflector_state {
        char *version;  /* resourceVersion to watch from; NULL: a list comes first */
        char *next;     /* continue token of the list under way; NULL: its first page */
        unsigned limit; /* objects a page; 0: no list is under way */
        bool doubt;     /* the server was lost: it may be back with less than it had */
        unsigned refusals;
        struct backoff list_backoff, watch_backoff;
};
void reflector_state_done(struct reflector_state *s);

enum reflector_ask reflector_state_ask(const struct reflector_state *s);
/* Path and query of what is asked; for mem_free(). seconds: how long a watch is to last. */
char *reflector_state_path(const struct reflector_state *s, const char *path, const char *field_selector, int seconds)
        __attribute__((returns_nonnull));
/* Called before the request of a list's page: true when it is the first one of a new list. */
bool reflector_state_begin_page(struct reflector_state *s);

/* What came back. */
struct page_outcome {
        int code;            /* HTTP status, 0: no answer */
        bool too_large;      /* the answer exceeded what is read of one */
        const char *version; /* of the list; NULL: it was none */
        const char *next;    /* NULL: it was the last page */
        int64_t retry_after;
};
struct watch_outcome {
        int code;       /* HTTP status, 0: no answer */
        int error_code; /* of an ERROR event; 0: there was none */
        bool broken;    /* it ended otherwise than by the server's closing it in good order */
        bool got_event; /* other than ERROR */
        int64_t lasted, retry_after;
};

/* What to do now. */
struct reflector_step {
        int64_t wait;       /* nanoseconds until the next request */
        const char *reason; /* why things do not go on as planned, a literal; NULL: they do */
        bool list_ended;    /* what was not listed is gone */
};
struct reflector_step reflector_state_page(struct reflector_state *s, const struct page_outcome *o);
struct reflector_step reflector_state_version(struct reflector_state *s, const struct page_outcome *o);
struct reflector_step reflector_state_watch(struct reflector_state *s, const struct watch_outcome *o);
/* An event told its resourceVersion. */
void reflector_state_event(struct reflector_state *s, const char *version);
