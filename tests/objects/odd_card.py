#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A card with objects that the software SIM does not make.

odd_card.py SOCKET FOLDER SCENARIO: serves one client after another on a Unix
socket, each APDU behind a 2-byte length. FOLDER holds the private keys a.pem
and b.pem, and certificates in DER. It knows the object list, files, public keys
and signatures; keys and files are addressed by identifier alone.
"""
import pathlib
import socket
import subprocess
import sys

PATH, FOLDER, SCENARIO = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
OK = b"\x90\x00"
FILE_ATTRIBUTES = bytes.fromhex("6001014A0101210102")
KEY_ATTRIBUTES = bytes.fromhex("4A01014B01134E010161010192010491020001")


def tlv(tag, value):
    return bytes([tag, len(value)]) + value


def openssl(*arguments, data=None):
    command = ["openssl", *arguments]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


class Card:
    def __init__(self):
        self.list = b""
        self.private, self.public, self.files = {}, {}, {}  # by identifier
        self.file_end = "6a86"
        self.signs_with = None

    def add(self, raw):
        """Bytes of the list, as they are."""
        self.list += raw

    def names(self, identifier, label, tags):
        label = b"" if label is None else tlv(tags[0], label)
        return label + tlv(tags[1], identifier)

    def add_private(self, identifier, key, label=None, extra=b"", template=True):
        self.private[identifier] = str(FOLDER / (key + ".pem"))
        raw = self.names(identifier, label, (0x74, 0x84)) + tlv(0x60, b"\x00") + extra + KEY_ATTRIBUTES
        self.add(tlv(0xC1, raw) if template else raw)

    def add_public(self, identifier, key, label=None, access=1, extra=b"", template=True):
        spki = openssl("pkey", "-in", str(FOLDER / (key + ".pem")), "-pubout", "-outform", "DER")
        self.public[identifier] = spki[-65:]
        raw = self.names(identifier, label, (0x75, 0x85)) + tlv(0x60, bytes([access])) + extra + KEY_ATTRIBUTES
        self.add(tlv(0xC2, raw) if template else raw)

    def add_pair(self, identifier, key, label=None, **how):
        self.add_private(identifier, key, label, **how)
        self.add_public(identifier, key, label, **how)

    def add_file(self, identifier, label, content, size):
        self.files[identifier] = content
        size = b"" if size is None else tlv(0x20, size.to_bytes(2, "big"))
        self.add(tlv(0xC3, self.names(identifier, label, (0x73, 0x83)) + FILE_ATTRIBUTES + size))

    # ----------------------------------------------------------- commands

    def read_file(self, content, offset):
        if content is None:
            return b"\x6a\x82"
        if offset >= len(content):
            ends = {"6a86": b"\x6a\x86", "empty": OK, "zeros": bytes(256) + OK}
            return ends[self.file_end]
        piece = content[offset : offset + 256]
        if self.file_end == "zeros":
            piece = piece.ljust(256, b"\x00")
        return piece + OK

    def read_public(self, point):
        if point is None:
            return b"\x6a\x82"
        return tlv(0x34, tlv(0x49, tlv(0x86, point))) + OK

    def answer(self, apdu):
        ins, data = apdu[1], apdu[5:]
        named = data[2 : 2 + data[1]] if len(data) > 2 and data[0] in (0x83, 0x84, 0x85) else None
        if ins == 0x70:  # MANAGE CHANNEL
            return b"\x01" + OK
        if ins == 0xA4:  # SELECT
            return OK
        if ins == 0xCB and apdu[2] == 0x01:  # GET DATA - object list
            return self.list + OK
        if ins == 0xB0:  # READ FILE
            return self.read_file(self.files.get(named), apdu[2] << 8 | apdu[3])
        if ins == 0xCD:  # READ PUBLIC KEY
            return self.read_public(self.public.get(named))
        if ins == 0x2A and apdu[2] == 0:  # COMPUTE SIGNATURE - INIT
            self.signs_with = self.private.get(named)
            return OK if self.signs_with else b"\x6a\x82"
        if ins == 0x2A:
            return OK
        if ins == 0x2B and self.signs_with and data[:1] == b"\x9e":
            digest = data[2 : 2 + data[1]]
            key, self.signs_with = self.signs_with, None
            return tlv(0x33, openssl("pkeyutl", "-sign", "-inkey", key, data=digest)) + OK
        return b"\x6d\x00"


def certificate(name):
    return (FOLDER / name).read_bytes()


def twins(card):
    """Two private keys of one label, each with its public half by identifier."""
    card.add_pair(b"\x11", "a", b"twin")
    card.add_pair(b"\x12", "b", b"twin")


def identifiers(card):
    """Of 1 to 20 bytes, no labels, every one beginning like the others."""
    for n in range(1, 21):
        card.add_pair(bytes(range(1, n + 1)), "ab"[n % 2])


def noise(card):
    """Good keys between neighbours that make no sense."""
    card.add_pair(b"\x11", "a", b"first", extra=tlv(0x5A, b"\x01\x02") + tlv(0x62, b""))
    card.add(tlv(0xC1, bytes.fromhex("7403626164") + b"\x84\x30\x01"))  # breaks off inside
    card.add(tlv(0xC1, b""))  # empty
    card.add(tlv(0xE5, tlv(0x84, b"\x77")))  # unknown template
    card.add(tlv(0xC1, tlv(0x84, bytes(21)) + KEY_ATTRIBUTES))  # identifier too long
    card.add(tlv(0xC1, tlv(0x74, b"L" * 61) + tlv(0x84, b"\x61") + KEY_ATTRIBUTES))  # label too long
    card.add(tlv(0xC1, tlv(0x74, b"no name") + tlv(0x4A, b"") + tlv(0x4B, b"") + tlv(0x91, b"")))
    card.add_pair(b"\x12", "b", b"middle")
    for key_type in (0x00, 0x43, 0x7F, 0xFF):  # unknown key types
        name = tlv(0x74, b"type %02x" % key_type) + tlv(0x84, bytes([0xA0, key_type]))
        card.add(tlv(0xC1, name + bytes.fromhex("600100") + tlv(0x4A, b"\x01") + tlv(0x4B, bytes([key_type]))))
        name = tlv(0x75, b"type %02x" % key_type) + tlv(0x85, bytes([0xA0, key_type]))
        card.add(tlv(0xC2, name + bytes.fromhex("600101") + tlv(0x4A, b"\x01") + tlv(0x4B, bytes([key_type]))))
    card.public.update({bytes([0xA0, t]): bytes(65) for t in (0x00, 0x43, 0x7F, 0xFF)})
    card.add(tlv(0xC2, tlv(0x85, b"\x13") + KEY_ATTRIBUTES * 3))  # everything three times, no key
    card.add_pair(b"\x14", "a", b"last")
    card.add(b"\xC1\x7f\x74\x03")  # the list was cut


def flat(card):
    """The same without templates: as far as the objects can be told apart."""
    card.add_private(b"\x11", "a", b"first", extra=tlv(0x5A, b"\x01"), template=False)
    card.add(tlv(0x84, bytes(21)) + KEY_ATTRIBUTES)
    card.add(tlv(0x74, b"odd") + tlv(0x84, b"\x77") + tlv(0x4B, b"\x7f") + tlv(0xE5, b"\x84\x01\x01"))
    card.add_private(b"\x12", "b", b"middle", template=False)
    card.add_public(b"\x11", "a", b"first", template=False)
    card.add(tlv(0x85, b"\x78") + tlv(0x4B, b"\x43\x43\x43"))
    card.add_public(b"\x12", "b", b"middle", template=False)
    card.add_private(b"\x14", "a", b"last", template=False)
    card.add_public(b"\x14", "a", b"last", template=False)
    card.add(b"\x74\x20ab")  # the list was cut


def sizes(card):
    """Files whose announced size is wrong, or missing."""
    middle = certificate("middle.der")
    chain = middle + certificate("ca.der")
    card.add_file(b"\x21", b"short", middle, 100)
    card.add_file(b"\x22", b"long", middle, 4000)
    card.add_file(b"\x23", b"zero", middle, 0)
    card.add_file(b"\x24", b"untold", middle, None)
    card.add_file(b"\x25", b"short-chain", chain, len(middle) + 10)
    card.add_file(b"\x26", b"huge", middle, 65535)
    card.add_file(b"\x27", b"cut", middle[:-100], len(middle))
    card.add_file(b"\x28", b"cut-early", middle[:3], len(middle))
    card.add_file(b"\x29", b"nothing", b"", 700)
    card.add_file(b"\x2a", b"endless", b"\x30\x83\xff\xff\xff" + middle, 4000)


def sizes_zeros(card):
    card.file_end = "zeros"
    sizes(card)


def sizes_empty(card):
    card.file_end = "empty"
    sizes(card)


def serve(connection, card):
    with connection, connection.makefile("rb") as stream:
        while len(head := stream.read(2)) == 2:
            response = card.answer(stream.read(int.from_bytes(head, "big")))
            connection.sendall(len(response).to_bytes(2, "big") + response)


the_card = Card()
globals()[SCENARIO](the_card)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(PATH)
    listener.listen()
    while True:
        serve(listener.accept()[0], the_card)
