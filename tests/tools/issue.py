#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates that something is wrong with.

issue.py OUT PUBLIC-KEY ISSUER [NAME=VALUE...]: ISSUER.pem and ISSUER.key sign; with `from`
and `to` in days from now, `eku` (an OID), `name`, and `ca`.
"""
import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

out, public_key, issuer, *settings = sys.argv[1:]
option = dict(setting.split("=") for setting in settings)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def days(name, otherwise):
    return datetime.datetime.utcnow() + datetime.timedelta(days=float(option.get(name, otherwise)))


ca = x509.load_pem_x509_certificate(read(issuer + ".pem"))
ca_key = serialization.load_pem_private_key(read(issuer + ".key"), None)
name = x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, option.get("name", "device"))
builder = (
    x509.CertificateBuilder()
    .subject_name(x509.Name([name]))
    .issuer_name(ca.subject)
    .public_key(serialization.load_pem_public_key(read(public_key)))
    .serial_number(x509.random_serial_number())
    .not_valid_before(days("from", -1))
    .not_valid_after(days("to", 365))
    .add_extension(x509.BasicConstraints("ca" in option, None), True)
)
if "eku" in option:
    usage = [x509.ObjectIdentifier(option["eku"])]
    builder = builder.add_extension(x509.ExtendedKeyUsage(usage), False)
with open(out, "wb") as file:
    file.write(builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
