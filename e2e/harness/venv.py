# SPDX-License-Identifier: Apache-2.0
"""Packages from PyPI, pinned and hash-checked, each set in a virtual environment of its own under build/."""

import fcntl
import subprocess
import sys

from .basics import BUILD


class Missing(Exception):
    """What cannot be had here, and why: a reason to skip. A wrong hash is not: that is an error."""


def virtual_environment(name, requirements):
    """The directory of build/NAME with exactly these requirements; made once, and again when they change."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / f"{name}.lock", "w") as lock:  # demo and tests may ask at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        venv = BUILD / name
        stamp = venv / "requirements.txt"
        if not (stamp.exists() and stamp.read_text() == requirements.read_text()):
            _make(venv, requirements)
            stamp.write_text(requirements.read_text())
        return venv


def _make(venv, requirements):
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", venv], capture_output=True, text=True)
    if made.returncode:
        raise Missing(f"no virtual environment (Debian: python3-venv): {(made.stdout + made.stderr).strip()[-200:]}")
    got = subprocess.run([venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                          "--no-deps", "--require-hashes", "--only-binary", ":all:", "--retries", "1", "--timeout", "20",
                          "-r", requirements], capture_output=True, text=True)
    if got.returncode:
        if "hash" in got.stderr.lower():
            raise RuntimeError(got.stderr)
        raise Missing(f"{requirements.name} cannot be installed from the package registry: {got.stderr.strip()[-200:]}")
