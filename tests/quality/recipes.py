#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Neural models on real text: trains each recipe once and tells what it reaches.

    make recipes DATA=/path/to/data MODELS=/where/models/stay [ONLY=lstm,cache]

Each training takes from ten minutes to an hour. A model that is already in MODELS is not
trained again, so a run that was broken off goes on where it was. Every command is printed
before it runs. Settings of scoring (cache, dynamic) were chosen on the validation text.
"""
import os
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from measure import table  # noqa: E402

FIRTHD, DATA, MODELS = os.environ["FIRTHD"], os.environ.get("DATA"), os.environ.get("MODELS")
WORDS = ["--unit", "whitespace", "--min-count", "1", "--max-vocab", "0"]
CHARACTERS = ["--unit", "char", "--segment", "document", "--min-count", "1", "--valid", "0.05"]

# name: (text, options, parameters)
RECIPES = {
    "kn5": ("wiki-2m", ["--kind", "ngram", *WORDS], ["order=5"]),
    "nplm": ("wiki-2m", ["--kind", "nplm", "--epochs", "5", *WORDS],
             ["context=6", "embedding_size=240", "hidden_size=240", "tied=true",
              "softmax=adaptive", "batch_size=1024", "dropout=0.3", "learning_rate=0.002"]),
    "lstm": ("wiki-2m", ["--kind", "lstm", "--epochs", "7", *WORDS],
             ["embedding_size=256", "hidden_size=256", "layers=2", "softmax=adaptive",
              "batch_size=40", "bptt=35", "dropout=0.3", "learning_rate=0.003"]),
    "char": ("tinyshakespeare", ["--kind", "lstm", "--epochs", "10", *CHARACTERS],
             ["embedding_size=64", "hidden_size=512", "layers=2", "tied=false", "bptt=64",
              "batch_size=64", "dropout=0.4", "learning_rate=0.003"]),
}
# name: (parts, how its weights are learned)
MIXTURES = {"kn5-nplm": (["kn5", "nplm"], []), "kn5-lstm": (["kn5", "lstm"], ["carry=true"]),
            "kn5-nplm-lstm": (["kn5", "nplm", "lstm"], ["carry=true"]),
            "kn5-lstm-cache": (["kn5", "lstm"], ["cache=true"]),
            "kn5-nplm-lstm-cache": (["kn5", "nplm", "lstm"], ["cache=true"])}
CACHE = ["--cache", "--cache-size", "1000", "--cache-weight", "0.2"]
DYNAMIC = ["--dynamic", "--dynamic-rate", "0.002"]
DYNAMIC_CHARACTERS = ["--dynamic", "--dynamic-rate", "0.001", "--dynamic-steps", "50"]
# model, how it is scored, what it should reach at most
SCORES = [
    ("kn5", [], None), ("nplm", [], 195), ("kn5-nplm", [], 165),
    ("lstm", [], None), ("lstm", ["--carry"], 150),
    ("kn5-lstm", ["--carry"], 130), ("kn5-nplm-lstm", ["--carry"], 130),
    ("lstm", CACHE, 115), ("lstm", DYNAMIC, 115),
    ("kn5-lstm-cache", CACHE, 115), ("kn5-nplm-lstm-cache", CACHE, 115),
    ("char", ["--carry"], 1.5), ("char", DYNAMIC_CHARACTERS, 1.5),
]


def corpus_of(name):
    while name in MIXTURES:
        name = MIXTURES[name][0][0]
    return RECIPES[name][0]


def text(corpus, part):
    """The path of one part of a corpus. tinyshakespeare is one file: its last tenth is the test
    text, and training holds some of the rest out by itself."""
    if corpus == "wiki-2m":
        return os.path.join(DATA, corpus, part + ".txt")
    path = os.path.join(MODELS, f"{corpus}.{part}.txt")
    with open(os.path.join(DATA, corpus + ".txt"), "rb") as file:
        whole = file.read()
    end = int(len(whole) * .9)
    with open(path, "wb") as file:
        file.write(whole[:end] if part == "train" else whole[end:])
    return path


def firthd(*words, source=None, log=None):
    """Runs a command; its standard error is shown as it comes, or kept in `log`."""
    command = [FIRTHD, *words]
    print("    " + shlex.join(command) + (f" < {source}" if source else ""), flush=True)
    with open(source or os.devnull, "rb") as stdin:
        return subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=log,
                              text=True, check=True)


def train(name):
    corpus, options, params = RECIPES[name]
    path = os.path.join(MODELS, name)
    if not os.path.exists(path):
        started = time.monotonic()
        if "--valid" not in options:
            options = ["--valid-file", text(corpus, "valid"), *options]
        firthd("train", "--model-file", path, "--seed", "1", *options,
               *(word for param in params for word in ("--param", param)),
               source=text(corpus, "train"))
        print(f"    {name}: {(time.monotonic() - started) / 60:.1f} min", flush=True)
    return path


def mix(name):
    """Weights are learned on the validation text, which none of the parts was trained on."""
    store = os.path.join(MODELS, "mixtures.db")
    parts, params = MIXTURES[name]
    for part in parts:
        firthd("import", "--store", store, "--model", part, "--replace", train(part))
    firthd("train", "--store", store, "--model", name, "--replace", "--kind", "mixture",
           "--valid", "0", "--param", "models=" + ",".join(parts),
           *(word for param in params for word in ("--param", param)),
           source=text(corpus_of(name), "valid"))
    return ["--store", store, "--model", name]


def measured(name, options, mixed):
    """What firthd evaluate tells of the test text, and the seconds that took."""
    if name in MIXTURES and name not in mixed:
        mixed[name] = mix(name)
    model = mixed[name] if name in mixed else ["--model-file", train(name)]
    started = time.monotonic()
    done = firthd("evaluate", *model, "--quiet", *options,
                  source=text(corpus_of(name), "test"))
    return dict(line.split() for line in done.stdout.splitlines()), time.monotonic() - started


def goal(name, figures):
    """Perplexity of words; of characters, nats for each character of the text, every line's
    and document's end among them."""
    if corpus_of(name) == "wiki-2m":
        return float(figures["perplexity"])
    with open(text(corpus_of(name), "test"), encoding="utf-8", newline="") as file:
        return -float(figures["logprob"]) / len(file.read())


def main():
    if not DATA or not MODELS:
        sys.exit("Say where the corpora are and where models stay: DATA=… MODELS=…")
    os.makedirs(MODELS, exist_ok=True)
    only = [word for word in os.environ.get("ONLY", "").split(",") if word]
    rows, mixed = [], {}
    for name, options, wanted in SCORES:
        if only and name not in only and not {option[2:] for option in options} & set(only):
            continue
        figures, seconds = measured(name, options, mixed)
        got = goal(name, figures)
        verdict = "" if wanted is None else "yes" if got <= wanted else "no"
        rows.append([name, " ".join(options), f"{got:.4g}", wanted or "", verdict, f"{seconds:.0f}"])
    table("The test text: perplexity of words, nats a character",
          ["model", "scored with", "got", "at most", "reached", "seconds"], rows)


if __name__ == "__main__":
    main()
