/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootstrap_config - the files that an Envoy of ours starts with, as text. No I/O.
 *
 * Envoy takes everything else over one Delta ADS stream. The pair and the CA for that stream stand in two files of
 * their own, which Envoy reads as SDS: only then does it load them anew when they change.
 */
#pragma once

#include "cmd/options.h"

/* In resources_dir; they are not needed where xDS is insecure. */
#define BOOTSTRAP_PAIR_FILE "xds-certificate.json"
#define BOOTSTRAP_CA_FILE "xds-ca.json"

/* Each is JSON. Nothing in b is NULL, and all paths are absolute. */
struct buf *bootstrap_config(const struct bootstrap_options *b, const struct xds_client_options *x,
                             const char *admin_socket) __attribute__((returns_nonnull));
struct buf *bootstrap_pair(const struct xds_client_options *x) __attribute__((returns_nonnull));
struct buf *bootstrap_ca(const struct xds_client_options *x) __attribute__((returns_nonnull));
