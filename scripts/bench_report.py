#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the page and the plots of docs/benchmarks/ from results.json, so that the page says
what was measured; or tells whether they agree.

usage: scripts/bench_report.py [--check | --complete] [FOLDER]

--check     exit status 1 if page or plots are not those of the results
--complete  exit status 1 if a measure is missing that was not left out with a reason
"""
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

SOURCE = pathlib.Path(__file__).resolve().parent.parent
MARK = "<!-- written by scripts/bench_report.py: change nothing below -->\n"

# Sections of the page: (title, measures). One with * is as many as there are.
SECTIONS = [
    ("Exchanges with the SIM", ["exchanges", "exchange-bytes", "other-clients", "other-clients-bytes"]),
    ("Signatures", ["signatures-1", "signatures-4", "signatures-16", "signature-cpu-1", "signature-cpu-4",
                    "signature-cpu-16"]),
    ("The module's own work", ["own-cpu", "own-instructions", "system-calls"]),
    ("Handshakes", ["handshakes-1.3", "handshakes-1.2", "cold-1.3", "cold-1.2", "cold-cpu-1.3", "cold-cpu-1.2"]),
    ("Memory and size", ["memory-private", "memory-pss", "added-bytes"]),
    ("With a SIM as slow as real ones", ["time-*"]),
    ("Many threads, processes and SIMs", ["sims", "sharing", "fairness", "starts"]),
    ("Servers with their key on a SIM", [f"{server}-{part}" for server in ("nginx", "mosquitto")
                                         for part in ("rate", "latency", "failed", "others")]),
]
# What can be skipped as a whole, and the measures that are missing then.
LEFT_OUT = {"own-instructions": ["own-instructions"], "system-calls": ["system-calls"],
            "nginx": ["nginx-"], "mosquitto": ["mosquitto-"]}
PLOTTED = ["signatures-1", "signatures-16", "own-cpu", "handshakes-1.3", "handshakes-1.2", "cold-1.3", "cold-1.2",
           "memory-private", "added-bytes", "time-reader", "time-modem", "time-slow", "sims"]


# ----------------------------------------------------------------------- limits

# The exchanges of a warm signature with each profile: two, and more for a session that must
# be closed or a response with 61xx; see the profiles in iotsafe-softsim(1).
ALLOWED = {"thales-mvp": 2, "thales-p11": 2, "m33mu": 2, "gsma-strict": 3, "kigen": 3, "wolfssl": 3, "orange": 3,
           "quantag-1.4": 3, "cira": 3, "zariot": 4, "ntt": 4}


# Why a limit is exceeded, by the beginning of its text.
REASONS = [
    (("cold signature", "the same behind", "handshake with reference file and a certificate"),
     "A new process opens a channel (MANAGE CHANNEL, SELECT) and signs (INIT, UPDATE). Further exchanges have these "
     "reasons: the applet's possible AIDs are tried in order of likelihood, and the setting `aid` saves the earlier "
     "attempts (`thales-mvp`, `thales-p11`, `quantag-1.4`, `ntt`); each connection to a socket has to learn class byte, "
     "length form and the class of GET RESPONSE again, because there is no lock folder to keep what earlier processes "
     "learned (`ntt`, `zariot`, `thales-p11`, `m33mu`); each response with 61xx costs a GET RESPONSE (`cira`, `zariot`, "
     "`ntt`). Over AT with `+CCHO`, the modem opens the channel for an AID and closes it again if the AID is not found, "
     "and the applet must then identify itself (GET DATA), because a session does not show who answers in it; with "
     "`+CSIM` all AIDs are tried on one channel. EF_DIR, which lists AIDs, would cost more exchanges than it saves."),
    (("key pair and",),
     "Opening, making the pair, the question where it is, and the signature of the request take 7. Further exchanges: a "
     "GET RESPONSE for each 61xx (`zariot`, `cira`, `ntt`), AIDs that are tried first (`ntt`, `thales-p11`), a list in "
     "several pages, and a response that does not tell the new key's identifier, so that the list is read again. With "
     "`iotsafe keygen` and `openssl req`, two programs open a channel each (column *key pair and request*)."),
    (("system calls",),
     "The length of a response arrived before the response, and each wait was a poll. Since this run, an exchange is one "
     "send and one receive."),
    (("cold openssl s_client", "the same by reference file"),
     "The row *key file, module active* in the tables below shows the cost of merely loading the module; the rest is "
     "the connection, the exchanges, and the software SIM's own work. About a millisecond of it is the module's own "
     "library context with its first ECDSA verification. An ECDSA verification of our own on libcrypto's points would "
     "save that (tried: 1.06 for CPU time), but the check of signatures stays libcrypto's."),
    (("handshakes in a second", "signatures in a second", "the same, checked"),
     "A signature over a socket involves two processes that wait for each other. Where the processors are idle, waking "
     "them takes longer than the work: the quieter the machine, the lower these ratios. Checking in software costs "
     "three times as much as a signature with a key file. The check is kept: see SECURITY.md. In a handshake, the signature's "
     "own work is the smaller part: while the module is active, libcrypto 3.0 also searches more decoders for the public "
     "key of each certificate (row *key file, module active*). A table for the key's point would make the check three "
     "times as fast (tried: 26 instead of 77 µs), but takes 40 ms and 150 kB to compute in each process. It would pay "
     "after 800 signatures, and a SIM takes longer for each than the table saves in all of them."),
    (("nginx, ", "mosquitto, "),
     "A signature is one call to OpenSSL, so a server with an event loop cannot serve other connections in that thread "
     "until the SIM has responded. To keep other connections undisturbed, use a separate server or separate workers for "
     "them. Resumed sessions need no signature, but wait for those that do."),
    (("slowest median",),
     "A process waiting for a reader tried the lock of its queue every millisecond, and the first to try got it. Since "
     "this run, processes are served in order of arrival; the test `long-crowd` measures 1.2."),
]


class Missing(Exception):
    pass


class Limits:
    """The rows of the page's first table: (what, limit, value, whether it holds)."""

    def __init__(self, result):
        self.measures = result["measures"]
        self.rows = []

    def row(self, measure, name):
        for one in self.measures.get(measure, {}).get("rows", []):
            if one["name"] == name and "failed" not in one:
                return one
        raise Missing

    def add(self, what, limit, find):
        """find() gives the value as text and whether the limit holds."""
        try:
            value, holds = find()
        except Missing:
            self.rows.append((what, limit, "-", "not measured"))
            return
        self.rows.append((what, limit, value, "yes" if holds else "**no**"))

    def at_most(self, what, measure, name, bound, unit="", field="median"):
        def find():
            value = self.row(measure, name)[field]
            text = f"{value:.3f}" if field == "ratio" else number(value)
            return text + unit, value <= bound
        self.add(what, f"≤ {bound}{unit}", find)

    def at_least(self, what, measure, name, bound, field="ratio"):
        def find():
            value = self.row(measure, name)[field]
            return f"{value:.3f}", value >= bound
        self.add(what, f"≥ {bound:.2f}", find)

    def worst_exchanges(self, what, job, bound):
        """Over all profiles; those above the bound by name."""
        def find():
            found = {one["name"].split(":")[0]: one for one in self.measures["exchanges"]["rows"]
                     if one["name"].endswith(f": {job}")}
            if not found or any("failed" in one for one in found.values()):
                failed = [name for name, one in found.items() if "failed" in one]
                if len(failed) == len(found):
                    raise Missing
            values = {name: one["median"] for name, one in found.items() if "failed" not in one}
            over = {name: value for name, value in values.items() if value > self.allowance(bound, name)}
            text = f"{number(min(values.values()))} to {number(max(values.values()))}"
            if over:
                text += "; above it: " + ", ".join(f"{name} {number(value)}" for name, value in over.items())
            failed = [name for name, one in found.items() if "failed" in one]
            if failed:
                text += "; refused by " + ", ".join(failed)
            return text, not over
        self.add(what, "2 to 4, by profile" if bound is None else f"≤ {bound}", find)

    @staticmethod
    def allowance(bound, name):
        return ALLOWED.get(name, 2) if bound is None else bound

    def more_sims(self):
        cores = self.cores
        for one in self.measures.get("sims", {}).get("rows", []):
            if 1 < one.get("sims", 1) and "failed" not in one:
                name = one["name"]
                beyond = " (more than there are processors)" if one["sims"] > cores else ""
                self.at_least(f"{name} in one process, to one{beyond}", "sims", name, 0.9 * one["sims"])


