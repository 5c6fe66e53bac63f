# SPDX-License-Identifier: MIT
"""Neural language models beside PyTorch: tokens a second of training, with each output
layer; scoring 1,000 sentences together and one alone; drawing words.

Needs DATA; PyTorch is measured when TORCH names a Python that has it. Both train the same
models on the same text by plain SGD with clipping, in batches of 20 × 35 tokens, on all
cores; a few steps to warm up are not counted. PyTorch has the full softmax.

Debian's PyTorch computes with OpenBLAS, and where that mistakes the processor PyTorch runs
with kernels of another one; its OpenMP threads spin while OpenBLAS's compute. It is measured
as it comes, and tuned: with the variable that Firth sets for itself (OPENBLAS_CORETYPE) and
with OMP_WAIT_POLICY=passive, which makes its threads wait asleep (Firth has no OpenMP). RUNS
turns (2), the best counts.
"""
import http.client
import json
import os
import statistics
import time

from measure import in_turn, ratio, run, show, table
from part_http import start, stop

SECONDS, THREADS = 5, os.cpu_count()
SENTENCES, ALONE = 1000, 100
# name: kind, size, layers, tied
MODELS = {"RNN 200": ("rnn", 200, 1, "false"), "GRU 2 × 200, tied": ("gru", 200, 2, "true"),
          "LSTM 2 × 200, tied": ("lstm", 200, 2, "true"),
          "LSTM 2 × 650, tied": ("lstm", 650, 2, "true")}
SOFTMAXES = ("full", "adaptive", "sampled")
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_torch.py")


class Setting:
    def __init__(self, work):
        self.firthd, self.work = os.environ["FIRTHD"], work
        self.bench = os.path.join(os.path.dirname(os.path.abspath(self.firthd)), "tests",
                                  "bench", "bench_neural")
        self.folder = os.path.join(os.environ["DATA"], "wiki-2m")
        self.torch = os.environ.get("TORCH")
        core = os.environ.get("OPENBLAS_CORETYPE") or run([self.bench, "core"]).output.strip()
        tuned = ["env", "OMP_WAIT_POLICY=passive", *(["OPENBLAS_CORETYPE=" + core] if core else [])]
        # What PyTorch is run with, by how a table calls it.
        self.peers = {"PyTorch": [], "PyTorch, tuned": tuned} if self.torch else {}

    def text(self, part):
        return os.path.join(self.folder, part + ".txt")

    def path(self, name):
        return os.path.join(self.work, name)


# ---- training ----

def parameters(model, softmax):
    _, size, layers, tied = MODELS[model]
    words = [f"embedding_size={size}", f"hidden_size={size}", f"tied={tied}", "bptt=35",
             "batch_size=20", "dropout=0", "optimizer=sgd", "learning_rate=1", "clip_norm=0.25",
             "schedule=constant", "softmax=" + softmax]
    return words + [f"layers={layers}"]


def train_firth(setting, model, softmax):
    return run([setting.bench, "train", setting.text("train"), str(SECONDS), str(THREADS),
                MODELS[model][0], *parameters(model, softmax)])


def train_torch(setting, model, prefix):
    return run([*prefix, setting.torch, PEER, "train", setting.text("train"),
                *map(str, MODELS[model]), str(SECONDS), str(THREADS)])


def training(setting, turns):
    show(f"bench_neural train wiki-2m/train.txt {SECONDS} {THREADS} KIND "
         + " ".join(parameters("LSTM 2 × 200, tied", "full")))
    rows = []
    for model in MODELS:
        calls = {"Firth, " + softmax: lambda m=model, s=softmax: train_firth(setting, m, s)
                 for softmax in SOFTMAXES}
        for name, prefix in setting.peers.items():
            calls[name] = lambda m=model, p=prefix: train_torch(setting, m, p)
        runs = in_turn(turns, **calls)
        speed = {name: max(float(one.output) for one in done) for name, done in runs.items()}
        for name, done in runs.items():
            rows.append([model, name, f"{speed[name]:.0f}",
                         f"{max(one.peak for one in done):.0f}",
                         *(ratio(speed[name], speed[peer]) for peer in setting.peers)])
    table(f"Training, tokens a second on {THREADS} threads",
          ["model", "program", "tokens/s", "peak MiB",
           *("against " + peer for peer in setting.peers)], rows)


