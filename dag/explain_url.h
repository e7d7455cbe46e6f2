/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_url - a URL as Envoy will see its request: which side, which host, which path is compared.
 *
 * The text is a stranger's. The path becomes what Envoy's normalize_path and merge_slashes make of it (Envoy v3 API
 * reference, HttpConnectionManager): characters that need no escape are unescaped, those that do are escaped, dot
 * segments and double slashes go.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { EXPLAIN_URL_MAX = 4096 }; /* twice the longest match; in a request for it, it is percent-encoded once more */

struct explain_url {
        bool tls;
        const char *host;     /* lower case, one trailing dot off; an IPv6 address without brackets */
        uint16_t port;        /* 0: not given. Listeners are many to one, it decides nothing */
        const char *path;     /* begins with a slash */
        const char *query;    /* "" or with its question mark */
        bool escaped_slashes; /* the path had a %2F or %5C */
};

/* What is done to escaped slashes in paths, as Envoy is told. */
enum explain_slashes { EXPLAIN_SLASHES_UNESCAPE, EXPLAIN_SLASHES_KEEP };

/*
 * The URL of n bytes; without a scheme it is http, as with curl. Strings are in a. False when it is no URL that a
 * client could ask Envoy for.
 */
bool explain_url_parse(struct arena *a, const char *text, size_t n, enum explain_slashes slashes,
                       struct explain_url *out, struct err *e);
