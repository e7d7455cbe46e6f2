/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print - a command's result to standard output, whole or not at all.
 */
#pragma once

#include "base/buf.h"

/* False when the text was too large for its buffer, or cannot be written. */
bool print_text(const struct buf *text);
