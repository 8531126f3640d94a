#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the manual pages with what they describe, both ways: the options in a
program's --help, the tool's commands, the provider's settings and their environment.

usage: scripts/check_pages.py [BUILD]      (the build folder, `build` if not given)
"""
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else SOURCE / "build")

OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
PAGE_OPTION = re.compile(r"\bFl -([a-z][a-z0-9-]*)")


def help_of(program, *arguments):
    """The help text; it ends with status 0 and is all of what is printed."""
    run = subprocess.run([BUILD / program, *arguments, "--help"], capture_output=True, text=True)
    if run.returncode != 0 or run.stderr:
        sys.exit(f"{program} {' '.join(arguments)} --help: status {run.returncode}: {run.stderr}")
    return run.stdout


def page(name):
    return (SOURCE / "docs" / name).read_text(encoding="utf-8")


def compare(what, name, in_program, in_page):
    """Reports what only one side has; the number of such things."""
    if not in_program:
        sys.exit(f"{what} of {name}: found none, so this script reads the wrong place")
    for thing in sorted(in_program - in_page):
        print(f"docs/{name}: {what} {thing} is not in the page")
    for thing in sorted(in_page - in_program):
        print(f"docs/{name}: {what} {thing} is in the page only")
    return len(in_program ^ in_page)


def tool_commands():
    lines = help_of("tools/iotsafe").split("\nCommands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  ([a-z-]+)", lines, re.M)


def rows(text):
    """The options that stand first in a line: what follows is explanation."""
    return set(re.findall(r"^  --([a-z][a-z0-9-]*)", text, re.M))


def check_tool():
    text = page("iotsafe.1")
    commands = tool_commands()
    options = rows(help_of("tools/iotsafe"))
    for command in set(commands) - {"enroll"}:  # has a page of its own
        options |= rows(help_of("tools/iotsafe", command))
    described = text.split(".Sh COMMANDS")[1].split(".Sh JSON OUTPUT")[0]
    # A command stands at the beginning of an item or, where that is long, alone in a line.
    in_page = set(re.findall(r"^\.It Cm ([a-z-]+)", described, re.M))
    in_page |= set(re.findall(r"^\.It Xo\n\.Cm ([a-z-]+)$", described, re.M))
    return compare("the command", "iotsafe.1", set(commands), in_page) + compare(
        "the option", "iotsafe.1", options, set(PAGE_OPTION.findall(text)))


def check_enroll():
    """Its methods, as far as they were built, and the options of each."""
    text = page("iotsafe-enroll.1")
    lines = help_of("tools/iotsafe-enroll").split("\nMethods:\n")[1].split("\n\n")[0]
    methods = set(re.findall(r"^  ([a-z]+)", lines, re.M))
    options = rows(help_of("tools/iotsafe-enroll"))
    for method in methods:
        options |= rows(help_of("tools/iotsafe-enroll", method))
    in_page = set(re.findall(r"^\.It Cm ([a-z]+)$", text.split(".Sh METHODS")[1].split("\n.Sh ")[0], re.M))
    if methods != in_page:
        print(f"docs/iotsafe-enroll.1: this build has {', '.join(sorted(methods))} alone")
        return len(methods - in_page) + len(options - set(PAGE_OPTION.findall(text)))
    return compare("the option", "iotsafe-enroll.1", options, set(PAGE_OPTION.findall(text)))


def check_program(program, name, *helps):
    text = "".join(help_of(program, *arguments) for arguments in helps)
    return compare("the option", name, set(OPTION.findall(text)), set(PAGE_OPTION.findall(page(name))))


def check_settings():
    source = (SOURCE / "applet_io/config.c").read_text(encoding="utf-8")
    table = re.search(r"\} settings\[\] = \{(.*?)\n\};", source, re.S).group(1)
    keys = set(re.findall(r'\{ "([a-z-]+)"', table))
    environment = set(re.findall(r'"(IOTSAFE_[A-Z_]+)"', table))
    text = page("provider-iotsafe.7")
    section = text.split(".Ss Configuration\n")[1].split("\n.Ss ")[0]
    settings = set(re.findall(r"^\.It Cm ([a-z-]+)(?: Pq .*)?$", section, re.M))
    return compare("the setting", "provider-iotsafe.7", keys, settings) + compare(
        "the variable", "provider-iotsafe.7", environment,
        set(re.findall(r"\.It Cm .*Ev (IOTSAFE_[A-Z_]+)", text)))


def main():
    wrong = check_settings()
    if (BUILD / "tools/iotsafe").exists():
        wrong += check_tool()
    if (BUILD / "tools/iotsafe-enroll").exists():
        wrong += check_enroll()
    if (BUILD / "bridge/iotsafe-bridge").exists():
        wrong += check_program("bridge/iotsafe-bridge", "iotsafe-bridge.1", ())
    if (BUILD / "softsim/iotsafe-softsim").exists():
        wrong += check_program("softsim/iotsafe-softsim", "iotsafe-softsim.1", (), ("admin",))
    return 1 if wrong else 0


sys.exit(main())
