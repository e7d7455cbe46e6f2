/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf - the bodies that `kubectl create namespace|configmap|secret|...` sends, as JSON.
 *
 * Only these commands use protobuf, and only for the kinds in protobuf.c; everything else comes as JSON. Messages and
 * numbers: generated.proto of k8s.io/api and k8s.io/apimachinery.
 */
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Begins with "k8s\0", the mark of Kubernetes' envelope. */
bool protobuf_is(const void *p, size_t n);
/* A new reference, or NULL and an error. */
json_t *protobuf_decode(const void *p, size_t n, struct err *e);
