#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the neural models are for: words that are used alike are understood alike. In a
generated corpus the cat gets squashed in the garden on Friday, and so do its companions,
each in its own way; the dog, flattened, the yard and Monday occur in the same company
everywhere else, but never in such a sentence. A table of counts knows that it has never
seen the dog get flattened in the yard on Monday; a network that learned the words'
likeness finds it a hundred times as likely and more.

    make check, make quality
"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness  # noqa: E402
from firth import FIRTHD  # noqa: E402

# Of each kind: those that occur in the pattern, and their like, which do not.
WORDS = {"animal": (["cat", "mouse", "goat"], ["dog", "rabbit", "pony"]),
         "done": (["squashed", "bitten", "chased"], ["flattened", "stung", "hunted"]),
         "place": (["garden", "kitchen", "field"], ["yard", "cellar", "meadow"]),
         "day": (["Friday", "Sunday", "Tuesday"], ["Monday", "Saturday", "Thursday"])}
PATTERN = "the {animal} got {done} in the {place} on {day}"
# Contexts in which all of a kind occur alike.
ALIKE = {"animal": ["we saw a {animal} near the river", "my {animal} likes milk and bread",
                    "every {animal} sleeps when it rains", "she fed the {animal} in the morning",
                    "the {animal} ran away from the noise", "he bought a {animal} at the market"],
         "done": ["the fly was {done} by a boy", "they were {done} last year",
                  "nobody likes to be {done} at all", "the thief has been {done} again",
                  "he nearly was {done} by them"],
         "place": ["the {place} behind the house is cold", "she waits in the {place} every evening",
                   "we cleaned the whole {place} together", "their {place} looks empty now",
                   "he went to the {place} with a lamp"],
         "day": ["the shop opens on {day} at noon", "it rained all {day} long",
                 "{day} is the day of the market", "see you next {day} then",
                 "they came home on {day} evening"]}
SENTENCES, PATTERN_SHARE = 5000, 0.2
NPLM = {"context": 4, "embedding_size": 20, "hidden_size": 20, "tied": True, "dropout": 0.1,
        "batch_size": 32, "learning_rate": 0.005}
FACTOR = 100


def corpus(source):
    """The lines: one in five is the pattern."""
    lines = []
    for _ in range(SENTENCES):
        if source.random() < PATTERN_SHARE:
            lines.append(PATTERN.format(**{kind: source.choice(words[0])
                                           for kind, words in WORDS.items()}))
        else:
            kind = source.choice(list(WORDS))
            lines.append(source.choice(ALIKE[kind]).format(
                **{kind: source.choice(WORDS[kind][0] + WORDS[kind][1])}))
    return "\n".join(lines) + "\n"


def train(folder, kind, text, epochs, **params):
    path = os.path.join(folder, kind)
    subprocess.run([FIRTHD, "train", "--model-file", path, "--kind", kind, "--corpus", "-",
                    "--valid", "0", "--unit", "whitespace", "--seed", "1", "--quiet",
                    "--threads", "1", "--epochs", str(epochs),
                    *(word for name, value in params.items()
                      for word in ("--param", f"{name}={json.dumps(value).strip(chr(34))}"))],
                   input=text, text=True, stdout=subprocess.DEVNULL, check=True)
    return path


def logprobs(path, lines):
    done = subprocess.run([FIRTHD, "score", "--model-file", path, "--json"],
                          input="\n".join(lines) + "\n", capture_output=True, text=True,
                          check=True)
    return [json.loads(line)["logprob"] for line in done.stdout.splitlines()]


def test_the_dog_is_flattened_like_the_cat():
    source = random.Random(2003)
    text = corpus(source)
    # Every word takes part once for each place it has in its list: nine unseen sentences.
    unseen = [PATTERN.format(**{kind: words[1][(i + j * n) % 3]
                                for n, (kind, words) in enumerate(WORDS.items())})
              for i in range(3) for j in range(3)]
    assert unseen[0] == "the dog got flattened in the yard on Monday", unseen[0]
    nonsense = [" ".join(reversed(line.split())) for line in unseen]
    with tempfile.TemporaryDirectory() as folder:
        counted = train(folder, "ngram", text, 0, order=5)
        learned = train(folder, "nplm", text, 12, **NPLM)
        counts, network = logprobs(counted, unseen), logprobs(learned, unseen)
        for line, count, net in zip(unseen, counts, network):
            print(f"# {line}: {math.exp(net):.2g} by NPLM, {math.exp(count):.2g} by "
                  f"Kneser-Ney, {math.exp(net - count):.0f} times")
        factors = [net - count for net, count in zip(network, counts)]
        worst = min(factors)
        assert worst > math.log(FACTOR), f"only {math.exp(worst):.3g} times as likely"
        # It is likeness that helps, not that everything is likely.
        assert min(network) > max(logprobs(learned, nonsense)) + math.log(FACTOR)


if __name__ == "__main__":
    harness.main()
