# SPDX-License-Identifier: Apache-2.0
"""What stands between certgen and who reads its certificates: kubelet's projected files, and a wire that can be cut."""

import contextlib
import os
import pathlib
import shutil
import socket
import threading
import time


class Projection:
    """A Secret as kubelet shows it to a pod: names are links into ..data, which one rename points to a new folder."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.generation, self.data = 0, {}

    def write(self, data):
        """True when that was a change."""
        if data == self.data:
            return False
        self.generation += 1
        name, data_link, fresh = f"..{self.generation}", self.directory / "..data", self.directory / "..data_tmp"
        (self.directory / name).mkdir()
        for key, value in data.items():
            (self.directory / name / key).write_bytes(value)
        fresh.symlink_to(name)
        before = os.readlink(data_link) if data_link.is_symlink() else None
        os.replace(fresh, data_link)
        for key in data:
            if not (self.directory / key).is_symlink():
                (self.directory / key).symlink_to(f"..data/{key}")
        if before:
            shutil.rmtree(self.directory / before)
        self.data = data
        return True


class Wire:
    """Forwards connections to a port; cut() breaks all that are there."""

    def __init__(self, target):
        self.target, self.accepted, self.cuts = target, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock, self.pairs = threading.Lock(), []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                near.close()
                continue
            for s in (near, far):
                s.settimeout(None)
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.accepted += 1
                self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
            self.cuts += 1
        for s in (s for pair in pairs for s in pair):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()


class Reviews:
    """Dry runs through the API server, `rate` a second from several connections, until the end of the block."""

    def __init__(self, cluster, obj, rate, threads=2):
        self.over, self.sent, self.refused = threading.Event(), [0] * threads, []
        self.clients = [cluster.kube() for _ in range(threads)]
        self.path = self.clients[0].path(obj["kind"], obj["metadata"]["namespace"])
        self.threads = [threading.Thread(target=self._run, args=(i, {**obj, "metadata": {**obj["metadata"], "name": f"r{i}"}},
                                                                 threads / rate)) for i in range(threads)]

    def _run(self, i, obj, pause):
        due = time.monotonic()
        while not self.over.wait(max(0, due - time.monotonic())):
            due += pause
            answer = self.clients[i].request("POST", self.path, obj, dryRun="All")
            self.sent[i] += 1
            if not answer.ok or answer.warnings:
                self.refused.append(repr(answer))

    def __enter__(self):
        self.started = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.started
        for client in self.clients:
            client.close()


class Watcher:
    """Asks an Envoy every few milliseconds whether it has its control plane; how long it had not, each time."""

    def __init__(self, envoy):
        self.envoy, self.over, self.gaps, self.asked = envoy, threading.Event(), [], 0
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        since = None
        while not self.over.wait(0.05):
            connected, self.asked = self.envoy.stat("control_plane.connected_state"), self.asked + 1
            if not connected and since is None:
                since = time.monotonic()
            if connected and since is not None:
                self.gaps.append(time.monotonic() - since)
                since = None
        if since is not None:
            self.gaps.append(time.monotonic() - since)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
