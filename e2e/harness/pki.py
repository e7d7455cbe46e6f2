# SPDX-License-Identifier: Apache-2.0
"""Certificates for the Secrets of scenarios, made by the openssl command, each once."""

import base64
import functools
import pathlib
import subprocess
import tempfile


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@functools.lru_cache(maxsize=None)
def pair(names, days, serial=0):
    """(certificate, key), PEM, self-signed for these DNS names; serial tells apart pairs that are otherwise alike."""
    with tempfile.TemporaryDirectory() as directory:
        d = pathlib.Path(directory)
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", d / "key.ec")
        _openssl("pkcs8", "-topk8", "-nocrypt", "-in", d / "key.ec", "-out", d / "key")
        names_text = ",".join(f"DNS:{name}" for name in names)
        _openssl("req", "-x509", "-new", "-key", d / "key", "-subj", "/CN=e2e", "-days", days, "-set_serial", serial + 1,
                 "-addext", f"subjectAltName={names_text}", "-out", d / "crt")
        return (d / "crt").read_bytes(), (d / "key").read_bytes()


def _b64(raw):
    return base64.b64encode(raw).decode()


def tls_data(names, days=365, foreign_key=False, garbage=False):
    """The data of a kubernetes.io/tls Secret."""
    certificate, key = pair(tuple(names), days)
    if foreign_key:
        key = pair(tuple(names), days, 1)[1]
    if garbage:
        certificate = b"-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
    return {"tls.crt": _b64(certificate), "tls.key": _b64(key)}


def ca_data():
    """The data of a Secret with a CA bundle."""
    return {"ca.crt": _b64(pair(("ca.example",), 365)[0])}