def number(value):
    if value != value or math.isinf(value):
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def limits_of(result):
    limits = Limits(result)
    limits.cores = result["machine"]["cores"]
    limits.worst_exchanges("warm signature: 2 exchanges, 1 more where the answer comes by 61xx, 1 more where the "
                           "session is to be closed", "warm signature", None)
    for way in ("pcscd and vpcd", "AT on a pty"):
        limits.at_most(f"cold signature by reference file on an unused card, {way}", "exchanges",
                       f"{way}: cold signature on an unused card, reference file", 4)
        limits.at_most(f"the same behind another process, {way}", "exchanges",
                       f"{way}: cold signature behind another process, reference file", 2)
    limits.worst_exchanges("cold signature by reference file, socket (each connection is new to the card)",
                           "cold signature, reference file", 4)
    limits.worst_exchanges("handshake with reference file and a certificate of 700 bytes on the SIM",
                           "s_client, reference, certificate on the SIM", 7)
    limits.worst_exchanges("cold signature with the key by label", "cold signature, key by label", 6)
    limits.worst_exchanges("key pair and certificate request, iotsafe-enroll", "key pair and request, iotsafe-enroll", 9)
    limits.at_most("own work of a signature, EVP included", "own-cpu", "the module, unchecked", 10, " µs")
    for kind in ("sends", "receives"):
        limits.at_most(f"system calls of an exchange over a socket: {kind}", "system-calls", kind, 1)
    limits.at_most("the same: polls", "system-calls", "polls", 1)
    for version in ("1.3", "1.2"):
        limits.at_most(f"cold openssl s_client by URI, TLS {version}, to a key file", f"cold-{version}",
                       "socket, by URI", 1.1, field="ratio")
        limits.at_most(f"the same by reference file, TLS {version}", f"cold-{version}", "socket", 1.1, field="ratio")
        limits.at_least(f"handshakes in a second, TLS {version}, to a key file", f"handshakes-{version}", "socket", 0.95)
    limits.at_least("signatures in a second, direct and self-closing, unchecked, to a key file", "signatures-1",
                    "socket, unchecked", 0.4)
    limits.at_least("the same, checked", "signatures-1", "socket", 0.25)
    for one in result["measures"].get("starts", {}).get("rows", []):
        limits.at_most(f"failed starts of {one['name']} at once", "starts", one["name"], 0)
    for one in result["measures"].get("fairness", {}).get("rows", []):
        limits.at_least(f"{one['name']} on one SIM, to one thread", "sharing", one["name"], 0.95)
        limits.at_most(f"slowest median of these, to the fastest ({one['name']})", "fairness", one["name"], 2)
    limits.more_sims()
    servers(limits)
    for way, name in (("socket", "socket"), ("reader", "pcscd and vpcd"), ("AT", "AT on a pty")):
        limits.at_most(f"private memory above a key file's, {way}", "memory-private", name, 0.3, " MiB")
    return limits.rows