# ---- use ----

def make_model(setting, softmax):
    """A model file of the right shape: what it has learned does not change the time."""
    path = setting.path(softmax + ".model")
    words = [word for param in parameters("LSTM 2 × 200, tied", softmax)
             for word in ("--param", param)]
    run([setting.firthd, "train", "--model-file", path, "--kind", "lstm", "--unit", "whitespace",
         "--min-count", "1", "--max-vocab", "0", "--valid", "0", "--seed", "1", "--epochs",
         "0.003", "--quiet", *words], stdin=setting.text("train"))
    return path


class Use:
    """What a program needs to score and to generate."""

    def __init__(self, logprob, tokens, batch, alone, generated):
        self.logprob, self.tokens = float(logprob), int(tokens)
        self.batch, self.alone, self.generated = float(batch), float(alone), float(generated)

    @classmethod
    def best(cls, uses):
        return cls(uses[0].logprob, uses[0].tokens, min(use.batch for use in uses),
                   min(use.alone for use in uses), max(use.generated for use in uses))


def use_library(setting, path):
    return Use(*run([setting.bench, "score", path, setting.text("valid"),
                     str(SENTENCES)]).output.split())


def use_torch(setting, path, prefix):
    said = json.loads(run([*prefix, setting.torch, PEER, "score", path, setting.text("valid"),
                           str(SENTENCES), str(THREADS)]).output)
    return Use(said["logprob"], said["tokens"], said["batch_s"], said["alone_s"],
               said["generated_s"])


def ask(connection, route, body):
    """The answer, and the seconds until it was there."""
    text = json.dumps(body)
    started = time.monotonic()
    connection.request("POST", route, text, {"Content-Type": "application/json"})
    answer = connection.getresponse().read()
    return json.loads(answer), time.monotonic() - started


def use_http(setting, path):
    with open(setting.text("valid"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip()][:SENTENCES]
    store = setting.path("neural.db")
    run([setting.firthd, "import", "--store", store, "--model", "m", "--replace", path])
    server, url = start([setting.firthd, "serve", "--store", store, "--listen", "127.0.0.1:0",
                         "--log-level", "error"])
    try:
        connection = http.client.HTTPConnection(url.split("//")[1].rstrip("/"))
        batches = [ask(connection, "/score", {"model": "m", "inputs": lines}) for _ in range(3)]
        alone = [ask(connection, "/score", {"model": "m", "inputs": line})[1]
                 for line in lines[:ALONE]]
        drawn, seconds = 0, 0
        for seed in range(1, 21):
            answer, spent = ask(connection, "/generate", {"model": "m", "prompt": "",
                                                          "max_tokens": 50, "seed": seed})
            drawn, seconds = drawn + answer["usage"]["completion_tokens"] + 1, seconds + spent
        total = batches[0][0]["total"]
        return Use(total["logprob"], total["tokens_scored"], min(one[1] for one in batches),
                   statistics.median(alone), drawn / seconds)
    finally:
        stop(server)


def using(setting):
    full, adaptive = make_model(setting, "full"), make_model(setting, "adaptive")
    calls = {"Firth": lambda: use_library(setting, full),
             "Firth by HTTP": lambda: use_http(setting, full),
             "Firth, adaptive": lambda: use_library(setting, adaptive)}
    for name, prefix in setting.peers.items():
        calls[name] = lambda p=prefix: use_torch(setting, full, p)
    uses = {name: Use.best(done) for name, done in in_turn(1, **calls).items()}
    rows = []
    for name, use in uses.items():
        rows.append([name, f"{use.batch:.2f}", f"{use.tokens / use.batch:.0f}",
                     *(ratio(uses[peer].batch, use.batch) for peer in setting.peers),
                     f"{use.alone * 1e3:.2f}", f"{use.generated:.0f}", f"{use.logprob:.1f}"])
    table(f"Using an LSTM 2 × 200, tied: {SENTENCES} sentences of wiki-2m, one, words drawn",
          ["program", f"s for {SENTENCES}", "tokens/s",
           *("against " + peer for peer in setting.peers), "ms for one, median",
           "tokens/s drawn", "log-probability"], rows)


def measure(work):
    if not os.environ.get("DATA"):
        return
    setting = Setting(work)
    turns = int(os.environ.get("RUNS", "2"))
    training(setting, turns)
    using(setting)
