#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers as the Azure Device Provisioning Service does to devices with X.509, for tests. It is
a stand-in, and as strict with requests as the documents allow.

usage: dps_server.py FOLDER CA-CERT SERVER-CERT SERVER-KEY SCOPE

In FOLDER it makes `port`, `ready` and `requests`, a line for each; `mode` says what to do:
  assigning N   that often, before the device is assigned
  status WORD   end with that status
  http N        answer by that HTTP status
  junk          answer no JSON
"""
import http.server
import json
import pathlib
import ssl
import sys
import urllib.parse

FOLDER = pathlib.Path(sys.argv[1])
SCOPE = sys.argv[5]
LEFT = {}  # operations of devices, and how often they are answered by `assigning`


class Refused(Exception):
    """with a status and a reason"""


def mode():
    try:
        lines = (FOLDER / "mode").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return {line.split()[0]: line.split()[1:] for line in lines if line}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def answer(self, status, value):
        with open(FOLDER / "requests", "a", encoding="ascii") as file:
            file.write(f"{self.command} {status}\n")
        body = b"junk" if "junk" in mode() else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 202:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def registration(self, tail):
        """the registration ID in the path, and what follows `tail` there"""
        url = urllib.parse.urlsplit(self.path)
        if urllib.parse.parse_qs(url.query) != {"api-version": ["2021-10-01"]}:
            raise Refused(400, "wrong version")
        parts = url.path.split("/")[1:]
        if parts[:2] != [SCOPE, "registrations"] or parts[3:4] != [tail]:
            raise Refused(404, "no such path")
        subject = dict(row[0] for row in self.connection.getpeercert()["subject"])
        if subject.get("commonName") != parts[2]:
            raise Refused(401, "the certificate is one of another device")
        return parts[2], parts[4:]

    def operate(self, device, operation):
        how = mode()
        state = {"registrationId": device, "status": "assigning"}
        if "http" in how:
            raise Refused(int(how["http"][0]), "as the test wants")
        if LEFT[device, operation] > 0:
            LEFT[device, operation] -= 1
            self.answer(202, {"operationId": operation, "status": "assigning", "registrationState": state})
            return
        status = how.get("status", ["assigned"])[0]
        state.update(status=status, assignedHub="hub.example", deviceId=device)
        if status != "assigned":
            state = {"registrationId": device, "status": status, "errorMessage": "as the test wants"}
        self.answer(200, {"operationId": operation, "status": status, "registrationState": state})

    def do_PUT(self):
        try:
            device, _ = self.registration("register")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Content-Type"] != "application/json" or body != {"registrationId": device}:
                raise Refused(400, "wrong body")
            operation = f"4.{device}.{len(LEFT)}"
            LEFT[device, operation] = int(mode().get("assigning", ["0"])[0])
            self.operate(device, operation)
        except Refused as why:
            self.answer(why.args[0], {"errorCode": why.args[0] * 1000, "message": why.args[1]})

    def do_GET(self):
        try:
            device, rest = self.registration("operations")
            if len(rest) != 1 or (device, rest[0]) not in LEFT:
                raise Refused(404, "no such operation")
            self.operate(device, rest[0])
        except Refused as why:
            self.answer(why.args[0], {"errorCode": why.args[0] * 1000, "message": why.args[1]})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        print(f"{client_address}: {sys.exc_info()[1]}", flush=True)


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    context.load_verify_locations(sys.argv[2])
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    (FOLDER / "port").write_text(str(server.server_address[1]), encoding="ascii")
    (FOLDER / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
