# SPDX-License-Identifier: MIT
"""Firth's recurrent models in PyTorch: the peer of part_neural.py and of the quality test
test_parity.py. Run by a Python that has torch (Debian's python3-torch):

    peer_torch.py train TEXT KIND SIZE LAYERS TIED SECONDS THREADS
        learns for so long after two steps to warm up; prints tokens a second
    peer_torch.py score MODEL TEXT LINES THREADS
        the lines' log-probability and the times a person would measure: all lines in
        batches, one line alone, words drawn one after another
    peer_torch.py parity MODEL TEXT VALID TOKENS RATE CLIP
        goes on from Firth's model file with the batches that Firth would see, by plain
        SGD; prints the validation perplexity

A model file's vocabulary and tensors are read as artefact.h describes them. Texts are
tokens between spaces.
"""
import json
import math
import statistics
import struct
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

ROWS, STEPS, CLIP = 20, 35, 0.25
EOS = 2
WARM_UP = 2


# ---- Firth's model file ----

class ModelFile:
    """The sections of a model file by name: bytes, or arrays of float32."""

    def __init__(self, path):
        data = numpy.fromfile(path, numpy.uint8)
        table, count = struct.unpack("<QQ", data[-28:-12].tobytes())
        self.sections = {}
        for i in range(count):
            row = data[table + 96 * i:table + 96 * (i + 1)].tobytes()
            name = row[:32].rstrip(b"\0").decode()
            kind, rank = struct.unpack("<II", row[32:40])
            shape = struct.unpack("<4Q", row[40:72])[:rank]
            offset, size = struct.unpack("<QQ", row[72:88])
            part = data[offset:offset + size]
            self.sections[name] = part.view("<f4").reshape(shape) if kind == 3 else part.tobytes()
        lines = self.sections["spec"].decode().splitlines()
        self.spec = dict(line.partition(" ")[::2] for line in lines)

    def param(self, name):
        return self.spec.get("params." + name, self.spec.get("defaults." + name))

    def words(self):
        """All words in the order of their ids."""
        part = self.sections["vocab"]
        size, = struct.unpack("<I", part[8:12])
        at = 24 + 8 * size
        offsets = numpy.frombuffer(part[at:at + 8 * (size + 1)], "<u8")
        arena = part[at + 8 * (size + 1):]
        return [arena[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]

    def tensor(self, name):
        return torch.from_numpy(self.sections[name].copy())


def read_lines(path, ids):
    """The ids of each line's words; unknown ones are <unk>, 0."""
    with open(path, encoding="utf-8") as file:
        lines = [[ids.get(word, 0) for word in line.split()] for line in file]
    return [line for line in lines if line]


def read_new(path):
    """A text in ids of its own vocabulary, each line followed by </s>; how many there are."""
    stream, words = [], {"<unk>": 0, "<s>": 1, "</s>": EOS}
    with open(path, encoding="utf-8") as file:
        for line in file:
            stream += [words.setdefault(word, len(words)) for word in line.split()] + [EOS]
    return stream, len(words)


# ---- the model ----

class Network(nn.Module):
    def __init__(self, kind, vocab, size, hidden, layers, tied):
        super().__init__()
        self.words = nn.Embedding(vocab, size)
        self.cells = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind](size, hidden, layers)
        self.weights = self.words.weight if tied else nn.Parameter(torch.empty(vocab, hidden))
        self.bias = nn.Parameter(torch.zeros(vocab))
        if not tied:
            nn.init.uniform_(self.weights, -0.1, 0.1)

    def hidden(self, ids, state=None):
        return self.cells(self.words(ids), state)

    def logits(self, hidden):
        return functional.linear(hidden, self.weights, self.bias)


