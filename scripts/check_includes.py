#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom, so that the layers of docs/architecture.md hold.

usage: check_includes.py [FOLDER]

Every source of the folders below must obey all rules whose pattern it matches.
Patterns are those of fnmatch, where `*` matches a slash as well: a file that is
split or renamed keeps its rule. Exit status 1 if an #include breaks a rule, if
it is found nowhere, or if a rule matches no file any more.
"""
import fnmatch
import pathlib
import re
import sys

FOLDERS = ["applet_io", "bridge", "provider", "softsim", "tools"]
# What others see of a folder stands for itself: the rest is foreign to it.
APART = ["applet_io/include", "applet_io/defs"]

# Where an #include "..." is looked for after the folder of its source, as the
# include directories of the build.
SEARCHED = {
    "applet_io": ["applet_io/include", "applet_io/defs", "applet_io"],
    "bridge": ["applet_io/include", "applet_io/defs", "applet_io"],
    "provider": ["applet_io/include", "applet_io/defs", "applet_io"],
    "softsim": ["applet_io/defs", "applet_io/include", "applet_io"],
    "tools": ["tools", "applet_io/include", "applet_io/defs", "provider", "applet_io"],
}

PUBLIC = "applet_io/include/iotsafe.h"
DEFS = "applet_io/defs/iotsafe_defs.h"
CRYPTO = ["<openssl/*>"]
SERVERS = ["<curl/*>", "<mosquitto.h>"]
DEVICES = ["<winscard.h>", "<termios.h>", "<lib*-glib.h>", "<gio/*>"]

# Of which headers outside of its own folder each knows. Headers of the system
# that are not RESTRICTED are free for all.
MAY = [
    ("applet_io/*", [PUBLIC, DEFS]),
    ("provider/*", [PUBLIC, *CRYPTO]),
    # the formats of key references, certificate files and signatures are the provider's;
    # algorithms are named by their numbers in the interface
    ("tools/*", [PUBLIC, DEFS, "provider/cert.h", "provider/ecdsa_der.h", "provider/isprov.h",
                 "provider/keyref.h", *CRYPTO, "<jansson.h>"]),
    # a program of its own, because nothing else needs these libraries
    ("tools/enroll/*", SERVERS),
    # stands in the place of a card, and beneath the commands
    ("bridge/*", ["applet_io/*.h", "<libmbim-glib.h>", "<libqmi-glib.h>", "<gio/*>"]),
    # shares no code with the side that it is to test, only the numbers of the interface
    ("softsim/*", [DEFS, *CRYPTO, "<jansson.h>", "<termios.h>"]),
    ("applet_io/transport_pcsc*", ["<winscard.h>"]),
    ("applet_io/transport_at*", ["<termios.h>"]),
    ("applet_io/at*", ["<termios.h>"]),
]

# Inside applet_io, and what else must not meet.
TRANSPORTS = ["applet_io/transport*.h", "applet_io/at.h", "applet_io/at_*.h", "applet_io/device_lock.h",
              "applet_io/channel_record.h"]
COMMANDS = ["applet_io/cmd*.h", "applet_io/tlv*.h", "applet_io/object*.h", "applet_io/input.h"]
NEVER = [
    # what an applet is told, and how bytes get there
    ("applet_io/cmd*", TRANSPORTS),
    ("applet_io/object*", TRANSPORTS),
    ("applet_io/input*", TRANSPORTS),
    ("applet_io/tlv*", TRANSPORTS),
    ("applet_io/uri*", TRANSPORTS),
    ("applet_io/transport*", [*COMMANDS, "applet_io/card.h", "applet_io/session.h"]),
    ("applet_io/at*", [*COMMANDS, "applet_io/card.h", "applet_io/session.h"]),
    ("applet_io/device_lock*", [*COMMANDS, "applet_io/card.h", "applet_io/session.h"]),
    ("applet_io/channel*", COMMANDS),
    # what stands between clients and modems passes commands on and makes none
    ("bridge/*", ["applet_io/cmd*.h", "applet_io/object*.h"]),
]

# Headers that belong to few: free for nobody whom MAY does not name.
RESTRICTED = [*CRYPTO, "<jansson.h>", *SERVERS, *DEVICES]

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|(<[^>]+>))', re.MULTILINE)


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def sources(root):
    """the names of all sources, relative to the root"""
    found = []
    for folder in FOLDERS:
        found += (path.relative_to(root) for path in (root / folder).rglob("*.[ch]"))
    return sorted(found)


def folder_of(name):
    """whose source or header this is"""
    parent = name.rpartition("/")[0]
    return parent if parent in APART else name.partition("/")[0]


def resolve(root, source, name):
    """the header's name relative to the root, or None"""
    for folder in [source.parent, *SEARCHED[source.parts[0]]]:
        if (root / folder / name).is_file():
            return (root / folder / name).resolve().relative_to(root).as_posix()
    return None


def fault(source, header):
    """why this source must not include this header, or None"""
    name = source.as_posix()
    for pattern, never in NEVER:
        if fnmatch.fnmatchcase(name, pattern) and matches(header, never):
            return f"{pattern} must not include it"
    if folder_of(header) == folder_of(name):
        return None
    if header.startswith("<") and not matches(header, RESTRICTED):
        return None
    if any(fnmatch.fnmatchcase(name, pattern) and matches(header, may) for pattern, may in MAY):
        return None
    return f"{folder_of(name)}/ does not know it"


def check(root, source):
    """the faults of one source, as text"""
    for found in INCLUDE.finditer((root / source).read_text(encoding="utf-8")):
        quoted, system = found.groups()
        header = system or resolve(root, source, quoted)
        why = fault(source, header) if header else "there is no such header"
        if why:
            yield f'{source}: #include {system or quoted}: {why}'


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    names = sources(root)
    faults = [text for source in names for text in check(root, source)]
    for pattern, _ in MAY + NEVER:
        if not any(fnmatch.fnmatchcase(name.as_posix(), pattern) for name in names):
            faults.append(f"no file matches {pattern}: is the rule still needed?")
    for text in faults:
        print(text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
