/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_limits - every bound that the gRPC server puts on its peers, with the reason.
 *
 * The peers are Envoys with a certificate of ours, so most bounds are far from what they do; they are there for the
 * Envoy that runs wild and for what connects without a certificate.
 */
#pragma once

#include "base/time.h"

enum {
        /* ---- connections ---- */
        GRPC_CONNECTIONS_MAX = 4096, /* four times the Envoys that design.md counts; each may cost 50 KiB */
        GRPC_BACKLOG = 512,          /* 200 Envoys come back at once after a restart */

        /* ---- streams and headers ---- */
        GRPC_STREAMS_MAX = 16384,       /* per connection: an aggregator may multiplex a whole fleet; at 1 KiB each */
        GRPC_HEADER_BYTES_MAX = 16384,  /* names, values and 32 each (RFC 9113, 6.5.2); Envoy sends some 600 */
        GRPC_HEADERS_MAX = 64,          /* Envoy sends about ten */
        GRPC_PATH_MAX = 256,            /* of a method; ours have at most 80 bytes */
        GRPC_STATUS_MESSAGE_MAX = 1024, /* of grpc-message before it is percent-encoded */
        GRPC_HEADER_TABLE_BYTES = 4096, /* HPACK's default: also what a peer may make us hold for its own headers */

        /* ---- messages ---- */
        GRPC_MESSAGE_MAX = 16 << 20,             /* a request that names 100,000 resources has 8 MiB */
        GRPC_CONNECTION_BUFFERED_MAX = 64 << 20, /* unfinished messages together: streams do not multiply the 16 MiB */

        /* ---- what is queued for a peer ---- */
        GRPC_OUTPUT_HIGH = 64 << 10, /* no more is pulled beyond: bytes here are copies, those behind are shared */
        GRPC_OUTPUT_LOW = 16 << 10,  /* filled up again below */
        GRPC_ACKS_MAX = 128,         /* PING and SETTINGS that a peer does not let us answer */

        /* ---- frames that cost us and say nothing: so many at once, and so many a second for ever ---- */
        GRPC_RESETS_BURST = GRPC_STREAMS_MAX,     /* a peer may drop all its streams at once; nghttp2 allows 1,000 */
        GRPC_RESETS_RATE = 256,                   /* "rapid reset" (CVE-2023-44487) lives on tens of thousands */
        GRPC_OWN_RESETS_BURST = GRPC_STREAMS_MAX, /* resets that a peer makes us send: the same attack reversed */
        GRPC_OWN_RESETS_RATE = 256,
        GRPC_PINGS_BURST = 100, /* keepalive is one in seconds; a bandwidth estimator sends a few at the start */
        GRPC_PINGS_RATE = 10,
        GRPC_SETTINGS_BURST = 16, /* one at the start, hardly another */
        GRPC_SETTINGS_RATE = 1,
        GRPC_EMPTY_BURST = 256, /* empty DATA, PRIORITY and the like (CVE-2019-9518) */
        GRPC_EMPTY_RATE = 16,
};

#define GRPC_HANDSHAKE_WAIT (10 * DURATION_SECOND) /* TLS and the preface: a thousand Envoys at once take 1 s */
#define GRPC_MESSAGE_WAIT (30 * DURATION_SECOND)   /* first byte to last: 16 MiB at 600 KB/s */
#define GRPC_STALL_WAIT (60 * DURATION_SECOND)     /* without progress: envoy.md, obligation 8 */
#define GRPC_DRAIN_NOTICE (1 * DURATION_SECOND)    /* between the two GOAWAYs: more than a round trip */
#define GRPC_DRAIN_SPREAD (5 * DURATION_SECOND)    /* streams end within, so that Envoys do not all return at once */
#define GRPC_FLUSH_MAX (2 * DURATION_MILLISECOND)  /* of sending in one turn of the loop */
#define GRPC_TICK (1 * DURATION_SECOND)            /* how exactly waits are kept */
