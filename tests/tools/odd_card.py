#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A card with labels that the software SIM does not let into its store.

odd_card.py PATH: serves one client after another on a Unix socket, each APDU
behind a 2-byte length. It knows the object list and the content of files.
"""
import socket
import sys

LABELS = {
    b"\x33": b"we;ird% \x1b[31m\xe2\x80\xae",  # controls: still UTF-8
    b"\x34": b"\xff\xfe",                      # no UTF-8: as if there were none
}


def tlv(tag, value):
    return bytes([tag, len(value)]) + value


def file_object(identifier, label):
    names = tlv(0x73, label) + tlv(0x83, identifier)
    return tlv(0xC3, names + bytes.fromhex("6001014A01012101012002") + b"\x00\x03")


def answer(apdu):
    ins, data = apdu[1], apdu[5:]
    if ins == 0x70:  # MANAGE CHANNEL
        return b"\x01\x90\x00"
    if ins == 0xA4:  # SELECT
        return b"\x90\x00"
    if ins == 0xCB and apdu[2] == 0x01:  # GET DATA - object list
        return b"".join(file_object(i, label) for i, label in LABELS.items()) + b"\x90\x00"
    if ins == 0xB0:  # READ FILE: its identifier and two bytes, in one piece
        offset = apdu[2] << 8 | apdu[3]
        return (data[2:3] + b"\x1b\n")[offset:] + b"\x90\x00"
    return b"\x6d\x00"


def serve(connection):
    with connection, connection.makefile("rb") as stream:
        while len(head := stream.read(2)) == 2:
            response = answer(stream.read(int.from_bytes(head, "big")))
            connection.sendall(len(response).to_bytes(2, "big") + response)


with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    while True:
        serve(listener.accept()[0])
