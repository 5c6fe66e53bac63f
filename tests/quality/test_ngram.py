#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""n-gram models on real text: perplexities that KenLM gives, sums of probabilities under
every smoothing, ARPA files that read back the same. DATA names the folder of corpora;
without it every test is skipped.

    make quality DATA=/path/to/data
"""
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness  # noqa: E402
from firth import FIRTHD, Firth, near, run  # noqa: E402

DATA = os.environ.get("DATA", "")
# KenLM's lmplz and query, modified Kneser-Ney without pruning, <unk> an ordinary word.
KENLM = {2: (226.96, 235.81), 3: (188.18, 195.57), 4: (182.69, 190.24), 5: (181.59, 189.11)}
SMOOTHINGS = ["kneser-ney", "mle", "additive", "jelinek-mercer", "witten-bell", "katz"]
IRSTLM = "/usr/lib/irstlm/bin/compile-lm"


def text_path(part):
    return os.path.join(DATA, "wiki-2m", part + ".txt")


def text(part):
    with open(text_path(part), encoding="utf-8") as file:
        return file.read()


def train_file(folder, name, *params, source=None, options=()):
    path = os.path.join(folder, name)
    with open(source or text_path("train"), "rb") as corpus:
        subprocess.run([FIRTHD, "train", "--model-file", path, "--kind", "ngram", "--corpus", "-",
                        "--valid", "0", "--unit", "whitespace", "--quiet", *options,
                        *(word for param in params for word in ("--param", param))],
                       stdin=corpus, stdout=subprocess.DEVNULL, check=True)
    return path


def perplexity_of(path, part):
    with open(text_path(part), "rb") as corpus:
        done = subprocess.run([FIRTHD, "score", "--model-file", path, "--totals"], stdin=corpus,
                              capture_output=True, text=True, check=True)
    return float(re.search(r"perplexity ([0-9.]+)", done.stderr)[1])


def test_perplexities_are_kenlms_on_the_command_line():
    with tempfile.TemporaryDirectory() as folder:
        for order, known in KENLM.items():
            path = train_file(folder, f"order{order}", f"order={order}")
            for part, wanted in zip(("valid", "test"), known):
                near(perplexity_of(path, part) / wanted, 1, 1e-3)


def test_perplexities_are_kenlms_over_http():
    with Firth(json_bytes=16 << 20, json_tokens=1000000) as firth:
        firth.put_corpus("wiki", text("train"))
        lines = [line for line in text("test").split("\n") if line.strip()]
        for order, (_, wanted) in KENLM.items():
            job = firth.train(f"order{order}", "wiki", params={"order": order})
            assert job["state"] == "succeeded", job
            logprob = tokens = 0
            for start in range(0, len(lines), 5000):
                total = firth.ok("POST", "/score", {"model": f"order{order}",
                                                    "inputs": lines[start:start + 5000]})["total"]
                logprob += total["logprob"]
                tokens += total["tokens_scored"]
            near(2.718281828459045 ** (-logprob / tokens) / wanted, 1, 1e-3)


def test_next_words_sum_to_one_under_every_smoothing():
    words = text("valid").split()
    chance = random.Random(1)
    contexts = [" ".join(words[i:i + chance.randrange(5)])
                for i in (chance.randrange(len(words) - 5) for _ in range(100))]
    with Firth() as firth:
        firth.put_corpus("wiki", text("train"))
        for smoothing in SMOOTHINGS:
            for compact in (False, True):
                job = firth.train("m", "wiki", replace=True, valid=0.05,
                                  params={"order": 4, "smoothing": smoothing, "compact": compact},
                                  tokenizer={"unit": "whitespace", "max_vocab": 9000})
                assert job["state"] == "succeeded", job
                for context in contexts:
                    reply = firth.ok("POST", "/next", {"model": "m", "context": context,
                                                       "k": 10000})
                    total = sum(row["prob"] for row in reply["predictions"])
                    assert abs(total + reply["other_mass"] - 1) < 1e-6, (smoothing, context, total)
                    assert abs(reply["other_mass"]) < 1e-6, (smoothing, compact, context, reply["other_mass"])


def test_arpa_reads_back_the_same():
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "s.db")
        with open(text_path("train"), "rb") as corpus:
            subprocess.run([FIRTHD, "train", "--store", store, "--kind", "ngram", "--model", "a",
                            "--corpus", "-", "--valid", "0", "--unit", "whitespace", "--quiet"],
                           stdin=corpus, stdout=subprocess.DEVNULL, check=True)
        arpa = os.path.join(folder, "a.arpa")
        with open(arpa, "wb") as file:
            subprocess.run([FIRTHD, "export", "--store", store, "--model", "a", "--format",
                            "arpa"], stdout=file, check=True)
        with open(arpa, "rb") as file:
            subprocess.run([FIRTHD, "import", "--store", store, "--model", "b", "--format",
                            "arpa"], stdin=file, stdout=subprocess.DEVNULL, check=True)
        lines = "\n".join(text("valid").split("\n")[:500]) + "\n"
        scores = [run("score", "--store", store, "--model", model, "--quiet", text=lines)[0]
                  for model in ("a", "b")]
        for left, right in zip(*(score.splitlines() for score in scores)):
            a, b = left.split("\t"), right.split("\t")
            assert a[1] == b[1], (left, right)
            near(float(a[0]), float(b[0]), 1e-6 * max(1, int(a[1])))
        if os.path.exists(IRSTLM):
            compare_with_irstlm(folder, arpa, lines, scores[0])
        else:
            print("# irstlm is not installed: its reading of the file is not compared")


def compare_with_irstlm(folder, arpa, lines, ours):
    """compile-lm --eval scores a text of <s> … </s> lines; its total against ours. By default it
    takes another 7 off each <unk> for words it might stand for (--dub)."""
    path = os.path.join(folder, "eval.txt")
    with open(path, "w", encoding="utf-8") as file:
        for line in lines.splitlines():
            if line.strip():
                file.write(f"<s> {line.strip()} </s>\n")
    done = subprocess.run([IRSTLM, arpa, f"--eval={path}", "--dub=0"], capture_output=True, text=True,
                          check=False)
    found = re.search(r"Nw=(\d+).*?PP=([0-9.]+)", done.stdout + done.stderr, re.S)
    assert found, (done.stdout + done.stderr)[-500:]
    rows = [line.split("\t") for line in ours.splitlines()]
    logprob = sum(float(row[0]) for row in rows)
    tokens = sum(int(row[1]) for row in rows)
    print(f"# irstlm {found[0]!r}, ours {tokens} tokens, perplexity "
          f"{2.718281828459045 ** (-logprob / tokens):.4f}")
    assert int(found[1]) == tokens, (found[1], tokens)
    # Its perplexity has few digits: 1e-4 in log10 a token is a factor of 1.00023.
    near(2.718281828459045 ** (-logprob / tokens) / float(found[2]), 1, 2.3e-4)


if __name__ == "__main__":
    if DATA:
        harness.main()
    else:
        print("1..1\nok 1 - DATA names no folder of corpora # SKIP")
