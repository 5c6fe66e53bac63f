#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Firth beside its peers, in turn, in one run, and prints Markdown tables.

usage: make bench                       with, in the environment:
  DATA=folder      the corpora (wiki-2m/ …); without it only what needs none is measured
  KENLM=folder     the programs lmplz, build_binary and query
  WORD2VEC=folder GLOVE=folder FASTTEXT=program GENSIM=python3   the peers of the word vectors
                   (GENSIM: a Python that has gensim and scikit-learn)
  SYNTHETIC=1000000x300   exact search and the index on random vectors, too (long)
  TORCH=python3    a Python that has PyTorch
  ONLY=ngram,http  some parts only
  RUNS=5           counted runs of each command (neural: turns, 2 unless given)

It decides nothing: read the ratios, and write them into RESULTS.md with the command.
"""
import importlib
import os
import platform
import sys
import tempfile

PARTS = ["ngram", "vectors", "neural", "http"]


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{len(models)} × {models[0] if models else platform.machine()}"


def main():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    only = [part for part in os.environ.get("ONLY", "").split(",") if part] or PARTS
    print(f"# {machine()}, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="firth-bench-") as work:
        for part in only:
            importlib.import_module("part_" + part).measure(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
