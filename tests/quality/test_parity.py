#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same LSTM learns the same in Firth and in PyTorch: from the same parameters, by plain
SGD over the same batches in the same order, both reach the same validation perplexity.

    make quality DATA=/path/to/data TORCH=/usr/bin/python3

TORCH names a Python that has PyTorch (default: the first of python3 and /usr/bin/python3
that has); without it or without DATA the test is skipped. Firth's own first parameters
are what one step at a learning rate of next to nothing leaves; PyTorch's side is
tests/bench/peer_torch.py. Takes minutes.
"""
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(SOURCE, "..", "http"))
import harness  # noqa: E402
from firth import FIRTHD  # noqa: E402

DATA = os.environ.get("DATA", "")
PEER = os.path.join(SOURCE, "..", "bench", "peer_torch.py")
TOKENS, A_STEP = 300000, 20 * 35
RATE, CLIP, SEED = 5, 0.25, 1
APART = 0.02
# A stand-in for no step at all; smaller than what any parameter notices.
NEXT_TO_NOTHING = "1e-30"


@functools.lru_cache(None)
def python():
    """A Python with PyTorch, or None."""
    for program in (os.environ.get("TORCH"), "python3", "/usr/bin/python3"):
        if program and subprocess.run([program, "-c", "import torch"], capture_output=True,
                                      check=False).returncode == 0:
            return program
    return None


def text(part):
    return os.path.join(DATA, "wiki-2m", part + ".txt")


def train(path, rate, epochs, *options):
    """What the training printed, by name."""
    command = [FIRTHD, "train", "--model-file", path, "--kind", "lstm", "--unit", "whitespace",
               "--min-count", "1", "--max-vocab", "0", "--seed", str(SEED),
               "--epochs", str(epochs), "--quiet", *options]
    for param in ("embedding_size=200", "hidden_size=200", "layers=2", "tied=true", "bptt=35",
                  "batch_size=20", "dropout=0", "optimizer=sgd", "schedule=constant",
                  f"learning_rate={rate}", f"clip_norm={CLIP}"):
        command += ["--param", param]
    with open(text("train"), "rb") as corpus:
        done = subprocess.run(command, stdin=corpus, capture_output=True, text=True, check=True)
    return {name: float(value) for name, value in re.findall(r"^(\w+)\s+(\S+)$", done.stdout, re.M)}


def test_an_lstm_learns_what_pytorchs_does():
    steps = -(-TOKENS // A_STEP)
    with tempfile.TemporaryDirectory(prefix="firth-parity-") as folder:
        first = os.path.join(folder, "first")
        one = train(first, NEXT_TO_NOTHING, 1e-9, "--valid", "0")
        assert one["steps"] == 1, one
        # Half a step less, so that rounding up gives the number wanted.
        ours = train(os.path.join(folder, "model"), RATE, (steps - 0.5) * one["epochs"],
                     "--valid-file", text("valid"))
        assert ours["steps"] == steps, ours
        done = subprocess.run([python(), PEER, "parity", first, text("train"), text("valid"),
                               str(TOKENS), str(RATE), str(CLIP)], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        theirs = json.loads(done.stdout)
    print(f"# after {theirs['tokens']} tokens: Firth {ours['valid_perplexity']:.3f}, PyTorch "
          f"{theirs['perplexity']:.3f}, over {theirs['valid_tokens']} tokens")
    assert theirs["tokens"] == steps * A_STEP, theirs
    assert theirs["valid_tokens"] == ours["valid_tokens"], (theirs, ours)
    # Learned at all: the words' frequencies alone give about 700.
    assert ours["valid_perplexity"] < 600, ours
    assert abs(ours["valid_perplexity"] / theirs["perplexity"] - 1) < APART


if __name__ == "__main__":
    if not DATA:
        print("1..1\nok 1 - DATA names no folder of corpora # SKIP")
    elif not python():
        print("1..1\nok 1 - no Python here has PyTorch # SKIP")
    else:
        harness.main()
