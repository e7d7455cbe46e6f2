/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask_server - what the commands have in common that ask a running server's debug pages.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* What is answered with 200 to a GET of url; server is for messages: how the user called it. */
struct buf *ask_server(const char *server, const char *url, struct err *e);