def from_file(file):
    """The network of an LSTM's model file. Firth's gates have one bias, in PyTorch's order
    (i, f, g, o); PyTorch's second one is zero and learns nothing."""
    assert file.spec["kind"] == "lstm", file.spec["kind"]
    table, tied = file.tensor("embedding"), file.param("tied") == "true"
    layers = int(file.param("layers"))
    network = Network("lstm", *table.shape, int(file.param("hidden_size")), layers, tied)
    with torch.no_grad():
        network.words.weight.copy_(table)
        network.bias.copy_(file.tensor("output_bias").flatten())
        if not tied:
            network.weights.copy_(file.tensor("output"))
        for layer in range(layers):
            for ours, theirs in (("input_weights", "weight_ih"), ("bias", "bias_ih"),
                                 ("recurrent_weights", "weight_hh")):
                value = file.tensor(f"layer{layer + 1}.{ours}")
                to = getattr(network.cells, f"{theirs}_l{layer}")
                to.copy_(value.view(to.shape))
            second = getattr(network.cells, f"bias_hh_l{layer}")
            second.zero_().requires_grad_(False)
    return network


def detach(state):
    return state.detach() if torch.is_tensor(state) else tuple(part.detach() for part in state)


def learn(network, descent, given, wanted, state, clip):
    """One step of truncated back-propagation through time; the state to go on with."""
    hidden, state = network.hidden(given, state)
    logits = network.logits(hidden).view(-1, network.bias.numel())
    loss = functional.cross_entropy(logits, wanted.reshape(-1))
    descent.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(descent.param_groups[0]["params"], clip)
    descent.step()
    return detach(state)


def descent_of(network, rate):
    return torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=rate)


# ---- speed of training ----

