# SPDX-License-Identifier: MIT
"""Word vectors beside word2vec, fastText and the GloVe tools: training time, analogies and
word pairs; then search, the index and maps. Needs DATA with wiki-20m.txt unpacked (or
.zst, which is unpacked); WORD2VEC and GLOVE name the folders of the peers' programs,
FASTTEXT the program, GENSIM a Python that has gensim and scikit-learn. SYNTHETIC=1000000x300
also measures exact search and the index on so many random vectors (minutes to hours of
building)."""
import os
import subprocess

from measure import Run, ratio, run, show, table

FIELDS = ["semantic", "syntactic", "total", "WS-353", "SimLex", "MEN"]


class Setting:
    def __init__(self, work):
        self.firthd = os.environ["FIRTHD"]
        self.bench = os.path.join(os.path.dirname(os.path.abspath(self.firthd)),
                                  "tests", "bench", "bench_vectors")
        self.data = os.environ.get("DATA")
        self.work = work
        self.text = os.path.join(work, "wiki-20m.txt")

    def path(self, name):
        return os.path.join(self.work, name)

    def unpack(self):
        plain = os.path.join(self.data, "wiki-20m.txt")
        if os.path.exists(plain):
            self.text = plain
        else:
            subprocess.run(["zstd", "-dqf", plain + ".zst", "-o", self.text], check=True)


def accuracy(setting, kind, path):
    return run([setting.bench, "accuracy", kind, path, setting.data]).output.split()


def ours(setting, kind, *parameters):
    more = [word for one in parameters for word in ("--param", one)]
    command = [setting.firthd, "train", "--store", setting.path("vectors.db"), "--kind", kind,
               "--model", kind, "--corpus", "-", "--valid", "0", "--replace", "--unit",
               "whitespace", "--segment", "line", "--min-count", "5", *more]
    done = run(command, stdin=setting.text)
    run([setting.firthd, "export", "--store", setting.path("vectors.db"), "--model", kind,
         "--format", "checkpoint"], stdout=setting.path(kind + ".model"))
    return done, accuracy(setting, "model", setting.path(kind + ".model"))


def word2vec(setting):
    program = os.path.join(os.environ["WORD2VEC"], "word2vec")
    done = run([program, "-train", setting.text, "-output", setting.path("w2v"), "-size", "100",
                "-window", "5", "-negative", "5", "-sample", "1e-4", "-iter", "5",
                "-min-count", "5", "-threads", "2", "-binary", "1", "-debug", "0"])
    return done, accuracy(setting, "word2vec-bin", setting.path("w2v"))


def fasttext(setting):
    done = run([os.environ["FASTTEXT"], "skipgram", "-input", setting.text, "-output",
                setting.path("ft"), "-dim", "100", "-ws", "5", "-neg", "5", "-t", "1e-4",
                "-epoch", "5", "-minCount", "5", "-thread", "2", "-maxn", "0", "-verbose", "0"])
    return done, accuracy(setting, "word2vec", setting.path("ft.vec"))


def glove(setting):
    def tool(name, *words, source=None, target=None):
        return run([os.path.join(os.environ["GLOVE"], name), "-verbose", "0", *words],
                   stdin=source, stdout=setting.path(target) if target else None)
    vocab = ["-vocab-file", setting.path("vocab")]
    steps = [tool("vocab_count", "-min-count", "5", source=setting.text, target="vocab"),
             tool("cooccur", *vocab, "-window-size", "10", "-memory", "4",
                  source=setting.text, target="pairs"),
             tool("shuffle", "-memory", "4", source=setting.path("pairs"), target="shuffled"),
             tool("glove", *vocab, "-input-file", setting.path("shuffled"), "-save-file",
                  setting.path("glove"), "-threads", "2", "-x-max", "10", "-iter", "15",
                  "-vector-size", "100", "-binary", "0")]
    total = Run.__new__(Run)
    total.seconds = sum(one.seconds for one in steps)
    total.cpu = sum(one.cpu for one in steps)
    total.peak = max(one.peak for one in steps)
    return total, accuracy(setting, "glove", setting.path("glove.txt"))


def measure(work):
    setting = Setting(work)
    if not setting.data:
        print("\n(word vectors: set DATA)")
        return
    setting.unpack()
    show("firthd train --kind skipgram --unit whitespace --min-count 5 < wiki-20m.txt")
    rows = []
    first = {}
    for name, group, wanted, call in [
            ("Firth skip-gram", "sg", None, lambda: ours(setting, "skipgram")),
            ("word2vec", "sg", "WORD2VEC", lambda: word2vec(setting)),
            ("fastText", "sg", "FASTTEXT", lambda: fasttext(setting)),
            ("Firth GloVe", "glove", None, lambda: ours(setting, "glove", "x_max=10")),
            ("GloVe tools", "glove", "GLOVE", lambda: glove(setting)),
            ("Firth CBOW", "cbow", None, lambda: ours(setting, "cbow")),
            ("Firth SVD, PPMI", "svd", None, lambda: ours(setting, "svd", "weighting=ppmi"))]:
        if wanted and not os.environ.get(wanted):
            continue
        done, figures = call()
        first.setdefault(group, done.seconds)
        rows.append([name, f"{done.seconds:.1f}", f"{done.cpu:.1f}", f"{done.peak:.0f}",
                     ratio(done.seconds, first[group]), *figures])
    table("Word vectors, wiki-20m, 100 dimensions",
          ["trainer", "s", "processor s", "MiB", "of Firth's time", *FIELDS], rows)
    asking(setting)


def show_lines(title, *outputs):
    table(title, ["what", "time", ""],
          [(line.split("\t") + [""])[:3] for output in outputs for line in output.splitlines()])


def asking(setting):
    peer = ""
    if os.environ.get("GENSIM"):
        run([setting.firthd, "export", "--store", setting.path("vectors.db"), "--model", "skipgram",
             "--format", "word2vec-bin"], stdout=setting.path("skipgram.bin"))
        here = os.path.dirname(os.path.abspath(__file__))
        peer = "".join(run([os.environ["GENSIM"], os.path.join(here, script),
                            setting.path("skipgram.bin")]).output
                       for script in ("peer_gensim.py", "peer_sklearn.py"))
    show_lines("Asking them",
               run([setting.bench, "search", "model", setting.path("skipgram.model")]).output, peer)
    synthetic = os.environ.get("SYNTHETIC")
    if synthetic:
        count, dim = synthetic.split("x")
        show_lines(f"Asking {count} random vectors of {dim} numbers",
                   run([setting.bench, "synthetic", count, dim]).output)
