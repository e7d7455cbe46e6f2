/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syntax - names, host names and paths: what is well-formed, and which path covers which.
 */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* RFC 1123 label: lower case letters, digits, inner hyphens, 1-63 bytes. */
bool syntax_is_label(const char *s, size_t n);
/* RFC 1035 label, as Service names are: an RFC 1123 label that starts with a letter. */
bool syntax_is_service_name(const char *s);
/* Labels joined by dots, at most 253 bytes (Kubernetes' "DNS subdomain"). */
bool syntax_is_subdomain(const char *s);
/* NULL when s is an exact host name; else what is wrong with it, a literal. */
const char *syntax_host_problem(const char *s);
/* An IPv4 or IPv6 literal, also in brackets. */
bool syntax_is_ip(const char *s);

enum { SYNTAX_PATH_MAX = 2048 };
/* NULL when s is a path prefix as rules.md's PathInvalid wants it; else what is wrong, a literal. */
const char *syntax_path_problem(const char *s);
/* The path without trailing slashes, except "/" itself; s itself when it has none. */
const char *syntax_path_normalise(struct arena *a, const char *s);
/*
 * The path as Envoy has it (normalize_path) when it compares: what a URL cannot hold is percent-encoded, so "/a b" as
 * written would match nothing. And a rewrite must not bring a space into a request line.
 */
char *syntax_path_escape(struct arena *a, const char *path) __attribute__((returns_nonnull));
/* Whether a URL cannot hold the byte as it is. */
bool syntax_byte_needs_escape(unsigned char c);
/* Whether prefix covers path at a segment boundary; both normalised. "/" covers all. */
bool syntax_path_covers(const char *prefix, const char *path);

/* Whether pattern ("name", "*.suffix", "*") covers host; "*.x" covers every depth below x, not x itself. */
bool syntax_host_matches(const char *pattern, const char *host);

/* One item of a comma-separated list, white space trimmed; false at the end. *p starts as the whole list. */
struct syntax_item {
        const char *p;
        size_t n;
};
bool syntax_next_item(const char **p, struct syntax_item *item);
