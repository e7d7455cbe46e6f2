/* SPDX-License-Identifier: Apache-2.0 */
/* watch - see call.h, watch_start(). */
#pragma once

#include <stdint.h>

/* How often a watch that allows it is sent a bookmark (kube-apiserver: about a minute). */
void watch_set_bookmark_interval(int64_t nanos);
