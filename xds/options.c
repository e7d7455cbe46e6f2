/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/options.h"

#include "base/time.h"

const struct xds_options xds_options_default = {
        .http = {"0.0.0.0", 8080},
        .https = {"0.0.0.0", 8443},
        .stats = {"0.0.0.0", 8002},
        .http_access_log = "/dev/stdout",
        .https_access_log = "/dev/stdout",
        .connect_timeout = 250 * DURATION_MILLISECOND,
        .tracing_percent = 100,
};
