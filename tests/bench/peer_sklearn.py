# SPDX-License-Identifier: MIT
"""scikit-learn's side of part_vectors.py: t-SNE of the first 5000 vectors of a file with
the settings of bench_vectors: Barnes-Hut, PCA start, perplexity 30, 1000 iterations.

usage: peer_sklearn.py FILE     (word2vec-bin; one tab-separated line)"""
import sys
import time

from gensim.models import KeyedVectors
from sklearn.manifold import TSNE

MAPPED, ITERATIONS = 5000, 1000


def main():
    rows = KeyedVectors.load_word2vec_format(sys.argv[1], binary=True, limit=MAPPED).vectors
    started = time.perf_counter()
    fitted = TSNE(init="pca", perplexity=30, n_iter=ITERATIONS, n_jobs=2, random_state=1,
                  learning_rate="auto").fit(rows)
    print(f"scikit-learn t-SNE of {len(rows)} words, {fitted.n_iter_ + 1} iterations"
          f"\t{time.perf_counter() - started:.2f} s\tKL {fitted.kl_divergence_:.3f}")


if __name__ == "__main__":
    main()
