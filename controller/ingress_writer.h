/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingress_writer - where Envoy is reached, written into the status.loadBalancer of the Ingresses of our class by the
 * leader: what external-dns and `kubectl get ingress` read.
 *
 * The addresses are fixed ones, or those of Envoy's own Service. While none is known nothing is written. The queue is
 * the one of the status writer. Loop thread.
 */
#pragma once

#include "controller/pipeline.h"

struct ingress_writer;

struct ingress_writer_options {
        struct pipeline *pipeline;
        const struct store *store;
        const struct policy *policy;
        const char *address;                          /* an IP address or a host name; NULL: see service */
        const char *service_namespace, *service_name; /* whose addresses count; NULL with an address */
        int64_t (*monotonic)(void);                   /* nanoseconds */
        uint32_t (*random)(void);
        /* As status_writer_options.send, for the /status of an Ingress; ingress_writer_answered() follows. */
        void (*send)(const char *key, const char *namespace, const char *name, const char *body, size_t n, void *arg);
        void (*wake)(void *arg);
        void *arg;
};

/* Becomes a reader of the pipeline. The strings are borrowed. */
struct ingress_writer *ingress_writer_new(const struct ingress_writer_options *options)
        __attribute__((returns_nonnull));
void ingress_writer_free(struct ingress_writer *w);
AUTO_DEFINE(ingress_writer)

/* As those of the status writer. */
void ingress_writer_set_leader(struct ingress_writer *w, bool leader);
int64_t ingress_writer_due(const struct ingress_writer *w);
void ingress_writer_turn(struct ingress_writer *w);
void ingress_writer_answered(struct ingress_writer *w, const char *key, int code, int64_t retry_after, const char *body,
                             size_t n);
size_t ingress_writer_in_flight(const struct ingress_writer *w);
