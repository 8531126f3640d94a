#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tables and listings of docs/applications.md from the tested files.

usage: applications.py [--check]
       applications.py --results FILE...

Without an option it writes the page anew: the table of programs from the lines
`program` and `runs` of tests/programs/*.sh, and below each line
`<!-- conf/FILE -->` that file, as the tests use it. --check changes nothing and
exits with status 1 if the page would change, or if it leaves a file of
conf/programs/ out. --results prints a table of what the tests noted in
testlog.json files: program, version, role, TLS version, result, control.
"""
import argparse
import json
import pathlib
import re
import shlex
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/applications.md"
TABLE = re.compile(r"(<!-- table of programs -->\n\n)(?:(?:\|.*\n)+\n)?")
LISTING = re.compile(r"(<!-- (conf/\S+) -->\n\n)(?:```\w*\n.*?^```\n\n)?", re.DOTALL | re.MULTILINE)
LICENCE = re.compile(r"^\S+ SPDX-" r"License-Identifier: .*\n", re.MULTILINE)
NOTE = re.compile(r"^# program: (.*)$", re.MULTILINE)
LANGUAGES = {".py": "python", ".sh": "sh", ".ini": "ini", ".js": "js", ".php": "php", ".pl": "perl"}


def words_of(script, command):
    """the lines of a script with that command, cut into words"""
    for line in script.read_text().splitlines():
        if line.startswith(command + " "):
            yield shlex.split(line)[1:]


def tests():
    for script in sorted((ROOT / "tests/programs").glob("*.sh")):
        if script.name == "lib.sh":
            continue
        programs = list(words_of(script, "program"))
        runs = list(words_of(script, "runs"))
        if len(programs) != 1 or not runs:
            sys.exit(f"{script}: one line `program` and lines `runs` are needed")
        yield script, programs[0], runs


def table():
    lines = [
        "| program (Debian package) | role of the SIM's key | TLS | where the reason appears | test |",
        "|---|---|---|---|---|",
    ]
    rows = []
    for script, (name, package, *_), runs in tests():
        for role, versions, where, *_ in runs:
            tls = "" if versions == "-" else ", ".join(versions.split())
            test = f"[{script.stem}](../tests/programs/{script.name})"
            package = package.split("-$")[0]  # a version that the test finds out
            rows.append((name.lower(), f"| {name} ({package}) | {role} | {tls} | {where} | {test} |"))
    # the roles of one program in the order of its test
    lines += [row for _, row in sorted(rows, key=lambda row: row[0])]
    return "\n".join(lines) + "\n\n"


def listing(match):
    path = ROOT / match.group(2)
    if not path.is_file():
        sys.exit(f"{PAGE.name}: {match.group(2)} does not exist")
    text = LICENCE.sub("", path.read_text())
    return f"{match.group(1)}```{LANGUAGES.get(path.suffix, '')}\n{text}```\n\n"


def page(text):
    text, tables = TABLE.subn(lambda match: match.group(1) + table(), text)
    if tables != 1:
        sys.exit(f"{PAGE.name}: one line `<!-- table of programs -->` is needed, with an empty line behind it")
    return LISTING.sub(listing, text)


def left_out(text):
    shown = {match.group(2) for match in LISTING.finditer(text)}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "conf/programs").iterdir()}
    return sorted(files - shown)


def show_results(paths):
    rows = [("PROGRAM", "VERSION", "ROLE", "TLS", "WITH THE KEY", "KEY DEACTIVATED")]
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in filter(str.strip, log):
                notes = NOTE.findall(json.loads(line).get("stdout", ""))
                rows += sorted(tuple(note.split(" | ")) for note in notes)
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--results", nargs="+", metavar="FILE")
    options = parser.parse_args()
    if options.results:
        return show_results(options.results)
    old = PAGE.read_text()
    new = page(old)
    for name in left_out(new):
        sys.exit(f"{PAGE.name}: does not show {name}")
    if not options.check:
        PAGE.write_text(new)
    elif old != new:
        sys.exit(f"{PAGE.name} is not what the tests use: run scripts/applications.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
