/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - this process as Prometheus' client libraries describe one: process_cpu_seconds_total and its like.
 */
#pragma once

#include "base/buf.h"

/* Appends all of it in text form 0.0.4. Any thread. */
void process_metrics(struct buf *out);
