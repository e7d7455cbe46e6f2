/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_policy - the policy that the options describe: what serve and lint judge by.
 */
#pragma once

#include "cmd/options.h"
#include "dag/policy.h"

/* Borrows from the options. claim_id is not set. */
struct policy judge_policy(const struct policy_options *o);
