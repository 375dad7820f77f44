"""Whom we trust, and who we are: one TLS context for both sides of the transport.

The system's certificate store, or certifi's where the system has none; a private CA (`ca_file`) is trusted in addition,
because a private server may redirect downloads to public storage.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import certifi

from assetfs.repository import Offline


def tls_context(ca_file: Path | None, client_cert: Path | None = None) -> ssl.SSLContext:
    """A verifying client context, which shows `client_cert` (a certificate and its key) to a server that asks for one.
    Raises Offline when one of the files cannot be read as what it should be."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not context.cert_store_stats()["x509_ca"] and not (paths.capath and os.listdir(paths.capath)):
        context.load_verify_locations(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except OSError as error:
            raise Offline(f"ca_file {ca_file} cannot be used: {error.strerror or 'no certificate in it'}") from None
    if client_cert is not None:
        try:
            context.load_cert_chain(client_cert, password=lambda: "")  # an encrypted key must not ask the terminal
        except OSError as error:
            reason = error.strerror or "it has no certificate with its key, which must not be encrypted"
            raise Offline(f"client_cert {client_cert} cannot be used: {reason}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
