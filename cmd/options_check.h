/* SPDX-License-Identifier: Apache-2.0 */
/* options_check - what options say together: whether they fit, and what follows from them. For options only. */
#pragma once

#include "cmd/options.h"

/* False with an error for people. */
bool options_check(struct options *o, struct err *e);
