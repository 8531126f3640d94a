#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Looks for values that must not be in a file, in every form that they could have there.

usage: find_values.py FILE <VALUES

A value a line: text, or bytes as hex:DIGITS. Prints what is there, and then ends with 1.
"""
import base64
import pathlib
import re
import sys


def forms(value):
    """(name, bytes) of a value: as it is, in hex, digits as SIMs store them, in base64."""
    raw = bytes.fromhex(value[4:]) if value.startswith("hex:") else value.encode()
    digits = raw.hex() if value.startswith("hex:") else value
    yield "as it is", raw
    yield "hex", raw.hex().encode()
    yield "hex with gaps", " ".join(f"{b:02x}" for b in raw).encode()
    yield "hex with colons", ":".join(f"{b:02x}" for b in raw).encode()
    if re.fullmatch(r"[0-9a-fA-F]+", digits):
        even = digits + "f" * (len(digits) % 2)
        yield "digits", digits.encode()
        yield "swapped nibbles", re.sub(r"(.)(.)", r"\2\1", even).encode()
    for skip in range(3):  # where it stands in what was encoded
        inner = base64.b64encode(bytes(skip) + raw).rstrip(b"=")
        yield "base64", inner[4 if skip else 0:-2]


def main():
    text = pathlib.Path(sys.argv[1]).read_bytes()
    found = False
    for line in sys.stdin.read().split("\n"):
        for name, form in forms(line) if line else ():
            same_case = name in ("base64",)
            if len(form) >= 6 and (form if same_case else form.lower()) in (text if same_case else text.lower()):
                print(f"{line}: {name}")
                found = True
    return found


sys.exit(main())
