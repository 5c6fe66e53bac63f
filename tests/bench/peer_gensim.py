# SPDX-License-Identifier: MIT
"""gensim's side of part_vectors.py: milliseconds of most_similar, one query and each of 64,
and of what numpy alone can do for 64: one matrix product and a partial sort of each row.

usage: peer_gensim.py FILE     (word2vec-bin; two figures a line, tab-separated)"""
import sys
import time

import numpy
from gensim.models import KeyedVectors

K, BATCH, TIMES = 10, 64, 10


def least(call):
    best = 1e9
    for _ in range(TIMES):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best * 1e3


def main():
    vectors = KeyedVectors.load_word2vec_format(sys.argv[1], binary=True)
    words = vectors.index_to_key[100:100 + 50 * BATCH:50]
    vectors.most_similar(words[0], topn=K)
    rows = vectors.get_normed_vectors()
    queries = rows[[vectors.key_to_index[word] for word in words]]

    def product():
        scores = queries @ rows.T
        near = numpy.argpartition(scores, -K - 1, axis=1)[:, -K - 1:]
        taken = numpy.take_along_axis(scores, near, axis=1)
        return numpy.take_along_axis(near, numpy.argsort(-taken, axis=1), axis=1)
    one = least(lambda: vectors.most_similar(words[0], topn=K))
    batch = least(lambda: [vectors.most_similar(word, topn=K) for word in words]) / BATCH
    print(f"gensim most_similar, one query\t{one:.3f} ms")
    print(f"gensim most_similar, each of {BATCH}\t{batch:.3f} ms")
    print(f"numpy product and argpartition, each of {BATCH}\t{least(product) / BATCH:.4f} ms")


if __name__ == "__main__":
    main()
