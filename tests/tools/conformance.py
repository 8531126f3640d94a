#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks software SIMs what they do, by `iotsafe conformance`, and makes others of the answers.

usage: conformance.py TOOL SOFTSIM FOLDER profiles
       conformance.py TOOL SOFTSIM FOLDER settings PAGE
       conformance.py TOOL SOFTSIM FOLDER random COUNT SEED
       conformance.py TOOL SOFTSIM FOLDER way WAY PROFILE...

profiles  a SIM of each profile, and one made of the profile that was written, give the same
          lines; and the SIM is left as it was
settings  each value of each setting is seen, or stands in the list of the manual page PAGE
          of what cannot be seen
random    what `profiles` does, with settings at random
way       what `profiles` does, over pcsc:PORT (a reader that waits for its card there), csim or
          cgla (a modem with these commands), and it is what a socket shows, but for what cannot
          be asked there

Prints what is wrong; exit status 1 then.
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

TOOL, SOFTSIM, FOLDER = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
# Cards with another applet than the usual ones, too.
ENVIRONMENT = {**os.environ, "OPENSSL_CONF": "/dev/null",
               "IOTSAFE_AID": "A0000005590010,A00000003053F12401770101495341,A0000001157000000000000049534102,A0000002480400"}
# What a card does by chance, and what tells one card from another.
CHANCE = {"remote_admin", "proactive", "spontaneous_reset", "seed", "applet"}
# Numbers that cards have; others make cards that nothing can be done with.
NUMBERS = {"session_min": ["0", "1"], "session_max": ["3", "7", "255"], "sig_algs": ["4", "15"],
           "hash_algs": ["1", "7"], "file_chunk": ["1", "240", "255", "256"], "list_page": ["0", "100", "250"],
           "answer_n": ["16", "128", "255"], "derivation_algs": ["0", "3"]}
# What shows only together with another setting.
TOGETHER = {"answer_n": "answer_mode=61-above", "wait_sw": "answer_mode=61", "getresp_le00": "answer_mode=61",
            "enforce_usage": "key_usage=3"}
CONTAINERS = ["--write", "iotsafe://label=spare-1;type=private", "iotsafe://label=verify-key;type=public"]
# What a reader or a modem does itself, so that it is not asked.
THEIRS = re.compile("not asked: (readers and modems refuse it|the modem (selects|opens channels)|T=0)")
# By chance, without an applet, and with one that gives no channel, which a modem or pcscd must have.
UNREACHED = {"hostile", "no-applet", "m33mu", "wolfssl"}
way = "socket"
wrong = 0


def complain(text):
    global wrong
    wrong += 1
    print(text)


def tables():
    """The profiles' names, and name -> (values, default) of the settings."""
    text = subprocess.run([SOFTSIM, "--help-settings"], check=True, capture_output=True, text=True).stdout
    profiles, settings, part = [], {}, None
    for line in text.splitlines():
        if line.endswith(":"):
            part = line.split()[0]
        elif part == "Profiles" and line.startswith("  "):
            profiles.append(line.split()[0])
        elif part == "Settings":
            found = re.match(r"  (\w+) +(\S+)(?: to (\d+))? \[(\S+)\]", line)
            if found is None or found[2] == "hexadecimal" or found[1] in CHANCE:
                continue
            values = [found[2], found[3]] if found[3] else found[2].split("|")
            values = NUMBERS.get(found[1], values)
            settings[found[1]] = ([v for v in values if v != "random"], found[4])
    return profiles, settings


def served_as(folder):
    """Options of the software SIM, and the transport that reaches it."""
    if way == "socket":
        return ["--listen", f"unix:{folder}/socket"], f"socket:{folder}/socket"
    if way.startswith("pcsc:"):
        return ["--vpcd", f"127.0.0.1:{way[5:]}"], "pcsc"
    return ["--at", folder / "port", "--at-set", f"commands={way}"], f"at:{folder}/port"


def card_is(state):
    if way.startswith("pcsc:"):
        subprocess.run([os.environ["WAIT_CARD"], os.environ["READER"], state], check=True, stdout=subprocess.DEVNULL)


