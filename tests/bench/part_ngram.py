# SPDX-License-Identifier: MIT
"""n-gram models beside KenLM: building, memory, size, scoring from text, perplexity."""
import os
import re

from measure import in_turn, median, ratio, run, show, table

ORDER = 5
PLAIN = "_UNK_"  # KenLM refuses a literal <unk> in its training text: give it another name


class Setting:
    def __init__(self, work):
        self.firthd = os.environ["FIRTHD"]
        self.data = os.environ.get("DATA")
        self.kenlm = os.environ.get("KENLM")
        self.runs = int(os.environ.get("RUNS", "5"))
        self.work = work

    def path(self, name):
        return os.path.join(self.work, name)

    def text(self, part):
        return os.path.join(self.data, "wiki-2m", part + ".txt")

    def peer(self, program, *arguments):
        return [os.path.join(self.kenlm, program), *arguments]


def peer_text(setting, part):
    path = setting.path(f"peer-{part}.txt")
    with open(setting.text(part), encoding="utf-8") as source, \
            open(path, "w", encoding="utf-8") as target:
        for line in source:
            target.write(line.replace("<unk>", PLAIN))
    return path


def train(setting, name, order, *more):
    return [setting.firthd, "train", "--store", setting.path("bench.db"), "--kind", "ngram",
            "--model", name, "--corpus", "-", "--valid", "0", "--replace",
            "--unit", "whitespace", "--segment", "line", "--param", f"order={order}", *more]


def score(setting, name):
    return [setting.firthd, "score", "--model-file", setting.path(name)]


def export(setting, name):
    run([setting.firthd, "export", "--store", setting.path("bench.db"), "--model", name,
         "--format", "checkpoint"], stdout=setting.path(name))


def total_perplexity(output):
    found = re.findall(r"perplexity[\"'=: \t]+([0-9.]+)", output)
    return float(found[-1]) if found else float("nan")


def build(setting):
    ours = train(setting, "m5", ORDER)
    calls = {"Firth": lambda: run(ours, stdin=setting.text("train"))}
    show("firthd train --kind ngram --param order=5 < train.txt")
    if setting.kenlm:
        text = peer_text(setting, "train")
        peer = setting.peer("lmplz", "-o", str(ORDER), "-S", "1G", "-T", setting.work)
        calls["lmplz"] = lambda: run(peer, stdin=text, stdout=setting.path("peer.arpa"))
        show("lmplz -o 5 -S 1G < train.txt > peer.arpa")
    runs = in_turn(setting.runs, **calls)
    rows = [[name, f"{median(done):.2f}", f"{median(done, 'cpu'):.2f}",
             f"{median(done, 'peak'):.0f}",
             ratio(median(runs.get("lmplz", done)), median(done))]
            for name, done in runs.items()]
    table("Building order 5", ["program", "wall s", "cpu s", "peak MiB", "speed against lmplz"], rows)
    run(train(setting, "m5c", ORDER, "--param", "compact=true"), stdin=setting.text("train"))
    for name in ("m5", "m5c"):
        export(setting, name)
    if setting.kenlm:
        arpa = setting.path("peer.arpa")
        run(setting.peer("build_binary", "-s", "probing", arpa, setting.path("peer.probing")))
        run(setting.peer("build_binary", "-s", "-q", "8", "-b", "8", "-a", "22", "trie", arpa,
                         setting.path("peer.trie")))


def scoring(setting):
    calls = {"Firth fast": lambda: run(score(setting, "m5") + ["--totals"], setting.text("train")),
             "Firth compact": lambda: run(score(setting, "m5c") + ["--totals"],
                                          setting.text("train"))}
    files = {"Firth fast": "m5", "Firth compact": "m5c"}
    peers = {"Firth fast": "KenLM probing", "Firth compact": "KenLM trie"}
    if setting.kenlm:
        text = setting.path("peer-train.txt")
        for name, file in (("KenLM probing", "peer.probing"), ("KenLM trie", "peer.trie")):
            command = setting.peer("query", "-v", "summary", setting.path(file))
            calls[name] = lambda command=command: run(command, stdin=text)
            files[name] = file
    show("firthd score --model-file MODEL --totals < train.txt")
    show("query -v summary MODEL < train.txt")
    runs = in_turn(setting.runs, **calls)
    rows = []
    for name, done in runs.items():
        peer = runs.get(peers.get(name, name), done)
        rows.append([name, f"{os.path.getsize(setting.path(files[name])) / 1e6:.1f}",
                     f"{median(done):.3f}", f"{median(done, 'cpu'):.3f}",
                     f"{median(done, 'peak'):.0f}", ratio(median(peer), median(done))])
    table("Scoring the training text, whole process",
          ["program", "model MB", "wall s", "cpu s", "peak MiB", "speed against the peer's form"], rows)


def perplexities(setting):
    known = {2: (226.96, 235.81), 3: (188.18, 195.57), 4: (182.69, 190.24), 5: (181.59, 189.11)}
    rows = []
    for order, (valid, test) in known.items():
        run(train(setting, f"p{order}", order), stdin=setting.text("train"))
        export(setting, f"p{order}")
        found = [total_perplexity(run(score(setting, f"p{order}") + ["--totals"],
                                      setting.text(part)).output) for part in ("valid", "test")]
        rows.append([order, f"{found[0]:.2f}", valid, f"{found[1]:.2f}", test,
                     f"{max(abs(found[0] / valid - 1), abs(found[1] / test - 1)) * 100:.4f} %"])
    table("Perplexity, modified Kneser-Ney",
          ["order", "valid", "KenLM", "test", "KenLM", "largest difference"], rows)


def measure(work):
    setting = Setting(work)
    if not setting.data:
        print("ngram: DATA names no folder of corpora; nothing measured")
        return
    build(setting)
    scoring(setting)
    perplexities(setting)
