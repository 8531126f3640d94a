#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Is this an SPDX 2.1 document in the form of tags and values, and of these files?

usage: check_spdx.py DOCUMENT FOLDER

Checks what SPDX 2.1 demands of a document (clause 2) and of each file (clause 4), that
identifiers are unique and described, that each checksum is that of the file in FOLDER, and
that no file is left out. Prints what is wrong, and then ends with status 1.
"""
import hashlib
import pathlib
import re
import sys

DOCUMENT = {
    "SPDXVersion": r"SPDX-2\.1",
    "DataLicense": r"CC0-1\.0",
    "SPDXID": r"SPDXRef-DOCUMENT",
    "DocumentName": r"\S+",
    "DocumentNamespace": r"https?://[^#\s]+",
    "Creator": r"(Person|Organization|Tool): .+",
    "Created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
}
FILE = {
    "FileName": r"\./.+",
    "SPDXID": r"SPDXRef-[A-Za-z0-9.-]+",
    "FileChecksum": r"SHA1: [0-9a-f]{40}",
    "LicenseConcluded": r"\S.*",
    "LicenseInfoInFile": r"Apache-2\.0",
    "FileCopyrightText": r"<text>.*\d{4} .*</text>",
}
# Not of the sources' making, so that reuse leaves them out: texts of licences, and what is empty.
LEFT_OUT = re.compile(r"(LICENSE|LICENSES/.*|\.reuse/.*)$")
wrong = []


def tags_of(part):
    return [line.partition(": ")[::2] for line in part.split("\n") if ": " in line]


def check(what, tags, demanded):
    for tag, form in demanded.items():
        values = [value for name, value in tags if name == tag]
        if not values:
            wrong.append(f"{what}: no {tag}")
        wrong.extend(f"{what}: {tag}: {value}" for value in values if not re.fullmatch(form, value))


def main():
    folder = pathlib.Path(sys.argv[2])
    head, *files = re.split(r"\n\n(?=FileName: )", pathlib.Path(sys.argv[1]).read_text())
    tags = tags_of(head)
    check("document", tags, DOCUMENT)
    described = {value.rpartition(" ")[2] for name, value in tags
                 if name == "Relationship" and value.startswith("SPDXRef-DOCUMENT describes ")}
    names, ids = set(), set()
    for part in files:
        one = dict(tags_of(part))
        name = one.get("FileName", "")
        check(name, tags_of(part), FILE)
        if one.get("SPDXID") in ids:
            wrong.append(f"{name}: {one['SPDXID']} stands twice")
        ids.add(one.get("SPDXID"))
        names.add(name)
        path = folder / name
        if not path.is_file() or "SHA1: " + hashlib.sha1(path.read_bytes()).hexdigest() != one.get("FileChecksum"):
            wrong.append(f"{name}: not that file")
    if ids != described:
        wrong.append(f"described but no file, or a file and not described: {sorted(ids ^ described)[:3]}")
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and path.stat().st_size and f"./{name}" not in names and not LEFT_OUT.match(name):
            wrong.append(f"{name}: left out")
    print("\n".join(wrong), end="\n" if wrong else "")
    return bool(wrong) or len(files) < 100


sys.exit(main())
