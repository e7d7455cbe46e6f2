/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - what the platform team has set about the traffic that Envoy carries, as one read-only value.
 *
 * Start from xds_options_default: the zero value is not usable. Strings and lists are borrowed for as long as the
 * options are used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xds_listen {
        const char *address; /* an IP address; "::" takes IPv4 too */
        uint16_t port;
};

enum access_log_form { ACCESS_LOG_TEXT, ACCESS_LOG_JSON };

struct xds_access_log {
        enum access_log_form form;
        const char *format;        /* of ACCESS_LOG_TEXT; NULL: Envoy's own */
        const char *const *fields; /* of ACCESS_LOG_JSON: access_log_field_find(); none: all that have a name */
        size_t field_count;
};

/* Names of headers that hold an underscore: some backends read it as a dash, so rules about headers can be avoided. */
enum xds_underscores { UNDERSCORES_REJECT, UNDERSCORES_DROP, UNDERSCORES_ALLOW };
/* %2F and %5C in a path. */
enum xds_escaped_slashes { SLASHES_REDIRECT, SLASHES_FORWARD, SLASHES_REJECT, SLASHES_KEEP };

struct xds_options {
        struct xds_listen http, https, stats;
        const char *http_access_log, *https_access_log; /* a path; "/dev/stdout" is standard output itself */
        struct xds_access_log access_log;
        bool use_proxy_protocol;
        uint32_t xff_trusted_hops;
        enum xds_underscores underscores;
        enum xds_escaped_slashes escaped_slashes;
        int64_t connect_timeout;  /* nanoseconds, to upstreams */
        const char *tracing_host; /* an OpenTelemetry collector; NULL: no tracing */
        uint16_t tracing_port;
        double tracing_percent; /* of requests */
};

extern const struct xds_options xds_options_default;
