/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html - text into HTML: what users wrote never becomes markup.
 */
#pragma once

#include "base/buf.h"

/* Appends s, escaped for text and for attribute values between double quotes. Control characters become U+FFFD. */
void html_text(struct buf *out, const char *s);
/* Appends s as a part of a URL's query (RFC 3986): everything but unreserved characters in percent-encoding. */
void html_query(struct buf *out, const char *s);
