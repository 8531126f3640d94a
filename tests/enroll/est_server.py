#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An EST server for tests (RFC 7030), as strict as the document allows, and as unkind as a
test wants. It is a stand-in: no more of a server than the tests need.

usage: est_server.py FOLDER CA-CERT CA-KEY SERVER-CERT SERVER-KEY [CLIENTS-CA-CERT]

FOLDER is where it talks with the test:
  port      its port: written if there is none yet
  ready     appears when it listens
  requests  one line for each request that it has read: METHOD OPERATION STATUS
  times     and when it came: TIME METHOD OPERATION
  mode      what to do, read at each request; none: behave. One word a line:
              pending N    answer the next N requests for a certificate by 202 (the test
                           sees in `pending` how many are left)
              status N     answer requests for a certificate by that status
              cut          end in the middle of the certificate
              hold OPERATION  keep that waiting until `mode` changes
              away         close the connection without an answer
              away-early   the same at requests that need no key
              ca           issue with another authority
              key          issue for another key
              expired      issue one that has ended
              early        issue one that is not valid yet
              usage        issue one for servers
              days N       that are valid for N days
              junk, huge, type, empty   an answer that is none
              csrattrs     ask for SHA-384; with `challenge` for the password of a
                           connection, with `junk` for nothing that makes sense
              digest NAME  refuse requests signed with another
              rate N       refuse requests by 429 when there are more than N in a second
  user      USER:PASSWORD that may enrol