def train(path, kind, size, layers, tied, seconds, threads):
    torch.manual_seed(1)
    torch.set_num_threads(int(threads))
    stream, vocab = read_new(path)
    text = torch.tensor(stream[:len(stream) // ROWS * ROWS]).view(ROWS, -1).t().contiguous()
    network = Network(kind, vocab, int(size), int(size), int(layers), tied == "true")
    descent = descent_of(network, 1.0)
    state, step, started = None, 0, 0
    while step <= WARM_UP or time.monotonic() - started < float(seconds):
        if step == WARM_UP:
            started = time.monotonic()
        at = step * STEPS % (len(text) - STEPS - 1)
        state = learn(network, descent, text[at:at + STEPS], text[at + 1:at + STEPS + 1], state,
                      CLIP)
        step += 1
    spent = time.monotonic() - started
    print(f"{(step - WARM_UP) * ROWS * STEPS / spent:.1f}")


# ---- scoring ----

TOKENS_A_BATCH = 2048


def batches_of(lines):
    """Lines of like length together, padded, at most TOKENS_A_BATCH positions in a batch."""
    order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
    batch = []
    for i in order:
        if batch and (len(lines[i]) + 1) * (len(batch) + 1) > TOKENS_A_BATCH:
            yield batch
            batch = []
        batch.append(i)
    yield batch


def score_batch(network, lines):
    """Log-probabilities of lines, each with its </s>, from </s> on. The output layer sees the
    real positions only, not the padding."""
    longest = max(map(len, lines)) + 1
    given = torch.full((longest, len(lines)), EOS)
    wanted = torch.full((longest, len(lines)), -1)
    for column, line in enumerate(lines):
        both = torch.tensor([EOS, *line, EOS])
        given[:len(line) + 1, column] = both[:-1]
        wanted[:len(line) + 1, column] = both[1:]
    hidden, _ = network.hidden(given)
    real = wanted >= 0
    logits = network.logits(hidden[real])
    logprobs = torch.zeros(wanted.shape)
    logprobs[real] = -functional.cross_entropy(logits, wanted[real], reduction="none")
    return logprobs.sum(0)


def score_all(network, lines):
    """The sum of all log-probabilities in double precision, and the tokens."""
    total = 0.0
    for batch in batches_of(lines):
        total += score_batch(network, [lines[i] for i in batch]).double().sum().item()
    return total, sum(len(line) + 1 for line in lines)


def timed(call):
    started = time.monotonic()
    call()
    return time.monotonic() - started


def draw(network, count):
    token, state = torch.tensor([[EOS]]), None
    for _ in range(count):
        hidden, state = network.hidden(token, state)
        logits = network.logits(hidden[0, 0])
        logits[:2] = -math.inf
        token = torch.multinomial(torch.softmax(logits, -1), 1).view(1, 1)


def score(path, text, count, threads):
    torch.manual_seed(1)
    torch.set_num_threads(int(threads))
    file = ModelFile(path)
    network = from_file(file).eval()
    ids = {word: i for i, word in enumerate(file.words())}
    lines = read_lines(text, ids)[:int(count)]
    with torch.inference_mode():
        logprob, tokens = score_all(network, lines)
        batch = min(timed(lambda: score_all(network, lines)) for _ in range(2))
        alone = [timed(lambda line=line: score_batch(network, [line])) for line in lines[:100]]
        draw(network, 10)
        drawn = timed(lambda: draw(network, 200))
    print(json.dumps({"logprob": logprob, "tokens": tokens, "batch_s": batch,
                      "alone_s": statistics.median(alone), "generated_s": 200 / drawn}))


# ---- parity ----

class Random:
    """base/random.h: xoshiro256**, seeded through splitmix64."""

    MASK = (1 << 64) - 1

    def __init__(self, seed, stream):
        _, mixed = self.split(stream)
        at, self.state = seed ^ mixed, []
        for _ in range(4):
            at, number = self.split(at)
            self.state.append(number)

    @classmethod
    def split(cls, at):
        at = (at + 0x9e3779b97f4a7c15) & cls.MASK
        z = ((at ^ (at >> 30)) * 0xbf58476d1ce4e5b9) & cls.MASK
        z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & cls.MASK
        return at, z ^ (z >> 31)

    @classmethod
    def rotate(cls, x, bits):
        return ((x << bits) | (x >> (64 - bits))) & cls.MASK

    def uniform(self):
        s = self.state
        result = self.rotate(s[1] * 5 & self.MASK, 7) * 9 & self.MASK
        shifted = s[1] << 17 & self.MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = self.rotate(s[3], 45)
        return (result >> 11) * 2.0 ** -53


class Batches:
    """id_stream.c: as many places of the corpus as a batch has rows, side by side; a tenth of
    the chunks begin at a segment, with a zero state, where one is near."""

    FRESH = 0.1

    def __init__(self, stream, seed):
        self.ids = [EOS, *stream]
        self.count = len(stream)
        self.places = [self.count * row // ROWS for row in range(ROWS)]
        self.random = Random(seed, 2)

    def begin(self, at):
        """The next place within two chunks where a segment begins, or None."""
        for i in range(2 * STEPS):
            if self.ids[(at + i) % self.count] == EOS:
                return (at + i) % self.count
        return None

    def next(self):
        """Ids given and wanted, [STEPS, ROWS], and which rows begin anew."""
        given, wanted, fresh = [], [], []
        for row, at in enumerate(self.places):
            start = self.begin(at) if self.random.uniform() < self.FRESH else None
            fresh.append(start is not None)
            at = at if start is None else start
            places = [(at + t) % self.count for t in range(STEPS)]
            given.append([self.ids[place] for place in places])
            wanted.append([self.ids[place + 1] for place in places])
            self.places[row] = (at + STEPS) % self.count
        return torch.tensor(given).t(), torch.tensor(wanted).t(), torch.tensor(fresh)


def parity(path, text, valid, tokens, rate, clip):
    torch.set_num_threads(1)
    file = ModelFile(path)
    network = from_file(file)
    ids = {word: i for i, word in enumerate(file.words())}
    stream = [id for line in read_lines(text, ids) for id in [*line, EOS]]
    batches = Batches(stream, int(file.spec["seed"]))
    descent, done, state = descent_of(network, float(rate)), 0, None
    while done < float(tokens):
        given, wanted, fresh = batches.next()
        if state:
            state = tuple(part.masked_fill(fresh.view(1, -1, 1), 0) for part in state)
        state = learn(network, descent, given, wanted, state, float(clip))
        done += given.numel()
    with torch.inference_mode():
        logprob, count = score_all(network, read_lines(valid, ids))
    print(json.dumps({"tokens": done, "valid_tokens": count,
                      "perplexity": math.exp(-logprob / count)}))


if __name__ == "__main__":
    {"train": train, "score": score, "parity": parity}[sys.argv[1]](*sys.argv[2:])
