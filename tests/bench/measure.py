# SPDX-License-Identifier: MIT
"""Timing whole commands in turn, and laying the figures out beside each other."""
import os
import shlex
import statistics
import subprocess
import time


class Run:
    """One finished command: seconds, processor seconds, peak memory in MiB, output."""

    def __init__(self, seconds, usage, status, output):
        self.seconds = seconds
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss / 1024
        self.status = status
        self.output = output


def run(command, stdin=None, stdout=None):
    """Runs `command` (a list); stdin and stdout are paths. Its own output is kept."""
    with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as sink:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=source,
                                   stdout=sink if stdout else subprocess.PIPE,
                                   stderr=subprocess.STDOUT if not stdout else subprocess.PIPE)
        stream = process.stderr if stdout else process.stdout
        output = stream.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} ended with {process.returncode}:\n{output[-2000:]}")
    return Run(seconds, usage, process.returncode, output)


def in_turn(times, **calls):
    """Calls each function `times` times, A B A B …; {name: [Run, …]}."""
    runs = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            runs[name].append(call())
    return runs


def median(runs, figure="seconds"):
    return statistics.median(getattr(one, figure) for one in runs)


def table(title, head, rows):
    """Prints a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def show(command):
    print(f"    {command if isinstance(command, str) else shlex.join(command)}")


def ratio(peer, ours):
    return f"{peer / ours:.2f}×" if ours else "–"
