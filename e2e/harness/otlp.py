# SPDX-License-Identifier: Apache-2.0
"""An OpenTelemetry collector as small as can be: takes spans over gRPC, and keeps them for the test to look at.

HTTP/2 as in upstream.H2c: headers of requests are not decoded, as nobody but an OTLP exporter is to come.
Source: opentelemetry-proto, collector/trace/v1/trace_service.proto and trace/v1/trace.proto.
"""

import collections
import dataclasses

from .upstream import H2c, Upstreams

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def decode(data):
    """A message as field number -> list of its values: numbers, or bytes."""
    message, at = collections.defaultdict(list), 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
        elif kind == BYTES:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {FIXED64: 8, FIXED32: 4}[kind]
            value, at = int.from_bytes(data[at:at + size], "little"), at + size
        message[tag >> 3].append(value)
    return message


def attributes(pairs):
    """KeyValue messages as a dict; values of type string, bool and int."""
    found = {}
    for pair in map(decode, pairs):
        value = decode(pair[2][0]) if pair[2] else {}
        text, number = value.get(1), value.get(2) or value.get(3)
        found[pair[1][0].decode()] = text[0].decode() if text else number[0] if number else None
    return found


@dataclasses.dataclass
class Span:
    service: str
    trace: str
    id: str
    parent: str
    name: str
    kind: str
    nanos: int
    attributes: dict


def spans(request):
    """The spans of an ExportTraceServiceRequest."""
    for resource_spans in map(decode, decode(request)[1]):
        resource = attributes(decode(resource_spans[1][0])[1]) if resource_spans[1] else {}
        for scope_spans in map(decode, resource_spans[2]):
            for span in map(decode, scope_spans[2]):
                yield Span(resource.get("service.name"), span[1][0].hex(), span[2][0].hex(),
                           span[4][0].hex() if span[4] else "", span[5][0].decode(), KINDS[span[6][0] if span[6] else 0],
                           span[8][0] - span[7][0], attributes(span[9]))


class Collector(H2c):
    """`spans` holds what has come."""

    WINDOW_UPDATE = 8
    # ":status: 200" of HPACK's static table, then literals that are not to be indexed (RFC 7541, section 6.2.2).
    ANSWER = b"\x88" + b"\x00\x0ccontent-type\x10application/grpc"
    TRAILERS = b"\x00\x0bgrpc-status\x010"

    def __init__(self):
        super().__init__(Upstreams(), "collector")
        self.spans = []
        self.upstreams.run(self.listen())

    async def serve(self, reader, writer):
        assert await reader.readexactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        writer.write(self.frame(self.SETTINGS, 0, 0))
        bodies = collections.defaultdict(bytes)
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in (self.SETTINGS, self.PING) and not flags & self.ACK:
                writer.write(self.frame(kind, self.ACK, 0, payload if kind == self.PING else b""))
            if kind == self.DATA:
                bodies[stream] += payload
                if payload:
                    writer.write(self.frame(self.WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4, "big")))
            if kind in (self.DATA, self.HEADERS) and flags & self.END_STREAM:
                # gRPC: a byte for compression, four for the size, the message; an empty message is the answer.
                self.spans.extend(spans(bodies.pop(stream)[5:]))
                writer.write(self.frame(self.HEADERS, self.END_HEADERS, stream, self.ANSWER)
                             + self.frame(self.DATA, 0, stream, b"\0" * 5)
                             + self.frame(self.HEADERS, self.END_HEADERS | self.END_STREAM, stream, self.TRAILERS))
            await writer.drain()

    def close(self):
        self.stop()
        self.upstreams.close()
