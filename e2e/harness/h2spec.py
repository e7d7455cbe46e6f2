# SPDX-License-Identifier: Apache-2.0
"""h2spec, which asks an HTTP/2 server the questions of RFC 9113: a Go module, pinned and hash-checked (e2e/h2spec)."""

import fcntl
import os
import pathlib
import shutil
import subprocess

from .basics import BUILD, ROOT
from .venv import Missing

MODULE = ROOT / "e2e" / "h2spec"
PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"
DEBIAN_GO = pathlib.Path("/usr/lib/go-1.19/bin/go")


def h2spec_binary():
    """build/h2spec, built when go.sum is newer; raises Missing with the reason."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "h2spec.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = BUILD / "h2spec"
        if not (built.exists() and built.stat().st_mtime > (MODULE / "go.sum").stat().st_mtime):
            _build(built)
        return built


def _build(target):
    go = shutil.which("go") or (DEBIAN_GO if DEBIAN_GO.exists() else None)
    if not go:
        raise Missing("h2spec needs Go to be built (Debian: golang-1.19-go)")
    # What go.mod and go.sum say and nothing else, with the Go that is here.
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    try:
        made = subprocess.run([go, "build", "-o", target, PACKAGE], cwd=MODULE, env=environment, capture_output=True,
                              text=True, timeout=600)
    except subprocess.TimeoutExpired:
        raise Missing("h2spec could not be fetched and built within 10 minutes") from None
    if made.returncode:
        if "SECURITY ERROR" in made.stderr or "missing go.sum entry" in made.stderr:
            raise RuntimeError(made.stderr)
        raise Missing(f"h2spec cannot be built: {made.stderr.strip()[-200:]}")