def servers(limits):
    for server in ("nginx", "mosquitto"):
        limits.at_most(f"{server} above its SIM's limit: not served", f"{server}-failed", "of the handshakes", 0, " %")

        def p99(server=server):
            return number(limits.row(f"{server}-latency", "p99")["median"]) + " ms", True
        limits.add(f"{server} above its SIM's limit: latency p99", "stated", p99)
        for kind in ("software key", "resumed"):
            def slower(server=server, kind=kind):
                idle, busy = (limits.row(f"{server}-others", f"{kind}, {part}: median")["median"]
                              for part in ("idle", "meanwhile"))
                return f"{number(idle)} → {number(busy)} ms", busy <= 2 * idle
            limits.add(f"{server}, connections without the SIM meanwhile ({kind})", "median at most doubled", slower)


# ------------------------------------------------------------------------- plots

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 760, 16, 6, 300, 90, 40


def plot(measure):
    """Horizontal bars with the quartiles as whiskers."""
    rows = [one for one in measure["rows"] if "failed" not in one]
    span = max([one["high"] for one in rows] + [0]) or 1
    scale = (WIDTH - LEFT - RIGHT) / span
    height = TOP + len(rows) * (BAR + GAP) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
           'font-size="12">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="10" y="22" font-size="14" font-weight="bold">{escape(heading(measure))}</text>']
    for i, one in enumerate(rows):
        y = TOP + i * (BAR + GAP)
        length = max(one["median"], 0) * scale
        whiskers = [LEFT + max(one[end], 0) * scale for end in ("low", "high")]
        colour = "#8a8a8a" if one["name"].startswith("key file") or "Soft" in one["name"] or "tpm" in one["name"] else "#2b6cb0"
        out += [
            f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(one["name"])}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<line x1="{whiskers[0]:.1f}" x2="{whiskers[1]:.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}" stroke="#000"/>',
            f'<text x="{max(LEFT + length, whiskers[1]) + 6:.1f}" y="{y + 12}">{number(one["median"])}</text>']
    return "\n".join([*out, "</svg>"]) + "\n"


