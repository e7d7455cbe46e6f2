/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_frame - gRPC's messages in a stream of bytes: one byte of flags, four of length, the message.
 *
 * Pure. Memory follows the bytes that came, never the length that was declared; a length beyond the maximum is refused
 * with its fifth byte. Rules: gRPC over HTTP/2, "Length-Prefixed-Message".
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

enum { GRPC_FRAME_HEAD = 5 };

enum grpc_frame_result {
        GRPC_FRAME_OK,
        GRPC_FRAME_STOPPED,    /* each() said so */
        GRPC_FRAME_TOO_LONG,   /* more than the maximum is declared */
        GRPC_FRAME_COMPRESSED, /* flag 1 */
        GRPC_FRAME_MALFORMED,  /* a flag that gRPC does not have */
};

/* Embedded; zeroed before first use. */
struct grpc_frame {
        uint8_t head[GRPC_FRAME_HEAD];
        uint8_t head_len;
        bool secret;      /* what it holds is wiped when it moves or goes; set before first use */
        uint32_t length;  /* declared; known when the head is whole */
        struct buf *body; /* NULL between messages: an idle stream holds none */
};

/* A whole message, borrowed during the call; false stops. */
typedef bool grpc_frame_fn(const uint8_t *message, size_t n, void *arg);

/* Takes n bytes and calls each() for every message that ends in them. After anything but OK f takes no more. */
enum grpc_frame_result grpc_frame_feed(struct grpc_frame *f, const uint8_t *p, size_t n, size_t max,
                                       grpc_frame_fn *each, void *arg);
/* Has a message begun that has not ended? */
bool grpc_frame_inside(const struct grpc_frame *f);
/* Bytes held of it. */
size_t grpc_frame_held(const struct grpc_frame *f);
void grpc_frame_done(struct grpc_frame *f);

/* The head of an uncompressed message of n bytes. */
void grpc_frame_head(uint8_t head[GRPC_FRAME_HEAD], uint32_t n);
