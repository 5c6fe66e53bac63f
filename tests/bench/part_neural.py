# SPDX-License-Identifier: MIT
"""An LSTM's training beside PyTorch's: tokens a second, at one thread and at all, with each
output layer; PyTorch's is the full softmax.

Needs DATA; PyTorch is measured when TORCH names a Python that has it. Both learn for the
same time, from the same text with the same model (see peer_lstm.py); steps are counted.
Where OpenBLAS mistakes the processor, firthd corrects it by OPENBLAS_CORETYPE (GET /info tells):
set it for the whole run, so that a PyTorch on the same library gets the same kernels.
"""
import os
import re

from measure import in_turn, ratio, run, show, table

SECONDS, BATCH = 20, 20 * 35
MODEL = ["embedding_size=200", "hidden_size=200", "layers=2", "tied=true", "bptt=35",
         "batch_size=20", "dropout=0.2"]


def firthd(work, threads, softmax="full"):
    command = [os.environ["FIRTHD"], "train", "--model-file", os.path.join(work, "lstm"),
               "--kind", "lstm", "--unit", "whitespace", "--min-count", "1", "--max-vocab", "0",
               "--valid", "0", "--seconds", str(SECONDS), "--threads", str(threads), "--quiet"]
    for param in MODEL + ["softmax=" + softmax]:
        command += ["--param", param]
    return command


def steps_of(done):
    return int(re.search(r"^steps\s+([0-9]+)", done.output, re.M).group(1))


def measure(work):
    data, torch = os.environ.get("DATA"), os.environ.get("TORCH")
    if not data:
        return
    text = os.path.join(data, "wiki-2m", "train.txt")
    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_lstm.py")
    rows = []
    show(firthd("DIR", 1))
    for threads in sorted({1, os.cpu_count()}):
        calls = {"Firth" + ("" if kind == "full" else ", " + kind):
                     lambda n=threads, k=kind: run(firthd(work, n, k), stdin=text)
                 for kind in ("full", "adaptive", "sampled")}
        if torch:
            calls["PyTorch"] = lambda n=threads: run([torch, peer, text, str(SECONDS), str(n)])
        runs = in_turn(int(os.environ.get("RUNS", "5")), **calls)
        best = {name: max(map(steps_of, done)) for name, done in runs.items()}
        for name, done in runs.items():
            rows.append([name, threads, f"{best[name] * BATCH / SECONDS:.0f}",
                         f"{max(one.peak for one in done):.0f}",
                         ratio(best[name], best.get("PyTorch", 0))])
    table(f"LSTM 2 × 200, tied, batch {BATCH} tokens, {SECONDS} s (best run)",
          ["program", "threads", "tokens/s", "peak MiB", "against PyTorch"], rows)
