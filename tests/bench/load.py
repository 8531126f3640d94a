# SPDX-License-Identifier: Apache-2.0
"""Servers with their key on a SIM, and clients that come faster than the SIM can sign."""
import contextlib
import dataclasses
import os
import pathlib
import socket
import ssl
import statistics
import subprocess
import threading
import time

PATIENCE_S = 60


@dataclasses.dataclass
class Setting:
    folder: pathlib.Path
    ca: str
    key: str
    cert: str
    plain_key: str  # of the same server's other port, which needs no SIM
    plain_cert: str
    seconds: float
    env: dict


# ---------------------------------------------------------------------- servers

def wait_for(port, process):
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("a server has ended")


@contextlib.contextmanager
def running(command, setting, ports):
    with open(setting.folder / f"{command[0]}.log", "ab") as log:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *command], env=setting.env, stdout=log,
                                   stderr=log, stdin=subprocess.DEVNULL)
    try:
        for port in ports:
            wait_for(port, process)
        yield ports
    finally:
        process.terminate()
        process.wait()


def nginx(setting, port, plain_port):
    folder = setting.folder / "nginx"
    folder.mkdir(exist_ok=True)
    temporary = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    servers = "".join(f"""
        server {{
            listen 127.0.0.1:{number} ssl;
            ssl_certificate {cert};
            ssl_certificate_key {key};
            ssl_session_cache shared:s{number}:1m;
            ssl_session_tickets off;
            location / {{ return 204; }}
        }}""" for number, key, cert in (
            (port, setting.key, setting.cert), (plain_port, setting.plain_key, setting.plain_cert)))
    (folder / "nginx.conf").write_text(f"""
        worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
        {'user root;' if os.geteuid() == 0 else ''}
        events {{ worker_connections 1024; }}
        http {{ access_log off; {temporary} {servers} }}""")
    return running(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], setting, (port, plain_port))


def mosquitto(setting, port, plain_port):
    path = setting.folder / "mosquitto.conf"
    path.write_text("allow_anonymous true\nper_listener_settings false\nuser root\n" + "".join(
        f"listener {number} 127.0.0.1\ncertfile {cert}\nkeyfile {key}\n" for number, key, cert in (
            (port, setting.key, setting.cert), (plain_port, setting.plain_key, setting.plain_cert))))
    return running(["mosquitto", "-c", str(path)], setting, (port, plain_port))


SERVERS = {"nginx": nginx, "mosquitto": mosquitto}


# ---------------------------------------------------------------------- clients

def context(setting):
    made = ssl.create_default_context(cafile=setting.ca)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE  # the certificates of a SIM are renewed while this runs
    made.maximum_version = ssl.TLSVersion.TLSv1_2  # in which resumption is done with the handshake
    return made


def handshake(made, port, session=None):
    """How long it took in ms, and its session; None if it failed."""
    begin = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as raw, \
                made.wrap_socket(raw, session=session) as wrapped:
            return (time.monotonic() - begin) * 1e3, wrapped.session
    except OSError:  # ssl.SSLError is one
        return None


class Stop(threading.Thread):
    """Calls something again and again until stop()."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.stopped, self.results = call, threading.Event(), []

    def run(self):
        while not self.stopped.is_set():
            self.results.append(self.call())

    def stop(self):
        self.stopped.set()
        self.join()
        return self.results


def quantile(values, part):
    values = sorted(values)
    return values[int(part * (len(values) - 1) + 0.5)] if values else float("nan")


def for_a_while(seconds, *calls):
    threads = [Stop(call) for call in calls]
    for one in threads:
        one.start()
    time.sleep(seconds)
    return [one.stop() for one in threads]


def at_a_rate(rate, seconds, call):
    """Starts a call every 1/rate seconds, whether or not the others have ended."""
    results, threads = [], []
    begin = time.monotonic()
    for i in range(max(2, int(rate * seconds))):
        time.sleep(max(0, begin + i / rate - time.monotonic()))
        threads.append(threading.Thread(target=lambda: results.append(call()), daemon=True))
        threads[-1].start()
    for one in threads:
        one.join()
    return results, time.monotonic() - begin


def times(results):
    return [one[0] for one in results if one is not None]


def overload(setting, port, plain_port, limit):
    made = context(setting)
    begin = time.monotonic()
    loops = for_a_while(setting.seconds, *[lambda: handshake(made, port)] * 4)
    rate = sum(len(times(loop)) for loop in loops) / (time.monotonic() - begin)

    def plain():
        time.sleep(0.02)
        return handshake(made, plain_port)

    session = handshake(made, port)
    session = session and session[1]

    def resumed():
        time.sleep(0.02)
        return handshake(made, port, session)

    idle = for_a_while(setting.seconds / 2, plain, resumed)
    others = [Stop(plain), Stop(resumed)]
    for one in others:
        one.start()
    # at least what a test of half a second can see
    served, duration = at_a_rate(min(2 * limit, 400), setting.seconds, lambda: handshake(made, port))
    busy = [one.stop() for one in others]
    good = times(served)
    figures = {}
    for kind, before, meanwhile in zip(("software key", "resumed"), idle, busy):
        for part, results in (("idle", before), ("meanwhile", meanwhile)):
            if times(results):
                figures[f"{kind}, {part}: median"] = statistics.median(times(results))
                figures[f"{kind}, {part}: p99"] = quantile(times(results), 0.99)
    return {
        "rate": rate,
        "served_rate": len(good) / duration,
        "failed": 1 - len(good) / len(served),
        "latency": {"median": quantile(good, 0.5), "p90": quantile(good, 0.9), "p99": quantile(good, 0.99)},
        "others": figures,
    }
