#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What callgrind has counted, for measure.py and guard.sh.

usage: callgrind.py FILE FEW_OUTPUT MANY_OUTPUT SIGNATURES

Prints the instructions in the file whose name FILE is that so many more signatures took, for
each of them.
"""
import pathlib
import sys


def self_cost(path):
    """Instructions by the file that they are in, of callgrind's output."""
    costs, names, now, skip = {}, {}, None, False
    for text in path.read_text(errors="replace").splitlines():
        if text.startswith(("ob=", "cob=")):  # a name stands where its number comes first
            number, _, name = text.partition("=")[2].partition(" ")
            names.setdefault(number, name)
            now = names[number] if text[0] == "o" else now
        elif text.startswith("calls="):
            skip = True
        elif text[:1] in "0123456789+-*" and text:
            if not skip:
                costs[now] = costs.get(now, 0) + int(text.split()[1])
            skip = False
    return costs


def main():
    few, many = (sum(cost for file, cost in self_cost(pathlib.Path(path)).items() if file and pathlib.Path(file).name == sys.argv[1])
                 for path in sys.argv[2:4])
    print(round((many - few) / int(sys.argv[4])))


if __name__ == "__main__":
    main()
