#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/drill.sh measured: a table on standard output, a drawing, and whether a server
had more requests in a second than it should. Exit status 1 then, 2 when there is nothing to
report, or not what was expected.

usage: drill_report.py EVENTS --rate N [--requests NAME=FILE ...] [--mark NAME=TIME ...]
                       [--svg FILE]

EVENTS has a line for each attempt of a device: STEP DEVICE BEGIN END ok|failed|refused, times
in seconds; `refused` is a failure that is wanted. The first word of a line of `--requests` is
the time at which NAME was asked. --mark: a moment to show; the step of that name is counted
from it.
"""
import argparse
import bisect
import collections
import html
import pathlib
import sys

Attempt = collections.namedtuple("Attempt", "step device begin end result")
COLOURS = {"ok": "#2a7f3f", "failed": "#c0392b", "refused": "#8e6bbf"}
WIDTH, LEFT, RIGHT, TOP, ROWS, GAP, RATES = 1000, 60, 20, 75, 400, 50, 120


def read_events(path):
    attempts = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        try:
            step, device, begin, end, result = line.split()
            attempt = Attempt(step, int(device), float(begin), float(end), result)
        except ValueError:
            sys.exit(f"{path}:{number}: no attempt: {line}")
        if result not in COLOURS or attempt.end < attempt.begin:
            sys.exit(f"{path}:{number}: no attempt: {line}")
        attempts.append(attempt)
    return attempts


def named(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("NAME=VALUE")
    return name, value


def read_requests(path):
    return sorted(float(line.split()[0]) for line in path.read_text(encoding="ascii").splitlines() if line)


def highest(times):
    """the most of them that lie within any one second"""
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def at(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def row(step, attempts, marks, requests):
    since = marks.get(step, 0.0)
    begin = {}
    for one in attempts:
        begin[one.device] = min(begin.get(one.device, one.begin), one.begin)
    done = {one.device: one.end for one in attempts if one.result != "failed"}
    times = sorted(end - max(begin[device], since) for device, end in done.items())
    failed = sum(one.result == "failed" for one in attempts)
    start, end = min(begin.values()), max(one.end for one in attempts)
    # Logs that know whole seconds only have the first ones before the start.
    most = max((highest([t for t in times_of if int(start) <= t <= end]) for times_of in requests.values()), default=0)
    spans = [f"{t:.1f}" for t in (at(times, 0.5), at(times, 0.95), times[-1])] if times else ["-"] * 3
    return [step, str(len(begin)), str(len(done)), str(failed), *spans, f"{end - max(start, since):.1f}", str(most)]


def table(steps, marks, requests):
    rows = [["step", "devices", "done", "failures", "median s", "95 % s", "longest s", "all s", "requests/s"]]
    rows += [row(step, attempts, marks, requests) for step, attempts in steps.items()]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    for cells in rows:
        print("  ".join([cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:]))]))


class Drawing:
    """attempts of each device over time, and below them the requests per second"""

    def __init__(self, attempts):
        self.begin = min(one.begin for one in attempts)
        self.span = max(max(one.end for one in attempts) - self.begin, 0.001)
        self.lines = []

    def x(self, time):
        return LEFT + (WIDTH - LEFT - RIGHT) * (time - self.begin) / self.span

    def add(self, name, text=None, **attributes):
        shown = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in attributes.items())
        self.lines.append(f"<{name} {shown}/>" if text is None else f"<{name} {shown}>{html.escape(text)}</{name}>")

    def text(self, x, y, text, anchor="start"):
        self.add("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)

    def bar(self, x, y, width, height, colour, opacity=1.0):
        self.add("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", fill=colour,
                 fill_opacity=opacity)

    def steps(self, steps, marks):
        for number, (step, attempts) in enumerate(steps.items()):
            start, end = self.x(min(one.begin for one in attempts)), self.x(max(one.end for one in attempts))
            self.bar(start, TOP, end - start, ROWS, "#000000", 0.08 if number % 2 else 0.03)
            self.text(start, TOP - 8 - 14 * (number % 3), step)
        for name, time in marks.items():
            self.bar(self.x(time), TOP, 1, ROWS, "#000000")
            self.text(self.x(time), TOP + ROWS + 14, f"{name}: from here", "end")

    def attempts(self, attempts):
        height = ROWS / max(one.device for one in attempts)
        for one in attempts:
            self.bar(self.x(one.begin), TOP + (one.device - 1) * height, max(self.x(one.end) - self.x(one.begin), 1.5),
                     max(height - 1, 0.8), COLOURS[one.result])
        self.text(LEFT - 8, TOP + 10, "device 1", "end")
        self.text(LEFT - 8, TOP + ROWS, str(max(one.device for one in attempts)), "end")

    def rates(self, requests, rate):
        every = sorted(time for times in requests.values() for time in times)
        seconds = [bisect.bisect_left(every, self.begin + i + 1) - bisect.bisect_left(every, self.begin + i)
                   for i in range(int(self.span) + 1)]
        floor, scale = TOP + ROWS + GAP + RATES, RATES / max(rate, *seconds)
        for i, count in enumerate(seconds):
            left = self.x(self.begin + i)
            self.bar(left, floor - count * scale, max(self.x(self.begin + i + 1) - left - 0.5, 0.5), count * scale, "#33678a")
        self.bar(LEFT, floor - rate * scale, WIDTH - LEFT - RIGHT, 1, COLOURS["failed"])
        self.text(LEFT - 8, floor - rate * scale + 4, f"{rate}/s", "end")
        self.text(LEFT, floor + 16, "0 s")
        self.text(WIDTH - RIGHT, floor + 16, f"{self.span:.0f} s", "end")
        self.text(WIDTH / 2, floor + 16, "requests per second at the servers, and the limit of each", "middle")

    def legend(self):
        for number, (result, colour) in enumerate(COLOURS.items()):
            self.bar(LEFT + 110 * number, 8, 12, 12, colour)
            self.text(LEFT + 18 + 110 * number, 18, result)

    def write(self, path):
        height = TOP + ROWS + GAP + RATES + 30
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
                f'font-size="12">\n<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n')
        path.write_text(head + "\n".join(self.lines) + "\n</svg>\n", encoding="utf-8")


def draw(path, steps, marks, requests, rate):
    attempts = [one for those in steps.values() for one in those]
    drawing = Drawing(attempts)
    drawing.legend()
    drawing.steps(steps, marks)
    drawing.attempts(attempts)
    drawing.rates(requests, rate)
    drawing.write(path)


def judge(requests, rate):
    good = True
    for name, times in requests.items():
        most = highest(times)
        print(f"{name}: {len(times)} requests, at most {most} in a second; the limit is {rate}"
              + ("" if most <= rate else ": too many at once"))
        good = good and most <= rate
    return good


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    parser.add_argument("events", type=pathlib.Path)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--requests", type=named, action="append", default=[])
    parser.add_argument("--mark", type=named, action="append", default=[])
    parser.add_argument("--svg", type=pathlib.Path)
    options = parser.parse_args()
    steps = {}
    for attempt in read_events(options.events):
        steps.setdefault(attempt.step, []).append(attempt)
    if not steps:
        parser.error("no attempt was made")
    marks = {name: float(time) for name, time in options.mark}
    requests = {name: read_requests(pathlib.Path(path)) for name, path in options.requests}
    table(steps, marks, requests)
    if options.svg:
        draw(options.svg, steps, marks, requests, options.rate)
    print()
    sys.exit(0 if judge(requests, options.rate) else 1)


if __name__ == "__main__":
    main()
