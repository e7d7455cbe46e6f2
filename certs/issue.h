/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issue - new certificates: a CA, and leaves signed by it.
 *
 * Always ECDSA P-256 with SHA-256, 128-bit random serials and SubjectAltNames (nobody reads the common name any more).
 * Each CA has a subject of its own, so that old and new can stand in one bundle. Profile: RFC 5280, section 4.2.
 */
#pragma once

#include "base/err.h"
#include "certs/pair.h"

#include <stdint.h>

/* Times are microseconds since 1970, cut to seconds. */
struct issue_request {
        const char *common_name; /* at most 64 bytes */
        const char *const *names;
        size_t name_count;
        const char *const *ips; /* as text, IPv4 or IPv6 */
        size_t ip_count;
        bool server, client; /* extended key usages */
        int64_t not_before, not_after;
};

/* A self-signed CA that may sign leaves only; its certificate is also its .ca. */
struct pair *issue_ca(int64_t not_before, int64_t not_after, struct err *e);

/* A leaf under the CA: .crt is the leaf alone, .ca the CA's certificate. Its life is cut to that of the CA. */
struct pair *issue_leaf(const struct issue_request *r, const char *ca_crt, size_t ca_crt_len, const char *ca_key,
                        size_t ca_key_len, struct err *e);
