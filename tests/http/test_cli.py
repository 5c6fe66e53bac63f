#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line: pipelines, the same numbers as over HTTP, exit statuses, messages."""
import json
import os
import re
import tempfile

import harness
from firth import TEXT, Firth, near, run

LINES = ["the cat sat on the log", "a dog saw the moon", "", "the dog"]
TRAIN = ["--kind", "ngram", "--unit", "whitespace", "--valid", "0", "--param", "order=3"]


class Store:
    """A folder with a trained store, and its path."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "t.db")
        run("train", "--store", self.path, "--model", "kn", *TRAIN, text=TEXT)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, command, *arguments, **more):
        return run(command, "--store", self.path, *arguments, **more)


def columns(text):
    return [line.split("\t") for line in text.splitlines()]


def test_help_comes_from_the_tables():
    text, _ = run("help")
    for command in ("serve", "train", "score", "next", "generate", "evaluate", "import",
                    "export", "check", "backup", "keys"):
        assert f"  {command} " in text, command
        page, _ = run(command, "--help")
        assert page.startswith(f"usage: firthd {command}"), page
        assert run("help", command)[0] == page
    assert "smoothing" in run("train", "--help")[0]
    assert "jobs_at_once" in run("serve", "--help")[0]
    assert run("version")[0].startswith("firthd ")


def test_wrong_usage_is_two():
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "none.db")
        for arguments in ((), ("scroe",), ("score", "--nothing"), ("score", "--k", "3"),
                          ("next", "--k", "many"), ("next", "--k"), ("score", "x"),
                          ("train", "--kind", "oracle", "--model", "m"),
                          ("train", "--kind", "ngram"), ("score", "--store", store),
                          ("train", *TRAIN, "--model", "Bad Name"),
                          ("train", *TRAIN, "--model", "m", "--param", "order=9"),
                          ("train", *TRAIN, "--model", "m", "--param", "nonsense=1"),
                          ("keys", "--store", store, "steal"), ("help", "nothing"),
                          ("score", "--model", "m", "--log-base", "3")):
            _, said = run(*arguments, status=2)
            assert said.strip(), arguments
        assert not os.path.exists(store)


def test_failures_are_one_and_say_what_to_do():
    with Store() as store:
        assert "no model 'other'" in store.run("score", "--model", "other", status=1)[1]
        missing = os.path.join(store.folder.name, "no.db")
        run("score", "--store", missing, "--model", "kn", status=1)
        assert not os.path.exists(missing)
        run("score", "--model-file", missing, status=1)
        _, said = store.run("train", "--model", "kn", *TRAIN, text=TEXT, status=1)
        assert "kn" in said, said
        _, said = store.run("train", "--model", "m", *TRAIN, text="", status=1)
        assert "corpus" in said.lower(), said
        garbage = os.path.join(store.folder.name, "garbage")
        with open(garbage, "wb") as file:
            file.write(b"not a model" * 100)
        run("score", "--model-file", garbage, status=1)
        run("check", "--store", garbage, status=1)


def test_bad_utf8_says_where():
    import subprocess
    from firth import FIRTHD
    with Store() as store:
        for command in (["score"], ["next"], ["evaluate"]):
            done = subprocess.run([FIRTHD, *command, "--store", store.path, "--model", "kn"],
                                  input=b"good line\nb\xffd\n", capture_output=True)
            assert done.returncode == 1 and (b"line 2" in done.stderr or
                                             b"byte" in done.stderr), done.stderr


def test_scores_are_those_of_http():
    with Firth() as firth:
        firth.put_corpus()
        firth.train("kn", params={"order": 3})
        served = firth.ok("POST", "/score", {"model": "kn", "inputs": LINES, "tokens": True})
        model = firth.get("/models/kn/export?format=checkpoint").body
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "kn.model")
        with open(path, "wb") as file:
            file.write(model)
        text = "".join(line + "\n" for line in LINES)
        out, said = run("score", "--model-file", path, "--json", "--tokens", text=text)
        lines = [json.loads(line) for line in out.splitlines()]
        for line, result in zip(lines, served["results"], strict=True):
            line.pop("id"), result.pop("id")
            assert line == result, (line, result)
        out, _ = run("score", "--model-file", path, text=text)
        for row, result in zip(columns(out), served["results"], strict=True):
            near(float(row[0]), result["logprob"], 1e-5)
            assert int(row[1]) == result["tokens_scored"]
            assert int(row[2]) == result["oov_count"]
        assert f"tokens {served['total']['tokens_scored']}" in said, said
        out, said = run("score", "--model-file", path, "--totals", "--quiet", text=text)
        near(float(columns(out)[0][0]), served["total"]["logprob"], 1e-5)
        assert said == ""


def test_training_is_that_of_http():
    with Firth() as firth, Store() as store:
        firth.put_corpus()
        firth.train("kn", params={"order": 3})
        served = firth.get("/models/kn/export?format=arpa")
        if served.status == 200:
            assert store.run("export", "--model", "kn", "--format", "arpa")[0].encode() \
                == served.body


def test_a_model_keeps_its_seed():
    with Store() as store:
        out, _ = store.run("train", "--kind", "svd", "--model", "svd", "--min-count", "1", "--seed",
                           "7", "--param", "dim=4", "--json", text=TEXT)
        assert json.loads(out)["seed"] == 7, out


def test_next_and_generate():
    with Store() as store:
        out, _ = store.run("next", "--model", "kn", "--k", "2", text="the cat\na\n")
        rows = columns(out)
        assert len(rows) == 2 and rows[0][0] == "sat" and len(rows[0]) == 4
        assert float(rows[0][1]) > float(rows[0][3])
        out, _ = store.run("next", "--model", "kn", "--k", "1", "--word", "dog", "--json",
                           text="the\n")
        answer = json.loads(out)
        assert answer["words"][0]["token"] == "dog" and answer["id"] == 1
        once = store.run("generate", "--model", "kn", "--seed", "3", "--n", "2",
                         text="the dog\na\n")[0]
        assert once == store.run("generate", "--model", "kn", "--seed", "3", "--n", "2",
                                 text="the dog\na\n")[0]
        assert len(once.splitlines()) == 4
        assert all(line.startswith("the dog") for line in once.splitlines()[:2])
        out, _ = store.run("generate", "--model", "kn", "--prompt", "the", "--json",
                           "--max-tokens", "3")
        assert len(json.loads(out)["output"]["tokens"]) <= 3


def test_evaluate():
    with Store() as store:
        rows = dict(columns(store.run("evaluate", "--model", "kn", text=TEXT)[0]))
        result = json.loads(store.run("evaluate", "--model", "kn", "--json", text=TEXT)[0])
        near(float(rows["perplexity"]), result["perplexity"], 1e-5)
        assert result["tokens_scored"] == 39 and result["segments"] == 5
        assert (rows["tokens_scored"], rows["segments"]) == ("39", "5"), rows
        total = json.loads(store.run("score", "--model", "kn", "--json", "--totals",
                                     text=TEXT)[0])
        near(total["perplexity"], result["perplexity"], 1e-5)
        in_order = ["--cache-size", "50", "--cache-weight", "0.2", "--json"]
        cached = json.loads(store.run("evaluate", "--model", "kn", *in_order, text=TEXT)[0])
        total = json.loads(store.run("score", "--model", "kn", "--totals", *in_order,
                                     text=TEXT)[0])
        near(total["perplexity"], cached["perplexity"], 1e-5)
        assert abs(cached["perplexity"] - result["perplexity"]) > 1e-3


def test_a_stored_corpus_and_a_mixture():
    with tempfile.TemporaryDirectory() as folder:
        with Firth(folder) as firth:
            firth.put_corpus(text=TEXT * 5)
            path = firth.store
        for order in ("1", "2"):
            run("train", "--store", path, "--kind", "ngram", "--model", f"m{order}",
                "--corpus", "book", "--param", f"order={order}")
        run("train", "--store", path, "--kind", "mixture", "--model", "mix", "--corpus", "book",
            "--param", "models=m1,m2")
        assert run("score", "--store", path, "--model", "mix", text="the cat\n")[0]
        run("train", "--store", path, "--kind", "mixture", "--model", "piped",
            "--param", "models=m1,m2", text=TEXT * 5)
        assert run("score", "--store", path, "--model", "piped", text="the cat\n")[0] == \
            run("score", "--store", path, "--model", "mix", text="the cat\n")[0]
        perplexities = []
        for more in ([], ["--param", "cache=true"]):
            out, _ = run("train", "--store", path, "--kind", "mixture", "--model", "c", "--param",
                         "models=m1,m2", "--replace", "--valid", "0", *more,
                         text="log log log log\n" * 20)
            perplexities.append(float(dict(columns(out))["em_perplexity"]))
        assert perplexities[1] < perplexities[0], perplexities
        _, said = run("train", "--store", path, *TRAIN, "--model", "x", "--corpus", "none",
                      status=1)
        assert "none" in said, said


def test_a_model_file_needs_no_store():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.model")
        run("train", "--model-file", path, *TRAIN, text=TEXT)
        one = run("score", "--model-file", path, text="the cat sat\n")[0]
        assert os.listdir(folder) == ["m.model"]
        with Store() as store:
            assert store.run("score", "--model", "kn", text="the cat sat\n")[0] == one
            store.run("import", "--model", "copy", path)
            assert store.run("score", "--model", "copy", text="the cat sat\n")[0] == one
            store.run("import", "--model", "copy", path, status=1)
            store.run("import", "--model", "copy", "--replace", path)
            again = os.path.join(folder, "again.model")
            store.run("export", "--model", "copy", again)
            with open(path, "rb") as a, open(again, "rb") as b:
                assert a.read() == b.read()


def test_a_file_to_measure_on_and_lines_of_progress():
    with tempfile.TemporaryDirectory() as folder:
        path, valid = os.path.join(folder, "m"), os.path.join(folder, "valid.txt")
        with open(valid, "w", encoding="utf-8") as file:
            file.write("the cat sat\nthe dog ran\n")
        out, err = run("train", "--model-file", path, "--kind", "nplm", "--valid-file", valid,
                       "--epochs", "2", "--min-count", "1", text="the cat sat on the mat\n" * 50)
        assert re.search(r"^valid_tokens\t8$", out, re.M), out
        assert len(re.findall(r"^epoch [12]\.00  step [0-9]+  valid_perplexity", err, re.M)) == 2, err
        run("train", "--model-file", path, "--kind", "nplm", "--valid-file", valid, "--valid", "0.1",
            text="a\n", status=2)


def test_a_mixture_of_model_files():
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("KN 3.model", "net", "mix", "other")]
        text = "the cat sat on the mat\nthe dog ran to the cat\n" * 30
        common = ("--valid", "0", "--min-count", "1", "--unit", "whitespace")
        run("train", "--model-file", paths[0], "--kind", "ngram", *common, text=text)
        run("train", "--model-file", paths[1], "--kind", "nplm", "--epochs", "1", *common, text=text)
        parts = ("--part", paths[0], "--part", paths[1])
        out, _ = run("train", "--model-file", paths[2], "--kind", "mixture", "--valid", "0", *parts,
                     text="the cat ran\n")
        weights = [float(value) for value in re.findall(r"^weight_[01]\t(.*)$", out, re.M)]
        near(sum(weights), 1, 1e-6)
        assert run("score", "--model-file", paths[2], text="the cat ran\n")[0]
        _, said = run("train", "--model", "m", "--kind", "mixture", *parts, text="a\n", status=2)
        assert "--param models" in said
        run("train", "--model-file", paths[3], "--kind", "nplm", "--epochs", "1", *common,
            text="the cow\n" * 9)
        _, said = run("train", "--model-file", paths[2], "--kind", "mixture", *parts[:3], paths[3],
                      text="the cat\n", status=1)
        assert "vocabulary of" in said and "same corpus" in said, said


def test_arpa_both_ways():
    with Store() as store:
        arpa = store.run("export", "--model", "kn", "--format", "arpa")[0]
        assert arpa.startswith("\\data\\")
        store.run("import", "--model", "back", "--format", "arpa", text=arpa)
        text = "".join(line + "\n" for line in LINES)
        for a, b in zip(columns(store.run("score", "--model", "kn", text=text)[0]),
                        columns(store.run("score", "--model", "back", text=text)[0])):
            near(float(a[0]), float(b[0]), 1e-5)
        _, said = store.run("import", "--model", "bad", "--format", "arpa",
                            text=arpa.replace("\\2-grams:", "\\7-grams:"), status=1)
        assert "line" in said, said


def test_a_served_store_is_left_alone():
    with Firth() as firth:
        firth.learned()
        _, said = run("score", "--store", firth.store, "--model", "bigram", status=1)
        assert "HTTP" in said, said
        copy = os.path.join(firth.folder.name, "copy.db")
        run("backup", "--store", firth.store, copy)
        _, said = run("backup", "--store", firth.store, copy, status=1)
        assert "exists" in said, said
        assert run("check", "--store", copy)[0].startswith("ok\t")
        text = "the dog saw the dog\n"
        near(float(columns(run("score", "--store", copy, "--model", "bigram", text=text)[0])[0][0]),
             firth.ok("POST", "/score", {"model": "bigram", "inputs": text.strip()})
             ["total"]["logprob"], 1e-5)


def test_keys_open_the_gate():
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "test.db")
        key = run("keys", "--store", store, "add", "--label", "tests",
                  "--scope", "read")[0].strip()
        row = columns(run("keys", "--store", store, "list")[0])[0]
        assert row[0] == key.split(".")[0] and row[1] == "read" and row[3] == "tests"
        listed = json.loads(run("keys", "--store", store, "--json", "list")[0])
        assert listed == {"id": row[0], "scopes": ["read"], "label": "tests",
                          "created_at": row[2]}, listed
        made = json.loads(run("keys", "--store", store, "add", "--json", "--scope",
                              "train,admin")[0])
        assert made["key"].split(".")[0] == made["id"] and made["scopes"] == ["train", "admin"]
        run("keys", "--store", store, "remove", made["id"])
        with Firth(folder) as firth:
            reply = firth.get("/models")
            assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer")
            bearer = [f"Authorization: Bearer {key}"]
            assert firth.get("/models", bearer).status == 200
            assert firth.get("/livez").status == 200
            harness.is_problem(firth.ask("PUT", "/corpora/x", b"text", bearer), 403)
        run("keys", "--store", store, "remove", row[0])
        run("keys", "--store", store, "remove", row[0], status=1)
        assert run("keys", "--store", store, "list")[0] == ""


if __name__ == "__main__":
    harness.main()
