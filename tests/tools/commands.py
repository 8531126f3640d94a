#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Collects the command lines of README, the pages and the comments in conf/.

usage: commands.py SOURCE FOLDER

Writes each block of them as a script, FOLDER/PAGE/LINE.sh with the slashes of PAGE as
commas, to be run by commands.sh. Left out are those that another test runs and those that
commands.txt says cannot be run here. Prints what is wrong, and then ends with status 1.

Where commands stand:
  manual pages   lines with a prompt, `$ ` or `# `, in .Dl and .Bd -literal
  Markdown       blocks indented by four and fences of `sh`; if there are prompts, `$ `, in
                 one, the other lines are output. A comment of HTML in front of it names the
                 test that runs it, or the file of conf/ that it shows
  conf/          comments that are indented by three to eight, and the values of COMMAND
"""
import fnmatch
import pathlib
import re
import sys

SOURCE, FOLDER = map(pathlib.Path, sys.argv[1:3])
TABLE = SOURCE / "tests/tools/commands.txt"
PROMPT = {True: re.compile(r"[$#] (?=\S)"), False: re.compile(r"\$ (?=\S)")}  # in a manual page
# A block without prompts that begins with one of these is no text.
PROGRAMS = re.compile(
    r"\s*(?:[A-Z_]+=\S+ )*(?:iotsafe(?:-\w+)?|openssl|meson|ninja|curl|cp|mkdir|systemctl|groupadd|usermod|"
    r"install|apt-get|mosquitto_\w+|scripts/\S+)(?: (?!= )|$)")
SETTING = re.compile(r"(?!COMMAND=)\w+=(?:\S*(?: \w+)?|\"[^\"]*\")$|\w+==|\[|\.include ")
wrong = []


def complain(page, line, text):
    wrong.append(f"{page}:{line}: {text}")


def incomplete(command):
    return command.endswith(("\\", "|", "&&", "||")) or command.count("'") % 2 == 1


def commands_of(lines, prompt):
    """The commands of a block, those of several lines in one. What begins with a prompt, if
    there is one; the rest is output then."""
    found = []
    for _, text in lines:
        if found and incomplete(found[-1]):
            found[-1] += "\n" + text
        elif prompt is None and text.strip() and not text.lstrip().startswith("#"):
            found.append(text)
        elif prompt is not None and prompt.match(text):
            found.append(text[2:])
    return found


# ------------------------------------------------- blocks: (lines, mark, may be commands)

def plain(text):
    return text.replace("\\e", "\\").replace("\\&", "").replace("\\-", "-")


def manual_blocks(text):
    block = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(".Dl "):
            yield [(number, plain(line[4:]))], None, False
        elif line.startswith(".Bd -literal"):
            block = []
        elif line == ".Ed" and block is not None:
            yield block, None, False
            block = None
        elif block is not None:
            block.append((number, plain(line)))


def markdown_blocks(text):
    block, fence, mark, empty = [], None, None, True
    for number, line in enumerate([*text.splitlines(), "end"], 1):
        if fence is not None:
            if line.strip() == "```":
                yield block, mark, fence == "sh"
                block, fence, mark = [], None, None
            else:
                block.append((number, line))
        elif line.strip().startswith("```"):
            fence, block = line.strip()[3:], []
        elif line.startswith("    ") and (block or empty):
            block.append((number, line[4:].strip() if line.startswith("       ") else line[4:]))
        elif line.strip():
            if block:
                yield block, mark, True
                mark = None
            block = []
            comment = re.fullmatch(r"<!-- (.*) -->", line)
            mark = comment.group(1) if comment else None
        elif block:
            block.append((number, ""))
        empty = not line.strip()


def conf_blocks(text):
    block = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        comment = re.match(r"(?:#|//) {3,8}(?! )(.*)", line)
        if comment and not SETTING.match(comment.group(1)):
            block.append((number, comment.group(1).removeprefix("COMMAND=")))
        elif block:
            yield block, None, True
            block = []


# ---------------------------------------------------------- what other tests run

def tests():
    for path in sorted((SOURCE / "tests").rglob("*.sh")):
        yield path, path.read_text(encoding="utf-8")


def run_elsewhere(page, mark):
    """Whether the test that the mark speaks of runs the block."""
    named = re.search(r"tests/\S+\.sh", mark)
    if named:
        return (SOURCE / named.group()).is_file()
    if mark.startswith("conf/"):
        name = pathlib.Path(mark).name
        first, _, last = name.partition("-")
        return any(name in text or f"/{first}-$" in text or f"$1-{last}" in text
                   for path, text in tests() if path.parent.name == "programs")
    # by its name in the page, or the beginning of it
    name = pathlib.Path(page).name
    return any(name in text and (f"block '{mark}'" in text or f'block "{mark.rsplit(" ", 1)[0]} $' in text)
               for _, text in tests())


class Table:
    """commands.txt: what cannot be run here."""

    def __init__(self):
        self.rows, self.used, page = [], set(), None
        for number, line in enumerate(TABLE.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("["):
                page = line.strip("[]")
            elif line and not line.startswith("#"):
                fields = [field.strip() for field in line.split(" :: ")]
                if len(fields) != 3 or not (SOURCE / fields[2]).is_file():
                    complain(TABLE.name, number, "want PATTERN :: REASON :: FILE OF A TEST")
                else:
                    program = pathlib.Path(fields[0].split()[0].strip("*")).name
                    if not re.search(rf"\b{re.escape(program)}\b", (SOURCE / fields[2]).read_text(encoding="utf-8")):
                        complain(TABLE.name, number, f"{fields[2]} has nothing to do with {program}")
                self.rows.append((number, page, fields[0]))

    def has(self, page, command):
        words = " ".join(command.replace("\\\n", " ").split())
        for row in self.rows:
            number, pages, pattern = row
            if fnmatch.fnmatchcase(page, pages) and fnmatch.fnmatchcase(words, pattern):
                self.used.add(number)
                return True
        return False

    def unused(self):
        for number, page, pattern in self.rows:
            if number not in self.used:
                complain(TABLE.name, number, f"{page} has no such command: {pattern}")


SERVER = re.compile(r"(?:[A-Z_]+=\S+ )*(?:iotsafe-softsim run|iotsafe-bridge) ")


def as_run(command):
    """A server goes to the background, and the next command waits for it."""
    if not SERVER.match(command):
        return command
    waits = [f"until [ -e {path} ]; do kill -0 $!; sleep 0.1; done"
             for path in re.findall(r"(?:unix:|--at )(\S+)", command)]
    return "\n".join([command.rstrip(" &") + " &", *waits])


def pages():
    for path in sorted([SOURCE / "README.md", SOURCE / "CONTRIBUTING.md", SOURCE / "SECURITY.md",
                        *(SOURCE / "docs").glob("*.md")]):
        yield path, markdown_blocks
    for path in sorted((SOURCE / "docs").glob("*.[1-8]")):
        yield path, manual_blocks
    for path in sorted((SOURCE / "conf").rglob("*")):
        if path.is_file() and "completions" not in path.parts:
            yield path, conf_blocks


def main():
    table = Table()
    for path, blocks in pages():
        page = str(path.relative_to(SOURCE))
        for lines, mark, commands in blocks(path.read_text(encoding="utf-8")):
            number = lines[0][0] if lines else 0
            if mark and run_elsewhere(page, mark):
                continue
            prompt = PROMPT[blocks is manual_blocks]
            if not any(prompt.match(text) for _, text in lines):
                prompt = None
            if not commands and prompt is None:
                if any(PROGRAMS.match(text) for _, text in lines):
                    complain(page, number, "commands without a prompt, or in a fence that is not one of sh")
                continue
            script = [command for command in commands_of(lines, prompt) if not table.has(page, command)]
            if script:
                folder = FOLDER / page.replace("/", ",")
                folder.mkdir(parents=True, exist_ok=True)
                text = "\n".join(map(as_run, script)) + "\n"
                (folder / f"{number:04}.sh").write_text(text, encoding="utf-8")
    table.unused()
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


sys.exit(main())
