# SPDX-License-Identifier: Apache-2.0
"""Clients of Envoy: one request, one TLS connection, and a load that goes on and misses nothing."""

import contextlib
import http.client
import json
import socket
import ssl
import tempfile
import threading
import time


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def told(self):
        """What an upstream of ours says of the request it got; {} when the answer is not from one."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def who(self):
        return self.told.get("who")

    def __repr__(self):
        return f"<{self.status} {self.who or self.body[:80]!r}>"


class Connection(http.client.HTTPConnection):
    """A connection to a port on loopback, whatever the Host; with a context over TLS, asking for `sni`."""

    def __init__(self, port, tls=None, sni=None, timeout=10):
        super().__init__("127.0.0.1", port, timeout=timeout)
        self.tls, self.sni = tls, sni

    def connect(self):
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.sni)

    def ask(self, host, path="/", method="GET", headers=None, body=None):
        self.request(method, path, body, {"Host": host, **(headers or {})})
        response = self.getresponse()
        return Response(response.status, response.headers, response.read().decode("latin-1"))

    def certificate(self):
        """The peer's, as PEM."""
        return ssl.DER_cert_to_PEM_cert(self.sock.getpeercert(True)).encode()


def trusting(*certificates, version=None, alpn=()):
    """A TLS context that trusts these PEM certificates and no other; with a version: that one alone."""
    context = ssl.create_default_context(cadata="\n".join(c.decode() for c in certificates))
    if version:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL does not offer what is below TLS 1.2
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def serving(certificate, key):
    """A TLS context for an upstream with this pair (PEM)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certificate + key)
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


def ask(port, host, path="/", tls=None, sni=None, timeout=10, **request):
    with contextlib.closing(Connection(port, tls, sni or host, timeout)) as connection:
        return connection.ask(host, path, **request)


class Load:
    """Asks on until the end of the block: one thread on a kept connection, one with a connection for each request.

    `good(response)` says whether an answer is right; every other one, and each that does not come, fails the test."""

    def __init__(self, port, host, path="/", tls=None, good=None, pause=0.005):
        self.arguments, self.host, self.path, self.pause = (port, tls, host, 5), host, path, pause
        self.good = good or (lambda response: response.status == 200)
        self.over, self.answered, self.failures = threading.Event(), 0, []
        self.threads = [threading.Thread(target=self._run, args=(kept,)) for kept in (True, False)]

    def _run(self, kept):
        started = time.monotonic()
        connection = Connection(*self.arguments)
        while not self.over.wait(self.pause):
            try:
                response = connection.ask(self.host, self.path)
                self.answered += 1  # two threads add: a lost one does no harm
                why = None if self.good(response) else repr(response)
            except (OSError, http.client.HTTPException) as e:
                why = repr(e)
            if why:
                self.failures.append(f"after {time.monotonic() - started:.2f} s, {'kept' if kept else 'new'} connection: {why}")
            if why or not kept:
                connection.close()
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if not kind:
            shown = "\n".join(self.failures[:10])
            assert not self.failures, f"{len(self.failures)} of {self.answered} requests failed:\n{shown}"
            assert self.answered > 20, f"only {self.answered} requests were made: that shows nothing"

    def more(self, count=20, timeout=10):
        """Wait until so many more have been answered."""
        target, deadline = self.answered + count, time.monotonic() + timeout
        while self.answered < target:
            assert time.monotonic() < deadline, f"no {count} answers within {timeout} s; {self.failures[-3:]}"
            time.sleep(0.01)


def websocket(port, host, path="/"):
    """Ask for an upgrade (RFC 6455, section 4.1); (status, connected socket). Close the socket."""
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(1)  # not a byte of what follows the head
        if not data:
            break
        head += data
    return int(head.split(b" ")[1]), sock


def assert_shares(counted, expected):
    """Six standard deviations of a binomial distribution: a false alarm once in 500 million runs."""
    total = sum(counted.values())
    assert set(counted) == set(expected)
    for name, share in expected.items():
        slack = 6 * (total * share * (1 - share)) ** 0.5
        assert abs(counted[name] - total * share) <= slack, f"{name} got {counted[name]} of {total}, not {share:.0%}"
