#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the systemd unit to what systemd itself says of it: no complaint but that the
program is not installed here, and an exposure of at most 2.5."""
import os
import re
import shutil
import subprocess

UNIT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "deploy",
                                    "firthd.service"))
TESTS = ["systemd understands the unit", "the unit's exposure is at most 2.5"]


def run(*words):
    done = subprocess.run(["systemd-analyze", *words, UNIT], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.stdout + done.stderr


def complaints():
    lines = run("verify", "--man=no").splitlines()
    return [line for line in lines if line.strip() and "is not executable" not in line
            and "firthd.service" in line]


def exposure():
    found = re.search(r"Overall exposure level[^:]*: ([0-9.]+)",
                      run("security", "--offline=true"))
    return float(found.group(1)) if found else 10.0


def main():
    print("1..%d" % len(TESTS))
    if not shutil.which("systemd-analyze"):
        for number, name in enumerate(TESTS, 1):
            print("ok %d - %s # SKIP systemd-analyze is not here" % (number, name))
        return 0
    found, level = complaints(), exposure()
    for line in found:
        print("# " + line)
    print("%s 1 - %s" % ("not ok" if found else "ok", TESTS[0]))
    print("# exposure %.1f" % level)
    print("%s 2 - %s" % ("ok" if level <= 2.5 else "not ok", TESTS[1]))
    return 1 if found or level > 2.5 else 0


if __name__ == "__main__":
    raise SystemExit(main())
