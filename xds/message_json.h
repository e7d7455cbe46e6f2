/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_json - any of our messages as JSON, as Protocol Buffers' JSON mapping has it.
 *
 * Names in lowerCamelCase, enums by name, 64-bit numbers as strings, bytes in base64, durations as "1.5s", wrappers as
 * what they wrap, and what is packed inside an Any beside its "@type" where the type is one of ours. Private keys are
 * not shown.
 */
#pragma once

#include "base/buf.h"

#include <protobuf-c/protobuf-c.h>

void message_json(struct buf *out, const ProtobufCMessage *m);