def heading(measure):
    unit = f" [{measure['unit']}]" if measure["unit"] else ""
    return measure["title"] + unit


# -------------------------------------------------------------------------- page

def noise(figures):
    return (f"other programs kept the processors {figures['busy']:.0%} busy, {figures['stolen']:.0%} of the time went to "
            f"other machines, load {figures['load']:.1f}; the time of the same work, {figures['work_ms']:.1f} ms, varied by "
            f"{figures['work_spread']:.0%} between quartiles")


def matrix(rows):
    """Rows named `GROUP: JOB` as a table of groups and jobs, where most groups have the job; and the other rows."""
    parts = [(one, *one["name"].split(": ", 1)) for one in rows if ": " in one["name"]]
    jobs = list(dict.fromkeys(job for _, _, job in parts))
    jobs = [job for job in jobs if 2 * sum(job == other for _, _, other in parts) > len({group for _, group, _ in parts})]
    cells = {(group, job): "failed" if "failed" in one else number(one["median"]) for one, group, job in parts if job in jobs}
    groups = list(dict.fromkeys(group for group, _ in cells))
    if len(groups) < 2 or len(jobs) < 2:
        return [], rows
    lines = ["| | " + " | ".join(jobs) + " |", "|---" + "|---:" * len(jobs) + "|"]
    lines += [f"| {group} | " + " | ".join(cells.get((group, job), "") for job in jobs) + " |" for group in groups]
    taken = {f"{group}: {job}" for group, job in cells}
    return [*lines, ""], [one for one in rows if one["name"] not in taken]


