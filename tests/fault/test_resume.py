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


def request(kind, epochs):
    return {"kind": kind, "model": "m", "corpus": "text", "valid": 0.1, "seed": 3,
            "threads": 2, "tokenizer": {"unit": "whitespace"}, "params": KINDS[kind],
            "checkpoint_every_s": 1, "budget": {"epochs": epochs}}


class Training:
    """One training on a daemon of its own."""

    def __init__(self, kind, corpus, epochs):
        self.folder = tempfile.TemporaryDirectory(prefix="firth-resume-")
        self.daemon = Daemon(self.folder.name)
        self.daemon.start()
        self.daemon.ask("PUT", "/corpora/text", corpus, {"Content-Type": "text/plain"})
        status, job = self.daemon.ask_json("POST", "/train", request(kind, epochs))
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

    def kill(self, source, victim):
        """Somewhere in the next trainer's life, mostly after its first checkpoint (a trainer
        that leaves none is started again later and later); False when the job ended."""
        pid = self.next_trainer()
        if not pid:
            return False
        until = time.monotonic() + source.choice([source.uniform(0, 1),
                                                  *[source.uniform(1, 2)] * 4])
        while time.monotonic() < until and alive(pid):
            time.sleep(0.002)
        if not alive(pid):
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


def broken(kind, corpus, epochs, source, victims):
    training = Training(kind, corpus, epochs)
    for victim in victims:
        if not training.kill(source, victim):
            break
    row, model = training.finish()
    return row, model, training.kills


def check(kind, options, full, source):
    corpus = text(source)
    epochs = options.epochs
    whole, wanted = Training(kind, corpus, epochs).finish()
    print(f"# {kind}: {whole['progress']['step']} steps in "
          f"{whole['result'].get('seconds', 0) if whole['result'] else 0} s")
    plans = ([["trainer"] * options.kills, ["daemon"] * options.kills] if full else
             [[source.choice(["trainer", "daemon"]) for _ in range(options.kills - 1)] +
              ["trainer"]])
    for plan in plans:
        row, model, kills = broken(kind, corpus, epochs, source, plan)
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
    parser.add_argument("--epochs", type=int, default=120 if full else 16)
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
