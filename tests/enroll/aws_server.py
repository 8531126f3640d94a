#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers as AWS IoT fleet provisioning does, for tests: CreateCertificateFromCsr and
RegisterThing by JSON. It is a stand-in, connected to a broker that does the TLS, and as strict
with requests as the documents allow.

usage: aws_server.py FOLDER BROKER-PORT CA-CERT CA-KEY TEMPLATE

In FOLDER it makes `ready` and `requests`, a line for each; `mode` says what to do:
  create STATUS    refuse certificates by that status
  register STATUS  refuse registrations by that status
  key              issue for another key
  junk             answer no JSON
"""
import datetime
import json
import pathlib
import secrets
import sys

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FOLDER = pathlib.Path(sys.argv[1])
CA = x509.load_pem_x509_certificate(pathlib.Path(sys.argv[3]).read_bytes())
CA_KEY = serialization.load_pem_private_key(pathlib.Path(sys.argv[4]).read_bytes(), None)
CREATE = "$aws/certificates/create-from-csr/json"
REGISTER = f"$aws/provisioning-templates/{sys.argv[5]}/provision/json"
TOKENS = set()  # of certificates that nothing is registered with yet


class Refused(Exception):
    """with a status and a reason"""


def mode():
    try:
        lines = (FOLDER / "mode").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return {line.split()[0]: line.split()[1:] for line in lines if line}


def create(request, how):
    if set(request) != {"certificateSigningRequest"}:
        raise Refused(400, "other members than certificateSigningRequest")
    csr = x509.load_pem_x509_csr(request["certificateSigningRequest"].encode())
    if not csr.is_signature_valid:
        raise Refused(400, "wrong signature")
    now = datetime.datetime.utcnow()
    key = ec.generate_private_key(ec.SECP256R1()).public_key() if "key" in how else csr.public_key()
    certificate = (x509.CertificateBuilder().subject_name(csr.subject).issuer_name(CA.subject).public_key(key)
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
                   .not_valid_after(now + datetime.timedelta(days=90)).sign(CA_KEY, hashes.SHA256()))
    token = secrets.token_hex(16)
    TOKENS.add(token)
    return {"certificateOwnershipToken": token, "certificateId": f"{certificate.serial_number:x}",
            "certificatePem": certificate.public_bytes(serialization.Encoding.PEM).decode()}


def register(request, _how):
    if not set(request) <= {"certificateOwnershipToken", "parameters"}:
        raise Refused(400, "unknown members")
    if request.get("certificateOwnershipToken") not in TOKENS:
        raise Refused(400, "unknown token")
    TOKENS.remove(request["certificateOwnershipToken"])
    parameters = request.get("parameters", {})
    if not all(isinstance(value, str) for value in parameters.values()) or "SerialNumber" not in parameters:
        raise Refused(400, "the parameter SerialNumber is missing")
    return {"deviceConfiguration": {}, "thingName": "thing-" + parameters["SerialNumber"]}


OPERATIONS = {CREATE: ("create", create), REGISTER: ("register", register)}


def on_message(client, _arg, message):
    name, operation = OPERATIONS[message.topic]
    how = mode()
    try:
        if name in how:
            raise Refused(int(how[name][0]), "as the test wants")
        answer, result = operation(json.loads(message.payload), how), "accepted"
    except Refused as why:
        answer = {"statusCode": why.args[0], "errorCode": "Refused", "errorMessage": why.args[1]}
        result = "rejected"
    except ValueError as why:
        answer, result = {"statusCode": 400, "errorCode": "InvalidPayload", "errorMessage": str(why)}, "rejected"
    with open(FOLDER / "requests", "a", encoding="ascii") as file:
        file.write(f"{name} {result}\n")
    client.publish(f"{message.topic}/{result}", "junk" if "junk" in how else json.dumps(answer), qos=1)


def on_subscribe(*_):
    (FOLDER / "ready").touch()


def main():
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    client = mqtt.Client(*([versions.VERSION1] if versions else []))
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.connect("127.0.0.1", int(sys.argv[2]))
    client.subscribe([(CREATE, 1), (REGISTER, 1)])
    client.loop_forever()


if __name__ == "__main__":
    main()