"""
import base64
import collections
import datetime
import http.server
import pathlib
import ssl
import sys
import threading
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER = pathlib.Path(sys.argv[1])
CA = x509.load_pem_x509_certificate(pathlib.Path(sys.argv[2]).read_bytes())
CA_KEY = serialization.load_pem_private_key(pathlib.Path(sys.argv[3]).read_bytes(), None)
LOCK = threading.Lock()
ANSWERED = set()  # requests that got their certificate
RECENT = collections.deque()  # when those of the last second came
WISHES = {"sha384": bytes.fromhex("300a06082a8648ce3d040303"), "junk": b"junk",
          "challenge": bytes.fromhex("300b06092a864886f70d010907")}


def mode():
    """the words in the file `mode`, by the first one"""
    try:
        lines = (FOLDER / "mode").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return {line.split()[0]: line.split()[1:] for line in lines if line}


def note(name, text):
    with LOCK, open(FOLDER / name, "a", encoding="ascii") as file:
        file.write(text + "\n")


class Refused(Exception):
    """with a status and the reason"""


def names_of(thing):
    try:
        return thing.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def hold(command, operation):
    if operation not in mode().get("hold", []):
        return
    note("requests", f"{command} {operation} held")
    while operation in mode().get("hold", []):
        time.sleep(0.02)


def arrive(command, operation, how):
    now = time.time()
    note("times", f"{now:.3f} {command} {operation}")
    with LOCK:
        RECENT.append(now)
        while RECENT[0] <= now - 1:
            RECENT.popleft()
        many = len(RECENT)
    if "rate" in how and many > int(how["rate"][0]):
        raise Refused(429, "too many requests")


def issue(csr, how):
    now = datetime.datetime.utcnow().replace(microsecond=0)
    begin, end = now - datetime.timedelta(minutes=5), now + datetime.timedelta(days=int(how.get("days", ["90"])[0]))
    if "expired" in how:
        begin, end = now - datetime.timedelta(days=2), now - datetime.timedelta(days=1)
    if "early" in how:
        begin = now + datetime.timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1()).public_key() if "key" in how else csr.public_key()
    usage = ExtendedKeyUsageOID.SERVER_AUTH if "usage" in how else ExtendedKeyUsageOID.CLIENT_AUTH
    issuer, issuer_key = CA.subject, CA_KEY
    if "ca" in how:
        issuer_key = ec.generate_private_key(ec.SECP256R1())
    builder = (x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer).public_key(key)
               .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
               .add_extension(x509.ExtendedKeyUsage([usage]), False))
    if names_of(csr):
        builder = builder.add_extension(names_of(csr), False)
    return builder.sign(issuer_key, hashes.SHA256())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def answer(self, status, body=b"", content_type="text/plain", cut=False, more=()):
        note("requests", f"{self.command} {self.path.rsplit('/', 1)[-1]} {status}")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def refuse(self, why):
        more = {401: [("WWW-Authenticate", "Basic realm=est")], 429: [("Retry-After", "1")]}
        self.answer(why.args[0], why.args[1].encode(), more=more.get(why.args[0], []))

    def operation(self):
        prefix = "/.well-known/est/"
        if not self.path.startswith(prefix):
            raise Refused(404, "no such path")
        return self.path[len(prefix):]

    def answer_certs(self, certs, **more):
        der = pkcs7.serialize_certificates(certs, serialization.Encoding.DER)
        self.answer(200, base64.encodebytes(der), "application/pkcs7-mime; smime-type=certs-only", **more)

    # ---- who is it

    def client(self):
        der = self.connection.getpeercert(binary_form=True)  # TLS has verified it
        return x509.load_der_x509_certificate(der) if der else None

    def has_password(self):
        given = self.headers.get("Authorization", "")
        try:
            wanted = (FOLDER / "user").read_bytes().strip()
        except FileNotFoundError:
            return False
        return given == "Basic " + base64.b64encode(wanted).decode()

    # ---- requests

    def do_GET(self):
        how = mode()
        try:
            operation = self.operation()
            arrive("GET", operation, how)
            hold("GET", operation)
            if "away-early" in how:
                note("requests", f"GET {operation} away")
                self.close_connection = True
            elif operation == "cacerts":
                self.answer_certs([CA])
            elif operation == "csrattrs" and "csrattrs" in how:
                wish = WISHES[(how["csrattrs"] or ["sha384"])[0]]
                self.answer(200, base64.encodebytes(wish), "application/csrattrs")
            elif operation == "csrattrs":
                self.answer(204)
            else:
                raise Refused(404, "no such operation")
        except Refused as why:
            self.refuse(why)

    def read_csr(self):
        if self.headers.get("Content-Type") != "application/pkcs10":
            raise Refused(415, "wrong content type")
        length = int(self.headers.get("Content-Length", "-1"))
        if not 0 < length < 20000:
            raise Refused(400, "wrong length")
        body = self.rfile.read(length)
        try:
            return x509.load_der_x509_csr(base64.b64decode(b"".join(body.split()), validate=True))
        except ValueError:
            raise Refused(400, "no request in base64") from None

    def check(self, csr, operation):
        client = self.client()
        if client is None and not self.has_password():
            raise Refused(401, "who are you?")
        try:
            good = csr.is_signature_valid
        except InvalidSignature:
            good = False
        if not good:
            raise Refused(400, "wrong signature")
        if not csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            raise Refused(400, "no name")
        if operation == "simplereenroll" and client is None:
            raise Refused(401, "the certificate to be renewed was not shown")
        if operation == "simplereenroll" and (client.subject != csr.subject or names_of(client) != names_of(csr)):
            raise Refused(400, "other names than in the certificate")
        if operation not in ("simpleenroll", "simplereenroll"):
            raise Refused(404, "no such operation")
        if csr.public_bytes(serialization.Encoding.DER) in ANSWERED:
            raise Refused(400, "this request was answered already")

    def pending(self, how):
        left = FOLDER / "pending"
        with LOCK:
            n = int(left.read_text(encoding="ascii")) if left.exists() else int(how["pending"][0])
            left.write_text(str(n - 1), encoding="ascii")
        return n > 0

    def enrol(self, how):
        operation = self.operation()
        arrive("POST", operation, how)
        csr = self.read_csr()
        der = csr.public_bytes(serialization.Encoding.DER)
        hold("POST", operation)
        if "away" in how:
            note("requests", f"POST {operation} away")
            self.close_connection = True
            return
        self.check(csr, operation)
        if "digest" in how and csr.signature_hash_algorithm.name != how["digest"][0]:
            raise Refused(400, "another digest was asked for")
        if "status" in how:
            raise Refused(int(how["status"][0]), "as the test wants")
        if "pending" in how and self.pending(how):
            self.answer(202, b"later", more=[("Retry-After", "1")])
            return
        answers = {
            "junk": (b"MAMCAQA=\n", "application/pkcs7-mime"),
            "empty": (b"", "application/pkcs7-mime"),
            "type": (b"hello", "text/html"),
            "huge": (b"A" * 3000000, "application/pkcs7-mime"),
        }
        for name, (body, content_type) in answers.items():
            if name in how:
                self.answer(200, body, content_type)
                return
        certificate = issue(csr, how)
        if "cut" not in how:
            ANSWERED.add(der)
        self.answer_certs([certificate], cut="cut" in how)

    def do_POST(self):
        try:
            self.enrol(mode())
        except Refused as why:
            self.close_connection = True
            self.refuse(why)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        print(f"{client_address}: {sys.exc_info()[1]}", flush=True)  # clients go away here


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    context.load_verify_locations(sys.argv[6] if len(sys.argv) > 6 else sys.argv[2])
    context.verify_mode = ssl.CERT_OPTIONAL
    port = FOLDER / "port"
    server = Server(("127.0.0.1", int(port.read_text(encoding="ascii")) if port.exists() else 0), Handler)
    # TLS is begun by the thread of the connection: a client that stops in it stops nobody else.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    port.write_text(str(server.server_address[1]), encoding="ascii")
    (FOLDER / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
