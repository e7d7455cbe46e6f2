/* SPDX-License-Identifier: Apache-2.0 */
/* options_value - the text of an option as its value. For options only. */
#pragma once

#include "cmd/options_table.h"

/* Writes to *out what the type says (options_table.h), strings in a. Lists and sets grow. False with an error. */
bool option_set_value(const struct option *option, void *out, struct arena *a, const char *text, struct err *e);
