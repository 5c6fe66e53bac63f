#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills neural trainings with SIGKILL at random moments, the trainer alone or the daemon
with it, lets them go on from their checkpoints, and compares the model's bytes with those
of a training that nobody disturbed.

usage: test_resume.py [--kills N] [--seed N]
(2 kills of each training; with FIRTH_FAULTS=full 20, and trainer and daemon apart)
"""
import argparse
import os
import random
import signal
import sys
import tempfile
import time

from test_kill9 import Daemon, alive

KINDS = {"lstm": {"embedding_size": 24, "hidden_size": 24, "bptt": 10, "averaging": "polyak",
                  "recurrent_dropout": 0.2, "optimizer": "adam"},
         "nplm": {"embedding_size": 24, "hidden_size": 24, "direct": True, "batch_size": 32,
                  "schedule": "plateau", "averaging": "ema"}}
WORDS = 300


def text(source):
    """Sentences in which a word hangs together with the one before."""
    lines = []
    for _ in range(4000):
        word, line = source.randrange(WORDS), []
        for _ in range(source.randrange(3, 14)):
            line.append(f"w{word}")
            word = (word * 7 + source.randrange(5)) % WORDS
        lines.append(" ".join(line))
    return ("\n".join(lines) + "\n").encode()


def request(kind, epochs, threads):
    return {"kind": kind, "model": "m", "corpus": "text", "valid": 0.1, "seed": 3,
            "threads": threads, "tokenizer": {"unit": "whitespace"}, "params": KINDS[kind],
            "checkpoint_every_s": 1, "budget": {"epochs": epochs}}


class Training:
    """One training on a daemon of its own."""

    def __init__(self, kind, corpus, epochs, threads):
        self.folder = tempfile.TemporaryDirectory(prefix="firth-resume-")
        self.daemon = Daemon(self.folder.name)
        self.daemon.start()
        self.daemon.ask("PUT", "/corpora/text", corpus, {"Content-Type": "text/plain"})
        status, job = self.daemon.ask_json("POST", "/train", request(kind, epochs, threads))
        assert status == 202, job
        self.path = "/jobs/" + job["id"]
        self.kills = {"trainer": 0, "daemon": 0}

    def row(self):
        return self.daemon.ask_json("GET", self.path)[1]

    def ended(self):
        return self.row()["state"] not in ("queued", "running")

    def next_trainer(self):
        """Waits until a trainer works, and has got somewhere; None when the job ended."""
        step = self.row()["progress"]["step"]
        while not self.ended():
            trainers = self.daemon.trainers()
            if trainers and self.row()["progress"]["step"] != step:
                return trainers[0]
            time.sleep(0.02)
        return None

    def kill(self, step, victim):
        """When the training has come to `step` (or a trainer goes on from behind it); False
        when the job ended before."""
        pid = self.next_trainer()
        while pid and alive(pid) and self.row()["progress"]["step"] < step:
            time.sleep(0.01)
        if not pid or not alive(pid):
            return not self.ended()
        if victim == "daemon":
            self.daemon.kill()
            self.daemon.start()
        else:
            os.kill(pid, signal.SIGKILL)
        self.kills[victim] += 1
        return True

    def finish(self):
        """The job's last row and the model's bytes."""
        deadline = time.monotonic() + 600
        while not self.ended() and time.monotonic() < deadline:
            time.sleep(0.05)
        row = self.row()
        status, model = self.daemon.ask("GET", "/models/m/export?format=checkpoint")
        self.daemon.stop()
        self.folder.cleanup()
        return row, model if status == 200 else b""


def broken(how, steps, victims):
    """Kills at these steps, each a victim in turn."""
    training = Training(*how)
    for step, victim in zip(steps, victims):
        if not training.kill(step, victim):
            break
    row, model = training.finish()
    return row, model, training.kills


def check(kind, options, full, source):
    how = (kind, text(source), options.epochs, 2 if full else 1)
    whole, wanted = Training(*how).finish()
    plans = [["trainer"] * options.kills, ["daemon"] * options.kills]
    if not full:
        plans = [["trainer", "daemon"] * (options.kills // 2)]
    for plan in plans:
        total = whole["progress"]["step"]
        steps = sorted(source.randrange(total // 20, total * 3 // 4) for _ in plan)
        row, model, kills = broken(how, steps, plan)
        details = [f"killed {kills}, {row['state']}, {row['error']}, {len(model)} bytes, "
                   f"unbroken {len(wanted)}"]
        print("# " + kind + ": " + details[0])
        fine = (whole["state"] == row["state"] == "succeeded" and len(wanted) > 1000 and
                model == wanted and sum(kills.values()) >= (len(plan) + 1) // 2)
        yield f"{kind} ends with the same bytes after kills of {' and '.join(sorted(set(plan)))}", \
            fine


def main():
    full = os.environ.get("FIRTH_FAULTS") == "full"
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20 if full else 2)
    parser.add_argument("--epochs", type=int, default=200 if full else 20)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"# seed {options.seed}")
    source = random.Random(options.seed)
    failed = number = 0
    for kind in KINDS:
        for name, fine in check(kind, options, full, source):
            number += 1
            print(f"{'ok' if fine else 'not ok'} {number} - resume: {name}", flush=True)
            failed += not fine
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
