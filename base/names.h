/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - does a certificate's list of DNS names cover a host?
 *
 * RFC 6125, section 6.4: a wildcard stands for the whole left-most label and nothing else. Letters of either case are
 * equal and one trailing dot of the host is ignored. IP addresses are not names: they are never covered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool names_cover(const char *const *names, size_t count, const char *fqdn);
