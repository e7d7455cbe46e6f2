/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - which API server the options mean.
 */
#pragma once

#include "cmd/options.h"
#include "kube/kubeconfig.h"

/*
 * --incluster: the pod's service account; else --kubeconfig, the first file of $KUBECONFIG, ~/.kube/config. NULL with
 * an error that says what was tried.
 */
struct kubeconfig *connect_config(const struct kube_options *o, const char *(*environment)(const char *),
                                  struct err *e);
