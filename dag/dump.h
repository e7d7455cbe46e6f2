/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump - hosts as Graphviz DOT, for /debug/dag.
 */
#pragma once

#include "base/buf.h"
#include "dag/host.h"

/* Opens and closes the graph; between them dump_host() once a host. Same hosts, same bytes. */
void dump_begin(struct buf *out);
void dump_host(struct buf *out, const struct host *h);
void dump_end(struct buf *out);
