#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Vectors go to gensim and come back, and both programs say the same about them: nearest
words, analogies, word pairs. fastText's files too, where FASTTEXT names the program.

    make quality DATA=/path/to/data GENSIM=/usr/bin/python3

GENSIM names a Python that has gensim (default: the first of python3 and /usr/bin/python3
that has); without DATA or gensim every test is skipped. The vectors are learned from the
first MEGABYTES (default 8) of wiki-20m.
"""
import functools
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness  # noqa: E402
from firth import FIRTHD, near, run  # noqa: E402

DATA = os.environ.get("DATA", "")
FASTTEXT = os.environ.get("FASTTEXT", "")
MEGABYTES = int(os.environ.get("MEGABYTES", "8"))
FORMATS = ("word2vec", "word2vec-bin", "glove")
K = 10

# What runs in the Python that has gensim: commands as JSON on standard input, answers out.
PEER = r'''
import json, sys, warnings
warnings.filterwarnings("ignore")
from gensim.models import KeyedVectors
def load(path, form):
    return KeyedVectors.load_word2vec_format(path, binary=form == "word2vec-bin",
                                             no_header=form == "glove")
ask = json.load(sys.stdin)
vectors = load(ask["path"], ask["form"])
answer = {"count": len(vectors), "dim": vectors.vector_size}
if "words" in ask:
    answer["near"] = [vectors.most_similar(word, topn=ask["k"]) for word in ask["words"]]
    answer["multiply"] = [vectors.most_similar_cosmul(positive=[b, c], negative=[a], topn=ask["k"])
                          for a, b, c in ask["triples"]]
if "questions" in ask:
    total, sections = vectors.evaluate_word_analogies(ask["questions"], restrict_vocab=30000,
                                                      case_insensitive=True)
    answer["analogies"] = {one["section"]: [len(one["correct"]), len(one["incorrect"])]
                           for one in sections}
if "pairs" in ask:
    _, spearman, unknown = vectors.evaluate_word_pairs(ask["pairs"], restrict_vocab=30000,
                                                       case_insensitive=True)
    answer["spearman"] = float(spearman[0])
if "save" in ask:
    for form, path in ask["save"].items():
        vectors.save_word2vec_format(path, binary=form == "word2vec-bin")
json.dump(answer, sys.stdout)
'''


@functools.lru_cache(None)
def python():
    """A Python with gensim, or None."""
    for program in (os.environ.get("GENSIM"), "python3", "/usr/bin/python3"):
        if program and subprocess.run([program, "-c", "import gensim"], capture_output=True,
                                      check=False).returncode == 0:
            return program
    return None


def gensim(path, form, **more):
    done = subprocess.run([python(), "-c", PEER], input=json.dumps({"path": path, "form": form, **more}),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@functools.lru_cache(None)
def workshop():
    """A folder with a text, and a store with vectors learned from it."""
    folder = tempfile.TemporaryDirectory(prefix="firth-gensim-")
    text = os.path.join(folder.name, "text")
    command = f"zstd -dqc '{DATA}/wiki-20m.txt.zst' | head -c {MEGABYTES}000000 >'{text}'"
    plain = os.path.join(DATA, "wiki-20m.txt")
    if os.path.exists(plain):
        command = f"head -c {MEGABYTES}000000 '{plain}' >'{text}'"
    subprocess.run(command, shell=True, check=True)
    with open(text, "rb+") as file:  # a character cut in two is cut off
        whole = file.read().rpartition(b"\n")[0] + b"\n"
        file.truncate(len(whole))
    store = os.path.join(folder.name, "s.db")
    with open(text, "rb") as file:
        subprocess.run([FIRTHD, "train", "--store", store, "--kind", "skipgram", "--model", "sg",
                        "--corpus", "-", "--valid", "0", "--unit", "whitespace", "--min-count",
                        "5", "--threads", "1", "--quiet"], stdin=file,
                       stdout=subprocess.DEVNULL, check=True)
    return folder, store, text


def path_of(name):
    return os.path.join(workshop()[0].name, name)


def export(model, form):
    path = path_of(f"{model}.{form}")
    with open(path, "wb") as file:
        subprocess.run([FIRTHD, "export", "--store", workshop()[1], "--model", model, "--format", form],
                       stdout=file, check=True)
    return path


def bring(path, form, model):
    run("import", "--store", workshop()[1], "--model", model, "--format", form, path)


def words():
    """The 300 most frequent of every hundredth word, from the exported file."""
    with open(export("sg", "word2vec"), encoding="utf-8") as file:
        every = [line.split(" ", 1)[0] for line in file][1:]
    return every[20::len(every) // 200]


def triples():
    some = words()
    return [tuple(some[i:i + 3]) for i in range(0, 60, 3)]


def ours(command, model, lines, *options):
    text = "\n".join(lines) + "\n"
    out, _ = run(command, "--store", workshop()[1], "--model", model, "--k", str(K), "--json", *options,
                 text=text)
    return [json.loads(line) for line in out.splitlines()]


def same_lists(mine, theirs, what):
    """Lists of (word, score) are the same, but for the order of equal scores."""
    assert len(mine) == len(theirs), (what, mine, theirs)
    for (word, score), (other, wanted) in zip(mine, theirs):
        near(score, wanted, 2e-5)
        if word != other:
            twins = [w for w, s in theirs if abs(s - score) < 2e-5]
            assert word in twins or abs(score - theirs[-1][1]) < 2e-5, (what, word, other)


def compare(model, path, form):
    theirs = gensim(path, form, words=words(), triples=triples(), k=K)
    for word, wanted, row in zip(words(), theirs["near"], ours("neighbors", model, words())):
        same_lists([(one["word"], one["similarity"]) for one in row["neighbors"]], wanted, word)
    rows = ours("analogy", model, [" ".join(three) for three in triples()], "--method", "3cosmul")
    for three, wanted, row in zip(triples(), theirs["multiply"], rows):
        # gensim adds 0.000001 to what it divides by, Levy and Goldberg 0.001: so does Firth.
        mine = [(one["word"], one["similarity"]) for one in row["answers"]]
        assert len({word for word, _ in mine} & {word for word, _ in wanted}) >= K - 1, three
        for (_, score), (_, other) in zip(mine, wanted):
            near(score / other, 1, 0.02)
    return theirs


def test_gensim_reads_what_firth_writes():
    for form in FORMATS:
        theirs = compare("sg", export("sg", form), form)
        print(f"# {form}: {theirs['count']} vectors of {theirs['dim']}, "
              f"{len(words())} lists of neighbours are the same, {len(triples())} of 3CosMul nearly")


def test_firth_reads_what_gensim_writes():
    saved = {"word2vec": path_of("saved.txt"), "word2vec-bin": path_of("saved.bin")}
    gensim(export("sg", "word2vec-bin"), "word2vec-bin", save=saved)
    for form, path in saved.items():
        bring(path, form, "back-" + form)
        compare("back-" + form, path, form)
        for word, back, row in zip(words(), ours("neighbors", "back-" + form, words()),
                                   ours("neighbors", "sg", words())):
            same_lists(*([(one["word"], one["similarity"]) for one in answer["neighbors"]]
                         for answer in (back, row)), word)


def lower(source, name, separator=" "):
    """A lower-case copy of a file of words, as the text is."""
    with open(os.path.join(DATA, source), encoding="utf-8") as file, \
            open(path_of(name), "w", encoding="utf-8") as out:
        out.writelines(line if line.startswith(":") else separator.join(line.lower().split()) + "\n"
                       for line in file if line.strip())
    return path_of(name)


def test_analogies_are_counted_alike():
    questions = lower("questions-words.txt", "questions")
    theirs = gensim(export("sg", "word2vec-bin"), "word2vec-bin", questions=questions)["analogies"]
    out, _ = run("evaluate", "--store", workshop()[1], "--model", "sg", "--analogies", questions,
                 "--restrict-vocab", "30000", "--json")
    mine = json.loads(out)
    asked = right = 0
    for section in mine["sections"]:
        correct, incorrect = theirs[section["name"]]
        assert section["asked"] == correct + incorrect, (section, theirs[section["name"]])
        # Two answers as near as rounding tells may stand in either order.
        assert abs(section["right"] - correct) <= 1, (section, correct)
        asked += section["asked"]
        right += abs(section["right"] - correct)
    assert right <= 3, f"{right} of {asked} differ"
    print(f"# {mine['total']['right']} of {asked} analogies right, gensim "
          f"{theirs['Total accuracy'][0]}")


def test_word_pairs_are_ranked_alike():
    pairs = lower("wordsim/EN-WS-353-ALL.txt", "pairs", "\t")
    theirs = gensim(export("sg", "word2vec-bin"), "word2vec-bin", pairs=pairs)["spearman"]
    out, _ = run("evaluate", "--store", workshop()[1], "--model", "sg", "--word-pairs", pairs,
                 "--restrict-vocab", "30000", "--json")
    near(json.loads(out)["spearman"], theirs, 1e-4)


def test_firth_reads_what_fasttext_writes():
    if not FASTTEXT:
        print("# FASTTEXT names no program: its files are not compared")
        return
    subprocess.run([FASTTEXT, "skipgram", "-input", workshop()[2], "-output", path_of("ft"), "-dim",
                    "50", "-epoch", "1", "-minCount", "20", "-thread", "1", "-verbose", "0"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bring(path_of("ft.vec"), "word2vec", "ft")
    known = set(line.split(" ", 1)[0] for line in open(path_of("ft.vec"), encoding="utf-8"))
    some = [word for word in words() if word in known][:100]
    theirs = gensim(path_of("ft.vec"), "word2vec", words=some, triples=[], k=K)["near"]
    for word, wanted, row in zip(some, theirs, ours("neighbors", "ft", some)):
        same_lists([(one["word"], one["similarity"]) for one in row["neighbors"]], wanted, word)
    print(f"# fastText: {len(some)} lists of neighbours are the same")


if __name__ == "__main__":
    if DATA and python():
        harness.main()
    else:
        print("1..1\nok 1 - DATA names no folder, or there is no gensim # SKIP")
