#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what `meson test` noted in its testlog.json files.

usage: results.py [--passed N] [--failed N] [--figures] FILE...

Every TAP line and every Criterion test counts as one; any other program counts
as one. A program that failed as a whole without a failed item in it (crash,
time limit) counts as one failure more.

Prints one line, `N passed, N failed` or `N passed, N failed, N skipped`, and
exits with status 1 if anything failed or a file cannot be read. With --figures
it prints instead what tests reported as `# figure: ...`; with --failures the
failed items with the lines that explain them.
"""
import argparse
import json
import re
import sys

TAP_ITEM = re.compile(r"^(not )?ok\b(.*)$")
TAP_SKIP = re.compile(r"#\s*skip", re.IGNORECASE)
CRITERION = re.compile(r"Synthesis: Tested: \d+ \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        return [json.loads(line) for line in log if line.strip()]


def count(test):
    """passed, failed, skipped of one program"""
    passed = failed = skipped = 0
    criterion = CRITERION.search(test.get("stderr", ""))
    items = [m for m in map(TAP_ITEM.match, test.get("stdout", "").splitlines()) if m]
    for item in items:
        if TAP_SKIP.search(item.group(2)):
            skipped += 1
        elif item.group(1):
            failed += 1
        else:
            passed += 1
    if not items and criterion:
        passed = int(criterion.group(1))
        failed = int(criterion.group(2)) + int(criterion.group(3))

    result = test["result"]
    if result in ("OK", "EXPECTEDFAIL"):
        if not passed and not skipped:
            passed = 1
    elif result == "SKIP":
        skipped = max(skipped, 1)
    elif not failed:
        failed = 1
    return passed, failed, skipped


def show_failures(test):
    """failed TAP items, each with the comment lines behind it"""
    show = False
    for line in test.get("stdout", "").splitlines():
        item = TAP_ITEM.match(line)
        if item:
            show = bool(item.group(1))
            if show:
                print(f"{test['name']}: {line}")
        elif show and line.startswith(("#", " ")):
            print(line)
    if count(test)[1] and "not ok" not in test.get("stdout", ""):
        print(f"{test['name']}: {test['result']}")


def show_figures(test):
    for line in test.get("stdout", "").splitlines():
        if line.startswith("# figure: "):
            print("  " + line[len("# figure: "):])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--passed", type=int, default=0)
    parser.add_argument("--failed", type=int, default=0)
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--failures", action="store_true")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()

    total = [args.passed, args.failed, 0]
    for path in args.files:
        try:
            tests = read(path)
        except (OSError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            total[1] += 1
            continue
        for test in tests:
            if args.failures:
                show_failures(test)
            if args.figures:
                show_figures(test)
            total = [a + b for a, b in zip(total, count(test))]

    if not args.failures and not args.figures:
        passed, failed, skipped = total
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
