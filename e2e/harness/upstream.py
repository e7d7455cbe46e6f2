# SPDX-License-Identifier: Apache-2.0
"""What Envoy sends traffic to: small servers on one event loop in a thread; a test sets their behaviour by attributes.

HTTP/1.1 and nothing that the tests do not need: no chunked requests, no pipelining. They answer with who they are and
what they were asked.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import threading

from .basics import free_port

WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Upstreams:
    """The event loop of the servers, and all servers that were started on it."""

    def __init__(self, address="127.0.0.1"):
        self.address, self.started = address, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def http(self, name, **options):
        return self._start(Http(self, name, **options))

    def tcp(self, name, **options):
        return self._start(Tcp(self, name, **options))

    def h2c(self, name, **options):
        return self._start(H2c(self, name, **options))

    def forwarder(self, *ports):
        return self._start(Forwarder(self, "forwarder", ports))

    def _start(self, upstream):
        self.run(upstream.listen())
        self.started.append(upstream)
        return upstream

    def close(self):
        for upstream in self.started:
            upstream.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Upstream:
    """`connections` counts those taken, `open` those that are open now; stop() closes all, start() takes the port again."""

    def __init__(self, upstreams, name, tls=None):
        self.upstreams, self.name, self.tls = upstreams, name, tls
        self.address, self.port = upstreams.address, free_port()
        self.connections, self.open, self.server = 0, set(), None

    async def listen(self):
        self.server = await asyncio.start_server(self._connected, self.address, self.port, ssl=self.tls)

    async def _connected(self, reader, writer):
        self.connections += 1
        self.open.add(writer)
        try:
            await self.serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the other side went: nothing is owed
        finally:
            self.open.discard(writer)
            writer.close()

    def start(self):
        self.upstreams.run(self.listen())

    def stop(self):
        async def close():
            if self.server:
                self.server.close()
                self.server = None
            for writer in list(self.open):
                writer.transport.abort()
        self.upstreams.run(close())


class Http(Upstream):
    """`delays` and `statuses` are used up first, one a request, then `delay` seconds and `status` hold; `paths` gives a
    path its own status; `seen` holds (path, headers).

    An Upgrade to websocket is agreed to, and what comes is sent back."""

    def __init__(self, upstreams, name, tls=None, status=200, delay=0.0):
        super().__init__(upstreams, name, tls)
        self.status, self.delay, self.statuses, self.delays, self.paths, self.seen = status, delay, [], [], {}, []

    def asked(self, path):
        return [headers for seen, headers in self.seen if seen == path]

    async def serve(self, reader, writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.seen.append((path, headers))
            if headers.get("upgrade", "").lower() == "websocket":
                await self._websocket(reader, writer, headers)
                return
            await asyncio.sleep(self.delays.pop(0) if self.delays else self.delay)
            await self._answer(writer, method, path, headers, body)

    async def _answer(self, writer, method, path, headers, body):
        status = self.paths.get(path) or (self.statuses.pop(0) if self.statuses else self.status)
        text = json.dumps({"who": self.name, "method": method, "path": path, "headers": headers,
                           "body": body.decode("latin-1")}).encode()
        writer.write(b"HTTP/1.1 %d Status\r\ncontent-type: application/json\r\nwho: %s\r\ncontent-length: %d\r\n\r\n"
                     % (status, self.name.encode(), len(text)) + (b"" if method == "HEAD" else text))
        await writer.drain()

    @staticmethod
    async def _websocket(reader, writer, headers):
        key = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + WEBSOCKET).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                     b"sec-websocket-accept: " + key + b"\r\n\r\n")
        while data := await reader.read(4096):  # frames pass Envoy as bytes: they are not looked into here either
            writer.write(data)
            await writer.drain()


class Tcp(Upstream):
    """Sends back each line, with its name before it."""

    async def serve(self, reader, writer):
        while line := await reader.readline():
            writer.write(self.name.encode() + b": " + line)
            await writer.drain()


class H2c(Upstream):
    """HTTP/2 with prior knowledge (RFC 9113, section 3.3): answers every request with 200 and its name."""

    DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
    END_STREAM, ACK, END_HEADERS = 1, 1, 4

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    async def serve(self, reader, writer):
        assert await reader.readexactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        writer.write(self.frame(self.SETTINGS, 0, 0))
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in (self.SETTINGS, self.PING) and not flags & self.ACK:
                writer.write(self.frame(kind, self.ACK, 0, payload if kind == self.PING else b""))
            if kind in (self.DATA, self.HEADERS) and flags & self.END_STREAM:
                # 0x88 is ":status: 200" of HPACK's static table (RFC 7541, appendix A).
                writer.write(self.frame(self.HEADERS, self.END_HEADERS, stream, b"\x88")
                             + self.frame(self.DATA, self.END_STREAM, stream, self.name.encode()))
            await writer.drain()


class Forwarder(Upstream):
    """Each connection goes on to the first of these ports of loopback that takes it, as to a Service's endpoints."""

    def __init__(self, upstreams, name, ports):
        super().__init__(upstreams, name)
        self.address, self.ports = "127.0.0.1", ports

    async def serve(self, reader, writer):
        for port in self.ports:
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            with contextlib.closing(far_writer):
                ways = [asyncio.create_task(self._copy(reader, far_writer)), asyncio.create_task(self._copy(far_reader, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
            return

    @staticmethod
    async def _copy(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
