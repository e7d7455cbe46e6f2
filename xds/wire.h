/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - the bytes around fields that are already packed (Protocol Buffers, "Encoding"). A message is its fields one
 * behind the other, in any order: so what is shared need not be packed again, or copied.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { WIRE_LENGTH_DELIMITED = 2, WIRE_VARINT_BITS = 7 };

static inline uint64_t wire_tag(uint32_t field)
{
        return (uint64_t)field << 3 | WIRE_LENGTH_DELIMITED;
}

static inline size_t wire_varint_size(uint64_t value)
{
        size_t n = 1;
        for (; value >> WIRE_VARINT_BITS; value >>= WIRE_VARINT_BITS)
                n++;
        return n;
}

/* The end of what was written. */
static inline uint8_t *wire_varint(uint8_t *out, uint64_t value)
{
        for (; value >> WIRE_VARINT_BITS; value >>= WIRE_VARINT_BITS)
                *out++ = (uint8_t)(value | 1 << WIRE_VARINT_BITS);
        *out++ = (uint8_t)value;
        return out;
}

/* Tag and length of a field whose n bytes follow. */
static inline size_t wire_head_size(uint32_t field, size_t n)
{
        return wire_varint_size(wire_tag(field)) + wire_varint_size(n);
}

static inline uint8_t *wire_head(uint8_t *out, uint32_t field, size_t n)
{
        return wire_varint(wire_varint(out, wire_tag(field)), n);
}
