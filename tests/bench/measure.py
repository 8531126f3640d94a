#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what bench.sh has set up and writes the results as JSON.

usage: measure.py FOLDER RESULTS

The machine's noise comes first. All candidates of a measure take turns, round by round, each
round begins with another one, and ratios are those within a round: what disturbs the machine
disturbs all of them alike. A figure is the median of the rounds; its spread are the quartiles.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import load
from callgrind import self_cost

T = pathlib.Path(sys.argv[1])
RESULTS = pathlib.Path(sys.argv[2])
ENROLMENT = "key pair and request, iotsafe-enroll"
BASE = "key file"  # what everything is compared with
KEY = "iotsafe://label=client-key"
MESSAGE = b"what is signed over and over again, of some length, as the transcript of a handshake is"


def table(name):
    path = T / name
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


SET = dict(table("settings"))
MODE = SET["mode"]
# rounds, milliseconds of a run, and how much of everything else
ROUNDS, SLICE, STARTS, PROCESSES, SECONDS = {
    "smoke": (1, 10, 4, 2, 0.2),
    "quick": (3, 150, 100, 16, 3),
    "full": (9, 500, 200, 32, 15),
}[MODE]
SIGN = f"{SET['programs']}/bench_sign"
TLS = f"{SET['programs']}/bench_tls"
OURS = {"OPENSSL_MODULES": SET["modules"], "OPENSSL_CONF": SET["conf"]}
CANDIDATES = {
    name: {"key": key, "cert": cert, "env": dict(word.split("=", 1) for word in words)}
    for name, key, cert, *words in table("candidates")}
LIMIT_S = 120  # of one run: a last resort
# Whoever signs in several threads, or shakes hands, needs a resource manager in front of swtpm,
# whose memory for keys is full else.
SIGNS_ALONE = {"swtpm, tpm2-openssl"}


def able(*excluded):
    """The candidates without those that have one of these words in their names."""
    return [name for name in CANDIDATES if name not in SIGNS_ALONE and not any(word in name for word in excluded)]



result = {"format": "iotsafe-benchmarks-1", "mode": MODE, "left_out": dict(table("left-out")), "measures": {}}


def say(text):
    print(f"# {text}", flush=True)


# ---------------------------------------------------------------------- figures

def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    cuts = statistics.quantiles(values, n=4, method="inclusive")
    return cuts[0], cuts[2]


def row(name, values, base=None, **more):
    """values: one a round, None where the run failed. base: those of what it is compared with."""
    good = [value for value in values if value is not None]
    if not good:
        return {"name": name, "failed": True, **more}
    low, high = quartiles(good)
    figures = {"name": name, "median": statistics.median(good), "low": low, "high": high, "n": len(good), **more}
    if base is not None:
        ratios = [a / b for a, b in zip(values, base) if a is not None and b]
        if ratios:
            figures["ratio"] = statistics.median(ratios)
            figures["ratio_low"], figures["ratio_high"] = quartiles(ratios)
    return figures


def measure(name, title, unit, rows, better="less"):
    result["measures"][name] = {"title": title, "unit": unit, "better": better, "rows": rows}
    for one in rows:
        ratio = f"  {one['ratio']:7.3f}" if "ratio" in one else ""
        say(f"{name:24} {one['name']:46} " + ("failed" if "failed" in one else f"{one['median']:12.3f} {unit}{ratio}"))