def measure_table(measure):
    above, rows = matrix(measure["rows"])
    if not rows:
        return "\n".join(above)
    has_ratio = any("ratio" in one for one in rows)
    has_spread = any(one.get("n", 1) > 1 for one in rows)
    head = ["", "median"] + ["quartiles"] * has_spread + ["ratio", "of the ratio"] * has_ratio
    lines = [*above, "| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for one in rows:
        if "failed" in one:
            lines.append(f"| {one['name']} | failed |" + " |" * (len(head) - 2))
            continue
        cells = [one["name"], number(one["median"])]
        if has_spread:
            cells.append(f"{number(one['low'])} to {number(one['high'])}" if one["n"] > 1 else "")
        if has_ratio:
            cells += [number(one["ratio"]), f"{number(one['ratio_low'])} to {number(one['ratio_high'])}"] \
                if "ratio" in one else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page_of(result):
    machine = result["machine"]
    limits = limits_of(result)
    held, measured = (sum(one[3] == "yes" for one in limits), sum(one[3] != "not measured" for one in limits))
    out = [
        "## This run\n",
        f"{result['date']}, commit {result['commit']}, a {result['mode']} run on {machine['cores']} processors "
        f"({machine['cpu']}), Linux {machine['kernel']}, {machine['openssl']}.\n",
        f"Noise before the run: {noise(result['noise_before'])}.\n",
        f"Noise during the run: the same work took {result['noise_during']['fastest_ms']:.1f} to "
        f"{result['noise_during']['slowest_ms']:.1f} ms, depending on the measure. After the run: "
        f"{noise(result['noise_after'])}.\n",
    ]
    if result["left_out"]:
        out.append("Skipped: " + "; ".join(f"{name} ({why})" for name, why in result["left_out"].items()) + ".\n")
    out += ["## Limits\n", f"{held} of {measured} that were measured hold.\n",
            "| what | limit | measured | holds |", "|---|---|---|---|",
            *[f"| {' | '.join(one)} |" for one in limits], "", *reasons(limits)]
    for title, names in SECTIONS:
        out.append(f"## {title}\n")
        for name in names_of(result, names):
            measure = result["measures"][name]
            out += [f"### {heading(measure)}\n", measure_table(measure), ""]
            if name in PLOTTED:
                out.append(f"![{measure['title']}]({name}.svg)\n")
    return "\n".join(out)


def reasons(limits):
    broken = [what for what, _, _, holds in limits if holds == "**no**"]
    found = [text for starts, text in REASONS if any(what.startswith(starts) for what in broken)]
    return ["Reasons for the limits that do not hold:\n", *[f"- {text}" for text in found], ""] if found else []


def names_of(result, names):
    for name in names:
        if name.endswith("*"):
            yield from (one for one in result["measures"] if one.startswith(name[:-1]))
        elif name in result["measures"]:
            yield name


def files_of(result, folder):
    """What is to be in the folder: name and content."""
    main_page = SOURCE / "docs/benchmarks"
    head = (main_page / "README.md").read_text(encoding="utf-8").split(MARK)[0]
    if folder.resolve().parent == main_page:
        head = "# Benchmarks of another run\n\n[../README.md](../README.md) describes the method.\n\n"
    files = {"README.md": head + MARK + "\n" + page_of(result)}
    files.update({f"{name}.svg": plot(result["measures"][name]) for name in PLOTTED if name in result["measures"]})
    return files


# --------------------------------------------------------------------------- all

def check(result, folder):
    wrong = [name for name, text in files_of(result, folder).items()
             if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text]
    for name in wrong:
        print(f"{folder / name} is not what scripts/bench_report.py makes of {folder / 'results.json'}")
    return 1 if wrong else 0


def complete(result):
    left_out = [start for name, starts in LEFT_OUT.items() if name in result["left_out"] for start in starts]
    wrong = 0
    for name in (name for _, names in SECTIONS for name in names):
        found = list(names_of(result, [name]))
        if not found and not name.startswith(tuple(left_out)):
            print(f"{name}: not measured, and not left out with a reason")
            wrong += 1
        for one in (one for measure in found for one in result["measures"][measure]["rows"]):
            if "failed" in one or not math.isfinite(one["median"]):
                print(f"{name}: {one['name']} failed")
                wrong += 1
    return 1 if wrong else 0


def main():
    words = sys.argv[1:]
    folder = pathlib.Path(words[-1]) if words and not words[-1].startswith("--") else SOURCE / "docs/benchmarks"
    result = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if "--complete" in words:
        return complete(result)
    if "--check" in words:
        return check(result, folder)
    for name, text in files_of(result, folder).items():
        (folder / name).write_text(text, encoding="utf-8")
    print("\n".join(" | ".join(one) for one in limits_of(result)))
    return 0


sys.exit(main())
