# SPDX-License-Identifier: Apache-2.0
"""Waiting, ports, child processes: each started process is ended by its pid, and dies with us."""

import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("B", ROOT / "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

PR_SET_PDEATHSIG = 1
xds_dump = None  # with --sanitized: a folder for all that is made for Envoys (xds/resource_testing.h)
sanitized = False  # set by --sanitized: the build with AddressSanitizer and UBSan


def binary(name):
    """The path of a program that the Makefile built."""
    return BUILD / "test" / name if sanitized else BUILD / name


def until(question, what, timeout=10.0, interval=0.01):
    """Ask until the answer is true and return it; the deadline's message says what was awaited and the last answer."""
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {timeout} s waiting for {what}")
        time.sleep(interval)


_given = set()


def free_port():
    """A port that nobody has. It lies below those of outgoing connections: nobody is handed it before it is used."""
    ephemeral = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10000, max(ephemeral, 20000))
        with socket.socket() as s:
            try:
                s.bind(("", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child process with its output in a file."""

    def __init__(self, argv, log, env=None):
        self.argv = [str(a) for a in argv]
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=env, preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def send(self, number):
        if self.running():
            self.child.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=15):
        """End it; returns the exit code. What does not go by itself is killed and reported."""
        self.send(number)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.argv[0]} (pid {self.pid}) did not end {timeout} s after signal {number}")

    def kill(self):
        if self.running():
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()