def take_turns(names, run, rounds=ROUNDS):
    """What run(name) gives in each round, by name; None where it failed."""
    names = list(names)
    values = {name: [] for name in names}
    for i in range(rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            values[name].append(run(name))
    return values


def compared(values, field, base=BASE):
    """Rows of one field of what take_turns() gave."""
    picked = {name: [one and one[field] for one in runs] for name, runs in values.items()}
    return [row(name, runs, picked.get(base)) for name, runs in picked.items()]


# ------------------------------------------------------------------------- runs

def environment(extra):
    return {**os.environ, **extra}


def run(command, extra, data=None):
    try:
        return subprocess.run(command, env=environment(extra), input=data, capture_output=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return None


failures = set()


def complain(command, done):
    lines = ["no end within the time"] if done is None else done.stderr.decode(errors="replace").split("\n")
    text = next((line for line in lines if "error:" in line), lines[0])
    if text not in failures:
        failures.add(text)
        say(f"failed: {' '.join(map(str, command))[:160]}: {text[:200]}")


def run_json(command, extra):
    done = run(command, extra)
    if done is None or done.returncode != 0:
        complain(command, done)
        return None
    return json.loads(done.stdout)


def sign(name, *options):
    one = CANDIDATES[name]
    return run_json([SIGN, *options, one["key"]], one["env"])


def usage():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def timed(command, extra, data=None):
    """Wall and CPU time of a process from start to end, in ms."""
    cpu, begin = usage(), time.monotonic()
    done = run(command, extra, data)
    wall = time.monotonic() - begin
    if done is None or done.returncode != 0:
        complain(command, done)
        return None
    return {"wall": wall * 1e3, "cpu": (usage() - cpu) * 1e3, "out": done.stdout}


def s_client(version, key, cert):
    """The command line for a handshake with the server that bench.sh has started."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{SET['server_port']}", version, "-CAfile", SET["ca"],
             "-verify_return_error", "-cert", cert]
    if key.startswith("engine:"):
        name, key = key[len("engine:"):].split(":", 1)
        words += ["-engine", name, "-keyform", "engine"]
    return [*words, "-key", key]


# ------------------------------------------------------------------------ noise

def fixed_work():
    begin = time.monotonic()
    sum(i * i for i in range(60000))
    return (time.monotonic() - begin) * 1e3


def processor_times():
    fields = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
    return sum(fields), fields[3] + fields[4], fields[7]  # all, idle, stolen


def noise(seconds):
    before = processor_times()
    time.sleep(seconds)
    total, idle, stolen = (b - a for a, b in zip(before, processor_times()))
    work = [fixed_work() for _ in range(40)]
    low, high = quartiles(work)
    return {"busy": 1 - idle / max(total, 1), "stolen": stolen / max(total, 1), "load": os.getloadavg()[0],
            "work_ms": statistics.median(work), "work_spread": (high - low) / statistics.median(work)}


def noise_text(figures):
    return (f"others kept the processors {figures['busy']:.0%} busy ({figures['stolen']:.0%} stolen), load "
            f"{figures['load']:.1f}; the same work took {figures['work_ms']:.1f} ms, quartiles "
            f"{figures['work_spread']:.0%} apart")


def describe_machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    result["commit"] = "unknown"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        result["commit"] = subprocess.run(["git", "-C", SET["source"], "describe", "--always", "--dirty"],
                                          capture_output=True, text=True, check=True).stdout.strip()
    result["machine"] = {
        "cpu": cpu.group(1) if cpu else os.uname().machine,
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "openssl": subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout.strip(),
    }
    result["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    result["noise_before"] = noise(0.1 if MODE == "smoke" else 3)
    say("noise: " + noise_text(result["noise_before"]))


# ------------------------------------------------------------------- signatures

def signatures():
    for threads in (1, 4, 16):
        names = CANDIDATES if threads == 1 else able("gsma-strict")
        values = take_turns(names, lambda name, n=threads: sign(name, "-t", str(n), "-s", str(SLICE)))
        many = f"{threads} thread" + "s" * (threads > 1)
        measure(f"signatures-{threads}", f"Signatures in a second, {many}", "1/s", compared(values, "rate"), "more")
        measure(f"signature-cpu-{threads}", f"CPU time of a signature in the program's process, {many}", "µs",
                compared(values, "cpu_us"))


# --------------------------------------------- own work: a card in memory

def memory_card():
    """The environment for a program whose card is in its own memory, and its key."""
    folder = T / "memory"
    folder.mkdir(exist_ok=True)
    key = CANDIDATES["socket"]["key"]
    signature = run(["openssl", "dgst", "-sha256", "-sign", key],
                    CANDIDATES["socket"]["env"], MESSAGE).stdout
    r, s = integers_of(signature)
    path = folder / "card.sock"
    return key, {**OURS, "LD_PRELOAD": f"{SET['programs']}/libmemory_card.so", "BENCH_CARD": str(path),
                 "IOTSAFE_TRANSPORT": f"socket:{path}", "BENCH_SIGNATURE": f"{r:064x}{s:064x}"}


def integers_of(der):
    """r and s of an ECDSA signature: two short INTEGERs in a SEQUENCE."""
    numbers, at = [], 2
    while at < len(der):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return numbers


def own_variants():
    key, env = memory_card()
    return {
        "the module, unchecked": (key, {**env, "IOTSAFE_VERIFY_SIGNATURE": "no"}),
        "the module, checked": (key, env),
        BASE: (CANDIDATES[BASE]["key"], {}),
    }


def own_work():
    variants = own_variants()
    values = take_turns(variants, lambda name: run_json(
        [SIGN, "-s", str(SLICE), variants[name][0]], variants[name][1]))
    measure("own-cpu", "CPU time of a signature whose card is in memory", "µs", compared(values, "cpu_us"))


def instructions_of(key, env, n):
    with tempfile.TemporaryDirectory(dir=T) as folder:
        out = pathlib.Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", SIGN, "-n", str(n), key]
        done = run(command, env)
        if done is None or done.returncode != 0:
            complain(command, done)
            return None
        return self_cost(out)


def own_instructions():
    few, many = (2, 4) if MODE == "smoke" else (20, 60)
    rows = []
    variants = own_variants()
    if MODE == "smoke":
        variants = {"the module, unchecked": variants["the module, unchecked"]}
    for name, (key, env) in variants.items():
        one, other = instructions_of(key, env, few), instructions_of(key, env, many)
        if one is None or other is None:
            rows.append({"name": name, "failed": True})
            continue
        per = {pathlib.Path(file).name: (cost - one.get(file, 0)) / (many - few)
               for file, cost in other.items() if file and "memory_card" not in file}
        rows.append(row(name, [sum(per.values())]))
        for part in ("iotsafe.so", "libcrypto"):
            rows.append(row(f"{name}: in {part}", [sum(cost for file, cost in per.items() if file.startswith(part))]))
    measure("own-instructions", "Instructions of a signature whose card is in memory", "", rows)


def system_calls():
    """Per exchange: what a signature in ten more costs."""
    counts = []
    for n in (20, 120):
        with tempfile.NamedTemporaryFile(dir=T) as out:
            one = CANDIDATES["socket, unchecked"]
            command = ["strace", "-f", "-c", "-U", "calls,name", "-o", out.name, SIGN, "-n", str(n), one["key"]]
            done = run(command, one["env"])
            if done is None or done.returncode != 0:
                complain(command, done)
                return
            counts.append({name: int(count) for count, name in
                           re.findall(r"^\s*(\d+) +([a-z0-9_]+)$", pathlib.Path(out.name).read_text(), re.M)
                           if name != "total"})
    exchanges = 2 * 100
    per = {name: (count - counts[0].get(name, 0)) / exchanges for name, count in counts[1].items()}
    kinds = {"sends": ("sendto", "sendmsg", "write", "writev"), "receives": ("recvfrom", "recvmsg", "read", "readv"),
             "polls": ("poll", "ppoll")}
    rows = [row(kind, [sum(per.get(name, 0) for name in names)]) for kind, names in kinds.items()]
    rows.append(row("all others", [sum(per.values()) - sum(one["median"] for one in rows)]))
    measure("system-calls", "System calls in an exchange over a socket", "", rows)


# ------------------------------------------------------------------- handshakes

def handshakes():
    common = [SET["ca"], SET["server_key"], SET["server_cert"]]
    for version in ("3", "2"):
        def once(name, version=version):
            one = CANDIDATES[name]
            return run_json([TLS, f"-{version}", "-s", str(2 * SLICE), *common, one["key"], one["cert"]], one["env"])
        measure(f"handshakes-1.{version}", f"Handshakes of a client in a second, TLS 1.{version}", "1/s",
                compared(take_turns(able(), once), "rate"), "more")


def cold():
    names = able("unchecked")
    for version in ("3", "2"):
        values = take_turns(names, lambda name, v=version: timed(
            s_client(f"-tls1_{v}", CANDIDATES[name]["key"], CANDIDATES[name]["cert"]), CANDIDATES[name]["env"]),
            1 if MODE == "smoke" else 3 * ROUNDS)
        measure(f"cold-1.{version}", f"openssl s_client from its start to its end, TLS 1.{version}", "ms",
                compared(values, "wall"))
        measure(f"cold-cpu-1.{version}", f"CPU time of that, TLS 1.{version}", "ms", compared(values, "cpu"))


# ----------------------------------------------------------------------- memory

def size_of(file):
    with contextlib.suppress(OSError):
        return os.path.getsize(file)
    return 0


def memory():
    names = [name for name in CANDIDATES if "unchecked" not in name]
    values = take_turns(names, lambda name: sign(name, "-n", "50", "-m"))
    for field, title in (("private_dirty_kb", "Private memory"), ("pss_kb", "Proportional share of memory (PSS)")):
        default = statistics.median(one[field] for one in values[BASE])
        more = {name: [one and (one[field] - default) / 1024 for one in runs] for name, runs in values.items()}
        measure(f"memory-{field.split('_')[0]}", f"{title} above that with a key file, after 50 signatures", "MiB",
                [row(name, runs) for name, runs in more.items() if name != BASE])
    default = set(values[BASE][0]["files"])
    measure("added-bytes", "Files mapped beyond those with a key file: module and libraries", "KiB", [
        row(name, [sum(map(size_of, set(runs[0]["files"]) - default)) / 1024],
            files=sorted(pathlib.Path(file).name for file in set(runs[0]["files"]) - default))
        for name, runs in values.items() if name != BASE and runs[0]])


# -------------------------------------------------------------------- exchanges

class Counter:
    """Exchanges and bytes in the log of a software SIM."""

    def __init__(self, folder):
        self.log = pathlib.Path(folder) / "exchanges.json"

    def so_far(self):
        exchanges = size = 0
        with open(self.log, encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                if "cmd" in entry:
                    exchanges += 1
                    size += (len(entry["cmd"]) + len(entry["rsp"])) // 2
        return exchanges, size

    def of(self, job):
        before = self.so_far()
        if not job():
            return None
        return tuple(b - a for a, b in zip(before, self.so_far()))


def succeeds(command, extra, data=None):
    done = run(command, extra, data)
    if done is None or done.returncode != 0:
        complain(command, done)
        return False
    return True


def dgst(key, env):
    return succeeds(["openssl", "dgst", "-sha256", "-sign", key], env, MESSAGE)


def jobs_of(folder, env):
    """Name: what it does. In this order: the first process may open a channel."""
    reference, cert = f"{folder}/pem/key.pem", f"{folder}/pem/cert.pem"
    pair = "iotsafe://label=spare-1"
    version = "-tls1_3"
    return {
        "cold signature, reference file": lambda: dgst(reference, env),
        "cold signature, key by label": lambda: dgst(KEY, env),
        "s_client, reference and certificate file": lambda: succeeds(s_client(version, reference, cert), env),
        "s_client, reference, certificate on the SIM": lambda: succeeds(
            s_client(version, reference, "iotsafe://label=client-cert;type=cert"), env),
        "s_client, key and certificate by URI": lambda: succeeds(
            s_client(version, KEY, f"{KEY};type=cert"), env),
        "key pair and request": lambda: succeeds([SET["tool"], "keygen", pair], env) and succeeds(
            ["openssl", "req", "-new", "-key", pair, "-subj", "/CN=new"], env),
        ENROLMENT: lambda: succeeds([
            SET["enroll"], "est", "--server", SET["authority"], "--trust", SET["ca"], "--subject", "/CN=new",
            "--key", "iotsafe://label=spare-2", "--generate", "--cert-out", f"{folder}/new.pem",
            "--ref", "device", "--secret-file", f"{T}/secret"], env),
    }


def only_counted(job):
    """Jobs that are counted only: they change the SIM, or wait for others."""
    return job in ("key pair and request", ENROLMENT)


def warm_exchanges(counter, folder, env):
    """Ten signatures more in a process."""
    key = f"{folder}/pem/key.pem"
    few = counter.of(lambda: succeeds([SIGN, "-n", "1", key], env))
    many = counter.of(lambda: succeeds([SIGN, "-n", "11", key], env))
    return few and many and tuple((b - a) / 10 for a, b in zip(few, many))


def own_locks(env):
    """As if no other process had used the card."""
    return {**env, "IOTSAFE_LOCK_DIR": tempfile.mkdtemp(dir=T)}


def exchanges():
    counted = []
    for profile, folder, transport in table("profiles"):
        env = {**OURS, "IOTSAFE_TRANSPORT": transport}
        if profile == "cira":
            env["IOTSAFE_AID"] = "A0000002480400"
        counter = Counter(folder)
        counted.append((f"{profile}: warm signature", warm_exchanges(counter, folder, env)))
        for job, do in jobs_of(folder, env).items():
            if job != ENROLMENT or "enroll" in SET:
                counted.append((f"{profile}: {job}", counter.of(do)))
    counted += shared_exchanges()
    for i, (name, title) in enumerate((("exchanges", "Exchanges of a job"), ("exchange-bytes", "Bytes of a job, both ways"))):
        measure(name, title, ("", "B")[i], [row(job, [count and count[i]]) for job, count in counted])


def shared_exchanges():
    """Where processes share a channel: on a card that nobody has used, and behind another one."""
    counted = []
    for name in ("pcscd and vpcd", "AT on a pty"):
        if name not in CANDIDATES:
            continue
        one = CANDIDATES[name]
        env = own_locks(one["env"])
        subprocess.run([SET["softsim"], "admin", f"{SET['direct']}/admin.sock", "reset"], check=True, capture_output=True)
        counter = Counter(SET["direct"])
        for job in ("cold signature on an unused card", "cold signature behind another process"):
            counted.append((f"{name}: {job}, reference file", counter.of(lambda e=env, k=one["key"]: dgst(k, e))))
    return counted


# -------------------------------------------- what other clients say for a signature

# Published: how each of them makes a signature, after SELECT. Sessions and names are as theirs.
HASH = "9E20" + 32 * "A5"
OPEN, LAST, CLOSE = "{cla}2A00{session}", "{cla}2B80{session}", "{cla}2A01{session}00"
OTHERS = {
    "wolfSSL": ("81", "01", "840101", [OPEN, LAST, CLOSE]),
    "Orange": ("81", "01", "840101", [CLOSE, OPEN, LAST, CLOSE]),
    "Kigen": ("81", "01", "740A636C69656E742D6B6579", [CLOSE, OPEN, LAST, CLOSE]),
    "Thales": ("81", "00", "840101", [OPEN, LAST]),
}


def apdus_of(cla, session, name, steps):
    data = {OPEN: name + "A10103" + "91020001" + "920104", LAST: HASH}
    for step in steps:
        body = data.get(step, "")
        yield bytes.fromhex(step.format(cla=cla, session=session) + (f"{len(body) // 2:02X}{body}" if body else ""))


def exchange(line, command):
    line.sendall(len(command).to_bytes(2, "big") + command)
    return line.recv(int.from_bytes(line.recv(2, socket.MSG_WAITALL), "big"), socket.MSG_WAITALL)


def signature_of(client, transport):
    """Exchanges and bytes of one signature, GET RESPONSE included; None if the applet refuses."""
    count = size = 0
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(transport.partition(":")[2])
        channel = exchange(line, bytes.fromhex("0070000001"))[0]
        aid = bytes.fromhex("A00000003053F12401770101495341")  # of the profile thales-mvp
        found = exchange(line, bytes([channel, 0xA4, 4, 0, len(aid)]) + aid)[-2] in (0x90, 0x61)
        if not found:
            return None
        for command in apdus_of(*OTHERS[client]):
            response = exchange(line, bytes([0x80 | channel]) + command[1:])
            count, size = count + 1, size + len(command) + len(response)
            while response[-2] == 0x61:
                command = bytes([channel, 0xC0, 0, 0, response[-1]])
                response = exchange(line, command)
                count, size = count + 1, size + len(command) + len(response)
            if command[1] == 0x2B and (response[0] != 0x33 or response[-2:] != b"\x90\x00"):
                return None
    return count, size


def other_clients():
    profile, folder, transport = table("profiles")[0]
    env = {**OURS, "IOTSAFE_TRANSPORT": transport}
    counted = {"this module": warm_exchanges(Counter(folder), folder, env),
               **{client: signature_of(client, transport) for client in OTHERS}}
    for i, (name, title, unit) in enumerate((("other-clients", "Exchanges", ""), ("other-clients-bytes", "Bytes", "B"))):
        measure(name, f"{title} of a warm signature, as clients have it published ({profile})", unit,
                [row(client, [count and count[i]]) for client, count in counted.items()])


# ---------------------------------------------------------------- slow SIMs, many

def latency():
    for name, folder, transport in table("latencies"):
        env = {**OURS, "IOTSAFE_TRANSPORT": transport}
        jobs = {job: do for job, do in jobs_of(folder, env).items() if not only_counted(job)}

        def once(job, folder=folder, env=env, jobs=jobs):
            begin = time.monotonic()
            if job == "warm signature":
                done = run_json([SIGN, "-n", "3", f"{folder}/pem/key.pem"], env)
                return done and {"ms": done["p50_ms"]}
            return {"ms": (time.monotonic() - begin) * 1e3} if jobs[job]() else None

        values = take_turns(["warm signature", *jobs], once, 1 if MODE == "quick" else min(ROUNDS, 3))
        measure(f"time-{name}", f"Time of a job with the latency of iotsafe-softsim's {name}", "ms", compared(values, "ms", None))


def sims():
    uris = [uri for uri, in table("sims")]
    env = {**OURS, "OPENSSL_CONF": SET["many_conf"]}
    counts = [n for n in (1, 2, 4, 8) if n <= len(uris)]
    values = take_turns(counts, lambda n: run_json(
        [SIGN, "-t", str(n), "-s", str(int(SECONDS * 200)), *uris[:n]], env), min(ROUNDS, 3))
    base = [one and one["rate"] for one in values[1]]
    measure("sims", "Signatures in a second from several SIMs in one process", "1/s", [
        row(f"{n} SIM" + "s" * (n > 1), [one and one["rate"] for one in runs], base, sims=n) for n, runs in values.items()],
        "more")


def at_once(n, env, key):
    """So many processes that begin to sign together; what each printed."""
    with tempfile.NamedTemporaryFile(dir=T) as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        started = [subprocess.Popen([SIGN, "-g", gate.name, "-s", str(int(2000 * SECONDS)), key], env=environment(env),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(n)]
        for one in started:
            one.stderr.readline()
        fcntl.flock(gate, fcntl.LOCK_UN)
        printed = [one.communicate()[0] for one in started]
    return [json.loads(text) for text in printed if text]


def shared_by(way, env, key):
    """Rows of rates, and of how much slower the slowest one is."""
    duration = str(int(SECONDS * 1000))
    one = run_json([SIGN, "-s", duration, key], env)
    threads = run_json([SIGN, "-s", duration, "-t", "16", key], env)
    processes = at_once(PROCESSES, env, key)
    if one is None or threads is None or len(processes) < PROCESSES:
        return [{"name": way, "failed": True}], [{"name": way, "failed": True}]
    many = sum(each["signatures"] for each in processes) / max(each["seconds"] for each in processes)
    medians = [each["p50_ms"] for each in processes]
    names, base = (f"{way}, 16 threads", f"{way}, {PROCESSES} processes"), [one["rate"]]
    return ([row(f"{way}, 1 thread", base, base), row(names[0], [threads["rate"]], base), row(names[1], [many], base)],
            [row(names[0], [threads["slowest_ms"] / threads["fastest_ms"]]), row(names[1], [max(medians) / min(medians)])])


def sharing():
    """One SIM, as fast as a card in a reader: the card is the limit."""
    _, folder, _ = table("latencies")[0]
    rates, unfair = [], []
    for way, transport in table("shared"):
        one, other = shared_by(way, {**OURS, "IOTSAFE_TRANSPORT": transport}, f"{folder}/pem/key.pem")
        rates, unfair = rates + one, unfair + other
    measure("sharing", "Signatures in a second from one SIM", "1/s", rates, "more")
    measure("fairness", "The slowest one's median time of a signature, in those of the fastest", "", unfair)


def starts():
    env = CANDIDATES["socket"]["env"]
    command = ["openssl", "dgst", "-sha256", "-sign", CANDIDATES["socket"]["key"], "-out", "/dev/null", SET["ca"]]
    running = [subprocess.Popen(command, env=environment(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for _ in range(STARTS)]
    failed = sum(one.wait() != 0 for one in running)
    measure("starts", "Failed starts of processes that sign once, all at the same time", "",
            [row(f"{STARTS} processes", [failed])])


# ---------------------------------------------------------------------- servers

def servers():
    base = int(SET["ports"])
    _, folder, transport = table("latencies")[0]
    setting = load.Setting(folder=T, ca=SET["ca"], key=f"{folder}/pem/key.pem", cert=f"{folder}/pem/cert.pem",
                           plain_key=SET["server_key"], plain_cert=SET["server_cert"], seconds=SECONDS,
                           env=environment({**OURS, "IOTSAFE_TRANSPORT": transport}))
    limit = run_json([SIGN, "-s", str(int(SECONDS * 500)), setting.key],
                     {**OURS, "IOTSAFE_TRANSPORT": transport})["rate"]
    for i, (name, start) in enumerate(load.SERVERS.items()):
        if name in result["left_out"]:
            continue
        with start(setting, base + 2 * i, base + 2 * i + 1) as ports:
            figures = load.overload(setting, *ports, limit)
        measure(f"{name}-rate", f"{name} with its key on a SIM: handshakes in a second", "1/s", [
            row("the SIM alone", [limit], [limit]), row("4 clients", [figures["rate"]], [limit]),
            row("twice as many as it can serve", [figures["served_rate"]], [limit])], "more")
        measure(f"{name}-latency", f"{name} with twice as many clients as its SIM can serve: latency", "ms", [
            row(part, [value]) for part, value in figures["latency"].items()])
        measure(f"{name}-failed", f"{name} with twice as many clients as its SIM can serve: not served", "%",
                [row("of the handshakes", [100 * figures["failed"]])])
        measure(f"{name}-others", f"{name}: handshakes that need no SIM, meanwhile", "ms", [
            row(part, [value]) for part, value in figures["others"].items()])


# ------------------------------------------------------------------------- all

NEEDS = {own_instructions: "valgrind", system_calls: "strace"}


def main():
    os.environ.pop("OPENSSL_CONF", None)
    describe_machine()
    during = []
    for step in (exchanges, other_clients, signatures, own_work, own_instructions, system_calls, handshakes, cold,
                 memory, latency, sims, sharing, starts, servers):
        program = NEEDS.get(step)
        if program and shutil.which(program) is None:
            result["left_out"][step.__name__.replace("_", "-")] = f"{program} is not installed"
            say(f"skipped: {step.__name__}: {program} is not installed")
            continue
        begin = time.monotonic()
        during.append(statistics.median(fixed_work() for _ in range(15)))
        step()
        say(f"({step.__name__}: {time.monotonic() - begin:.1f} s)")
    result["noise_during"] = {"fastest_ms": min(during), "slowest_ms": max(during)}
    result["noise_after"] = noise(0.1 if MODE == "smoke" else 3)
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"written: {RESULTS}")


main()
