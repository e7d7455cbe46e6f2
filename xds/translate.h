/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate - all that one compiled host gives to Envoy.
 *
 * Pure: a host and options in, packed resources out. Endpoints and Secrets are not in it: they come from the store when
 * they are asked for (translate_endpoint, translate_secret), so a host says only which ones it uses.
 */
#pragma once

#include "dag/host.h"
#include "xds/options.h"
#include "xds/resource.h"

/* A cluster, and the Service port whose endpoints it has. */
struct translated_cluster {
        struct resource *resource;
        const char *endpoints;                       /* name of the ClusterLoadAssignment; NULL: found by DNS */
        const char *namespace, *service, *port_name; /* for translate_endpoints() */
};

/* A Secret that a listener or cluster of the host names. */
struct translated_secret {
        const char *name; /* of the resource */
        bool ca;          /* translate_ca() gives it, else translate_pair() */
        const char *namespace, *secret;
};

struct translation {
        struct arena *arena;                 /* the names */
        struct resource *virtual_host;       /* NULL: nobody owns the host, and all else is empty */
        struct resource *https_routes;       /* NULL: no HTTP on TLS */
        struct resource *filter_chain;       /* NULL: no TLS */
        struct translated_cluster *clusters; /* by name, each once; not those of missing Services */
        size_t cluster_count;
        struct translated_secret *secrets; /* by name, each once */
        size_t secret_count;
};

struct translation *translate_host(const struct host *h, const struct xds_options *options)
        __attribute__((returns_nonnull));
void translation_free(struct translation *t);
AUTO_DEFINE(translation)