def ask(options, written, containers=()):
    """The lines of a SIM that is made with these options; None if no such SIM can be."""
    folder = FOLDER / "one"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    made = subprocess.run([SOFTSIM, "init", "--store", folder / "store", *options], capture_output=True, text=True)
    if made.returncode != 0:
        return None
    before = (folder / "store/sim.json").read_bytes()
    admin = folder / "admin"
    served, transport = served_as(folder)
    sim = subprocess.Popen([SOFTSIM, "run", "--store", folder / "store", *served, "--admin", f"unix:{admin}"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not admin.exists() and sim.poll() is None:
            time.sleep(0.01)
        card_is("present")
        done = subprocess.run([TOOL, "--transport", transport, "--json", "conformance", "--profile", written,
                               *containers], capture_output=True, text=True, env=ENVIRONMENT)
        counters = json.loads(subprocess.run([SOFTSIM, "admin", admin, "counters"], check=True,
                                             capture_output=True).stdout)
    finally:
        sim.terminate()
        sim.wait()
        card_is("empty")
    what = " ".join(map(str, options))
    if done.returncode != 0:
        complain(f"{what}: status {done.returncode}: {done.stderr.strip()}")
        return []
    if ((folder / "store/sim.json").read_bytes() != before) != bool(containers):
        complain(f"{what}: the SIM was {'not ' if containers else ''}changed")
    # readers and modems keep the one channel that the next program will use
    if counters["usim"]["tries_lost"] != 0 or counters["channels"] != (way != "socket"):
        complain(f"{what}: a try was lost, or a channel is left: {counters}")
    return [tuple(str(line[k]) for k in ("rule", "expected", "seen", "copes")) for line in json.loads(done.stdout)]


def again(options):
    """The same lines of a SIM that is made of the answers; False if there is no such SIM at all."""
    written = FOLDER / "profile.json"
    first = ask(options, written)
    if first is None:
        return False
    second = ask(["--profile", written], FOLDER / "second.json")
    what = " ".join(map(str, options))
    if not first:
        return True
    if second is None:
        complain(f"{what}: no SIM can be made of what was seen: {written.read_text()}")
    else:
        for one, other in zip(first, second):
            if one != other:
                complain(f"{what}: {' | '.join(one)}, but then {' | '.join(other)}")
    return True


def all_profiles(profiles):
    for name in profiles:
        if name != "hostile":  # by chance
            again(["--profile", name])


def all_settings(settings, page):
    text = pathlib.Path(page).read_text()
    listed = re.search(r"cannot be seen by conformance.*?\.Bl [^\n]*\n(.*?)\.El", text, re.S)
    listed = set(re.findall(r"^\.It Li (\S+)", listed[1], re.M)) if listed else set()
    unseen = set()
    for name, (values, default) in settings.items():
        with_it = ["--set", TOGETHER[name]] if name in TOGETHER else []
        for containers in (), CONTAINERS:
            usual = ask(with_it, FOLDER / "usual.json", containers)
            lines = [ask([*with_it, "--set", f"{name}={v}"], FOLDER / "other.json", containers)
                     for v in values if v != default]
            if any(other != usual for other in lines if other is not None):
                break
        else:
            unseen.add(name)
    for name in sorted(unseen - listed):
        complain(f"{name}: cannot be seen, and the page does not say so")
    for name in sorted(listed - unseen):
        complain(f"{name}: the page says that it cannot be seen, but it is")


def at_random(settings, count, seed):
    chance = random.Random(seed)
    done = 0
    again(["--set", "reopen_rule=restart", "--set", "close_idle=9000"])  # came up by chance once
    while done < count:
        chosen = chance.sample(sorted(settings), 6)
        values = {name: chance.choice(settings[name][0]) for name in chosen}
        if values.get("id_policy", "any") != "any":  # a card keeps to it itself
            values["id_style"] = {"2-bytes": "be2", "ascii": "ascii3"}[values["id_policy"]]
        if values.get("getdata", "on") != "on" and values.get("cla") == "0n":
            continue  # nothing tells such an applet from a USIM: it is not asked
        if values.get("modes") == "hash-only" and "enforce_usage" in values and "key_usage" in values:
            continue  # a key for TLS 1.3 alone signs nothing then
        done += again([o for name, value in values.items() for o in ("--set", f"{name}={value}")])


def by_way(asked, profiles):
    global way
    for name in profiles:
        options = ["--profile", name]
        way = "socket"
        usual = ask(options, FOLDER / "usual.json")
        way = asked
        again(options)
        for one, other in zip(usual, ask(options, FOLDER / "other.json")):
            if one != other and not THEIRS.match(other[2]):
                complain(f"{name} by {asked}: {' | '.join(other)}, but by a socket {' | '.join(one)}")


names, known = tables()
FOLDER.mkdir(exist_ok=True)
if sys.argv[4] == "profiles":
    all_profiles(names)
elif sys.argv[4] == "settings":
    all_settings(known, sys.argv[5])
elif sys.argv[4] == "way":
    by_way(sys.argv[5], sys.argv[6:] or [n for n in names if n not in UNREACHED])
else:
    at_random(known, int(sys.argv[5]), int(sys.argv[6]))
sys.exit(wrong != 0)
