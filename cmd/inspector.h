/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspector - lets kube's decoder ask certs what a Secret's certificates say.
 */
#pragma once

#include "kube/object.h"

/* Thread-safe. */
extern const struct object_inspector inspector;
