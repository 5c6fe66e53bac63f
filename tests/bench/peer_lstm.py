# SPDX-License-Identifier: MIT
"""The LSTM of part_neural in PyTorch: peer_lstm.py TEXT SECONDS THREADS prints the steps done.

Two layers of 200 units, tied embeddings, 20 sequences of 35 steps, Adam, clipping at norm 1: the
same model and the same work a step as Firth's. Reading the text is not counted.
"""
import sys
import time

import torch
from torch import nn
from torch.nn import functional

SIZE, LAYERS, ROWS, STEPS, DROPOUT = 200, 2, 20, 35, 0.2


def read(path):
    ids, words = [], {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            for word in line.split() + ["</s>"]:
                ids.append(words.setdefault(word, len(words)))
    rows = torch.tensor(ids[:len(ids) // ROWS * ROWS]).view(ROWS, -1).t().contiguous()
    return rows, len(words)


def main():
    path, seconds, threads = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    text, vocab = read(path)
    words = nn.Embedding(vocab, SIZE)
    lstm = nn.LSTM(SIZE, SIZE, LAYERS, dropout=DROPOUT)
    bias = nn.Parameter(torch.zeros(vocab))
    parameters = [*words.parameters(), *lstm.parameters(), bias]
    adam = torch.optim.Adam(parameters, lr=0.002)
    state, steps, at, started = None, 0, 0, time.monotonic()
    while time.monotonic() - started < seconds:
        if at + STEPS + 1 > len(text):
            at = 0
        given, wanted = text[at:at + STEPS], text[at + 1:at + STEPS + 1]
        hidden, state = lstm(functional.dropout(words(given), DROPOUT), state)
        state = tuple(part.detach() for part in state)
        hidden = functional.dropout(hidden, DROPOUT).view(-1, SIZE)
        loss = functional.cross_entropy(functional.linear(hidden, words.weight, bias),
                                        wanted.reshape(-1))
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1)
        adam.step()
        steps, at = steps + 1, at + STEPS
    print(f"steps\t{steps}")


if __name__ == "__main__":
    main()
