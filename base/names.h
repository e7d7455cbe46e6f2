/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - is it an address, and does a certificate's list of DNS names cover it?
 *
 * RFC 6125, section 6.4: a wildcard stands for the whole left-most label and nothing else. Letters of either case are
 * equal and one trailing dot of the host is ignored. IP addresses are not names: they are never covered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether text is an IPv4 or IPv6 address, without brackets. */
bool names_is_ip(const char *text);

bool names_cover(const char *const *names, size_t count, const char *fqdn);
