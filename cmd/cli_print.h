/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_print - one answer of the xDS server as JSON or text; a Secret as what its certificates say.
 */
#pragma once

#include "base/buf.h"
#include "xds/discovery_client.h"

/*
 * One resource as an object on a line: type, name, version, and the resource (Protocol Buffers' JSON) or the facts of
 * a Secret.
 */
void cli_print_json(struct buf *out, enum resource_type type, const struct discovery_found *found);
/* The same as text: a line with name and version, and Protocol Buffers' text format behind it. */
void cli_print_text(struct buf *out, enum resource_type type, const struct discovery_found *found);
/* A name that is gone, or was asked for and is not there. */
void cli_print_removed(struct buf *out, enum resource_type type, bool json, const char *name);
