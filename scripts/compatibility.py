#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of docs/compatibility.md.

usage: scripts/compatibility.py [--check] [BUILD]   (the build folder, `build` if not given)

They are made from the profiles and modems of BUILD's iotsafe-softsim, the results in
docs/profiles.md and the facts in docs/compatibility.json. --check changes nothing and exits
with status 1 if the page would change. In both cases the exit status is also 1 if the facts
name a profile or modem that does not exist, or omit one that does.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent
PAGE = SOURCE / "docs/compatibility.md"
RESULTS = SOURCE / "docs/profiles.md"
FACTS = SOURCE / "docs/compatibility.json"
WAYS = ("socket", "pcsc-t0", "pcsc-t1")
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)
ROW = re.compile(r"^  (\S+) +(\S*)$", re.MULTILINE)


def known_to_softsim(build):
    """profiles and modems, each with its settings"""
    run = subprocess.run(
        [build / "softsim/iotsafe-softsim", "--help-settings"], capture_output=True, text=True, check=True
    )
    profiles = dict(ROW.findall(run.stdout.split("\n\n")[0]))
    modems = dict(re.findall(r"^    (\S+) +(\S*)$", run.stdout.split("  like=NAME")[1], re.MULTILINE))
    return profiles, modems


def results():
    """(way, profile) -> how many operations of how many succeed"""
    counts = {}
    for _, name, table, _ in TABLE.findall(RESULTS.read_text(encoding="utf-8")):
        way = name.removeprefix("results-")
        if way == name:
            continue
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        head, _, *body = rows
        for column, profile in enumerate(head[1:], 1):
            works = sum(row[column] in ("ok", "software") for row in body)
            counts[way, profile] = f"{works} of {len(body)}"
    return counts


def table(head, rows):
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines) + "\n"


def families(facts, works):
    head = ["applet", "source", "evidence", "emulated as", *WAYS, "on hardware"]
    for fact in facts["families"]:
        name = fact["profile"]
        row = [fact["family"], fact["source"], fact["evidence"], f"`{name}`"]
        yield row + [works.get((way, name), "random") for way in WAYS] + ["not tested"]
    yield head


def emulated(tried):
    return ", ".join(f"`{one}`" for one in tried) or "-"


def tables(facts, profiles):
    *rows, head = families(facts, results())
    return {
        "families": table(head, rows),
        "settings": table(
            ["profile", "settings"],
            [[f"`{name}`", " ".join(f"`{one}`" for one in text.split(";") if one)] for name, text in profiles.items()],
        ),
        "modems": table(
            ["modem", "way", "report", "on hardware", "emulated"],
            [[f["modem"], f["way"], f["report"], "not tested", emulated(f["tried"])] for f in facts["modems"]],
        ),
        "readers": table(
            ["reader", "report", "on hardware", "emulated"],
            [[f["reader"], f["report"], "not tested", emulated(f["tried"])] for f in facts["readers"]],
        ),
    }


def texts(pattern):
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(SOURCE.glob(pattern)))


def is_tried(what, modems):
    """whether the tests have that: `like=sequans`, `fake_mbim p2-0c`, `test_card.c`, `matrix pcsc-t0`"""
    program, _, switch = what.partition(" ")
    if program.startswith("fake_"):
        fake = SOURCE / f"tests/bridge/{program}.c"
        return fake.exists() and (not switch or f'"{switch}"' in fake.read_text(encoding="utf-8"))
    if program == "matrix":
        return switch in texts("tests/matrix/meson.build")
    if program.endswith(".c"):
        return bool(list(SOURCE.glob(f"tests/unit/*/{program}")))
    scripts = texts("tests/e2e/*.sh")
    one_by_one = modems.get(program.removeprefix("like="), program).split(";")
    return program in scripts or all(one in scripts for one in one_by_one if one)


def mistakes(facts, profiles, modems):
    told = [fact["profile"] for fact in facts["families"]]
    tried = {one for part in ("modems", "readers") for fact in facts[part] for one in fact["tried"]}
    like = {one.removeprefix("like=") for one in tried if one.startswith("like=")}
    for name in sorted(set(told) ^ set(profiles)):
        yield f"profile {name}: in the facts or in the software SIM only"
    for name in sorted(like ^ set(modems)):
        yield f"modem {name}: in the facts or in the software SIM only"
    for one in sorted(tried):
        if not is_tried(one, modems):
            yield f"{one}: no test has that"
    names = [fact["modem"] for fact in facts["modems"]]
    if names != sorted(names, key=str.casefold):
        yield "the modems are not sorted"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=SOURCE / "build")
    options = parser.parse_args()
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    profiles, modems = known_to_softsim(options.build)
    wrong = list(mistakes(facts, profiles, modems))
    if wrong:
        sys.exit("\n".join(f"{FACTS.name}: {line}" for line in wrong))
    made = tables(facts, profiles)
    old = PAGE.read_text(encoding="utf-8")
    new = TABLE.sub(lambda match: match.group(1) + made[match.group(2)] + match.group(4), old)
    if not options.check:
        PAGE.write_text(new, encoding="utf-8")
    elif old != new:
        sys.exit(f"{PAGE.name} is out of date: run scripts/compatibility.py")


if __name__ == "__main__":
    main()
