#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lays out one answer of the server for reading. usage: show.py VIEW < answer.json

The views `context`, `sentence` and `word` read the demo's text instead and choose something from it
to ask about, `table` reads comma-separated values; `state MODEL` prints the state of the newest job of
MODEL in a list, `newest` the first id of a list, `company` a word and its neighbours as a JSON array.
"""
import collections
import csv
import json
import math
import re
import sys


def corpus(answer):
    print(f"  {answer['name']}: {answer['bytes']} bytes, {answer['lines']} lines, "
          f"sha256 {answer['sha256'][:16]}…")


def job(answer):
    arrow = "→ model" if answer["type"] == "train" else "model"
    what = answer["kind"] if answer["type"] == "train" else f"{answer['type']} of"
    print(f"  job {answer['id']}: {what} {arrow} {answer['model']}, {answer['state']}")


def model(answer):
    metrics = answer["metrics"]
    unit = "n-grams" if answer["kind"] == "ngram" else "parameters"
    perplexity = metrics.get("valid_perplexity", metrics.get("em_perplexity"))
    held_out = f", perplexity on held-out text {perplexity:.1f}" if perplexity else ""
    parts = answer["params"].get("models", [])
    weights = [f"{metrics[f'weight_{i}']:.2f} {part}" for i, part in enumerate(parts)]
    mixed = f" ({' + '.join(weights)})" if weights else ""
    print(f"  {answer['name']}: {answer['parameters']} {unit}, vocabulary "
          f"{answer['vocab_size']}{held_out}{mixed}")


def next_words(answer):
    for row in answer["predictions"]:
        bar = "█" * max(1, round(40 * row["prob"]))
        print(f"  {row['prob']:7.4f}  {row['token']:<16} {bar}")
    print(f"  {answer['other_mass']:7.4f}  (all other words)   "
          f"entropy {answer['entropy_bits']:.2f} bits")


def score(answer):
    for result in answer["results"]:
        for token in result["tokens"]:
            note = "  unknown word" if token["oov"] else ""
            print(f"  {token['token']:<18} log p = {token['logprob']:8.3f}   "
                  f"p = {math.exp(token['logprob']):.5f}   order {token['order']}{note}")
        print(f"  sum {result['logprob']:.3f} over {result['tokens_scored']} tokens: "
              f"perplexity {result['perplexity']:.1f}")


def generate(answer):
    for output in answer["outputs"]:
        print(f"  {answer['model']}: {output['text']}")


def rescore(answer):
    for row in sorted(answer["candidates"], key=lambda row: row["rank"]):
        print(f"  candidate {row['index']}: channel {row['channel_logprob']:7.2f} + language "
              f"{row['lm_logprob']:8.2f} = {row['score']:8.2f}   posterior {row['posterior']:.6f}")
    print(f"  best: candidate {answer['best']}")


def vectors(answer):
    dim = answer["params"]["dim"]
    print(f"  {answer['name']}: vectors of {answer['parameters'] // dim} words, "
          f"{dim} numbers each")


def neighbors(answer):
    for row in answer["results"][0]["neighbors"]:
        bar = "█" * max(0, round(40 * row["similarity"]))
        print(f"  {row['similarity']:7.4f}  {row['word']:<16} {bar}")


def analogy(answer):
    """One line: hit, miss or unknown."""
    a, b, c, wanted = sys.argv[2:6]
    question = f"{a} : {b} = {c} : ?"
    if answer.get("code") == "unknown_words":
        words = [row["detail"].split('"')[1] for row in answer["errors"]]
        print(f"  unknown  {question:<38} too rare in the text: {', '.join(words)}")
        return
    words = [row["word"] for row in answer["results"][0]["answers"]]
    hit = words and words[0].lower() == wanted.lower()
    print(f"  {'hit' if hit else 'miss':<8} {question:<38} {', '.join(words)}"
          + ("" if hit else f"   (wanted: {wanted})"))


def company(answer):
    result = answer["results"][0]
    print(json.dumps([result["query"], *(row["word"] for row in result["neighbors"])],
                     ensure_ascii=False, separators=(",", ":")))


def table(lines):
    rows = list(csv.reader(lines))
    print("  " + rows[0][0].ljust(16) + "".join(name.rjust(10) for name in rows[0][1:]))
    for word, *place in rows[1:]:
        print(f"  {word:<16}" + "".join(f"{float(number):10.4f}" for number in place))


def newest(answer):
    print(answer["first_id"])


def state(answer):
    states = [row["state"] for row in answer["data"] if row["model"] == sys.argv[2]]
    print(states[0] if states else "unknown")


def plain_sentences(lines):
    """Lower-cased runs of plain words, as a person would type them."""
    for line in lines:
        for sentence in re.split(r"(?<=[.!?])\s+", line):
            words = re.findall(r"[a-z]+", sentence.lower())
            if len(words) >= 6 and re.fullmatch(r"[A-Za-z ,]+[.!?]", sentence):
                yield words


def context(lines):
    counts = collections.Counter()
    followers = collections.defaultdict(set)
    for words in plain_sentences(lines):
        for a, b, c, d in zip(words, words[1:], words[2:], words[3:]):
            counts[a, b, c] += 1
            followers[a, b, c].add(d)
    open_ended = [gram for gram in counts if len(followers[gram]) >= 8]
    best = max(open_ended or counts or [("the",)], key=lambda gram: counts[gram])
    print(" ".join(best))


COMMON = set("""about above after again against although because before being below between
could different during either every first following given might often other rather should since
still their there therefore these thing things those through under until where whether which while
within without would""".split())


def word(lines):
    """A frequent word with a meaning of its own."""
    counts = collections.Counter(
        word for line in lines for word in re.findall(r"[a-z]{5,}", line.lower()))
    print(next((word for word, _ in counts.most_common(200) if word not in COMMON), "the"))


def sentence(lines):
    candidates = [words for words in plain_sentences(lines) if len(words) in range(7, 12)]
    middle = sorted(candidates)[len(candidates) // 2] if candidates else ["hello", "world"]
    print(" ".join(middle))


def main():
    view = sys.argv[1]
    if view in ("context", "sentence", "word"):
        {"context": context, "sentence": sentence, "word": word}[view](sys.stdin)
        return 0
    text = sys.stdin.read()
    if view == "table" and not text.startswith("{"):
        table(text.splitlines())
        return 0
    answer = json.loads(text) if text else {}
    if view == "analogy" and answer.get("code") == "unknown_words":
        analogy(answer)
        return 0
    if "status" in answer and "title" in answer:
        print(f"  {answer['status']} {answer['title']}: {answer.get('detail', '')}")
        return 1
    views = {"corpus": corpus, "job": job, "model": model, "next": next_words, "score": score,
             "generate": generate, "rescore": rescore, "state": state,
             "vectors": vectors, "neighbors": neighbors, "analogy": analogy,
             "company": company, "newest": newest}
    views[view](answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
