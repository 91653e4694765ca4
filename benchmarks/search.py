"""Measures searches of embeddings: `python benchmarks/search.py [--rows 1000000] [--methods exact usearch faiss-ivf]`.

Vectors are random around random centres, of length 1, in fp32; queries are made likewise. Recall@10 is the share of the
exact ten nearest that a method finds. A build is measured in CPU seconds, because other processes may run; queries one
at a time, as a person searches (median), and all together. usearch and faiss-cpu come from the package index.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from frozenvl.retrieval.nearest import nearest

TOP = 10
Search = Callable[[np.ndarray], np.ndarray]


def clustered(rows: int, dim: int, centres: np.ndarray, seed: int) -> np.ndarray:
    """Returns (rows, dim) vectors of length 1, each near one of the centres (n, dim)."""
    random = np.random.default_rng(seed)
    vectors = np.empty((rows, dim), np.float32)
    for start in range(0, rows, 50_000):
        piece = vectors[start : start + 50_000]
        piece[:] = centres[random.integers(0, len(centres), len(piece))]
        piece += random.standard_normal(piece.shape, np.float32)
        piece /= np.linalg.norm(piece, axis=1, keepdims=True)
    return vectors


def exact(vectors: np.ndarray) -> Search:
    return lambda queries: nearest(queries, vectors, TOP)[0]


def usearch(vectors: np.ndarray) -> Search:
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(vectors)), vectors)
    return lambda queries: np.atleast_2d(index.search(queries, TOP).keys)


def usearch_f16(vectors: np.ndarray) -> Search:
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16")
    index.add(np.arange(len(vectors)), vectors)
    return lambda queries: np.atleast_2d(index.search(queries, TOP).keys)


def faiss_hnsw(vectors: np.ndarray) -> Search:
    import faiss

    index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 128, 64  # usearch's defaults
    index.add(vectors)
    return lambda queries: index.search(queries, TOP)[1]


def faiss_ivf(vectors: np.ndarray) -> Search:
    import faiss

    lists = int(4 * len(vectors) ** 0.5)
    coarse = faiss.IndexFlatIP(vectors.shape[1])
    index = faiss.IndexIVFFlat(coarse, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid = 10, 64
    index.train(vectors[: 64 * lists])
    index.add(vectors)
    index.nprobe = 128
    return lambda queries: index.search(queries, TOP)[1]


METHODS = {
    "exact": exact,
    "usearch": usearch,
    "usearch-f16": usearch_f16,
    "faiss-hnsw": faiss_hnsw,
    "faiss-ivf": faiss_ivf,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--centres", type=int, default=20_000)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    args = parser.parse_args()
    random = np.random.default_rng(0)
    centres = random.standard_normal((args.centres, args.dim), np.float32)
    vectors = clustered(args.rows, args.dim, centres, 1)
    queries = clustered(args.queries, args.dim, centres, 2)
    expected = nearest(queries, vectors, TOP)[0]
    print(f"{args.rows:,} × {args.dim}, {args.queries} queries, {args.centres:,} centres")
    print(
        "| method | build, CPU s | one query, ms | all queries, ms each | recall@10 |\n|---|---|---|---|---|"
    )
    for name in args.methods:
        begun = time.process_time()
        search = METHODS[name](vectors)
        built = time.process_time() - begun
        search(queries[:1])
        alone = []
        for query in queries[: min(50, args.queries), None]:
            begun = time.perf_counter()
            search(query)
            alone.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        rows = search(queries)
        together = (time.perf_counter() - begun) / len(queries)
        recall = np.mean(
            [len(set(a) & set(b)) / TOP for a, b in zip(rows.tolist(), expected.tolist(), strict=True)]
        )
        print(
            f"| {name} | {built:.1f} | {1000 * np.median(alone):.2f} | {1000 * together:.2f} | {recall:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
