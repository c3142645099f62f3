"""Search libraries over the same collections, each with an index of its own, and numpy.

tantivy and bm25s are given the documents as words, in our order, and score by themselves.
"""

import numpy as np

from autoresearch import Peer

K1, C = 1.2, 0.75
TOP = 10
COMMON = 0.02  # a weight below: tantivy's ln(1 + x) in f32 is coarser than our tolerance


def bags(static):
    """The word ids of all documents, one after the other, and where each document begins."""
    terms = np.repeat(np.arange(static["weights"].size), np.diff(static["offsets"]))
    order = np.argsort(static["docs"], kind="stable")
    freqs = static["freqs"][order].astype(np.int64)
    sizes = np.bincount(static["docs"][order], freqs, static["norms"].size)
    return np.repeat(terms[order], freqs), np.append(0, np.cumsum(sizes)).astype(np.int64)


def _texts(workload, static):
    """A list of word ids for each document."""
    if workload.spec["docs"] == 0:
        raise NotImplementedError("an index without documents")
    words, starts = bags(static)
    return np.split(words, starts[1:-1])


def _numpy(workload, static):
    """Shares of the score computed in advance; each call adds them up and selects."""
    docs, offsets, freqs = static["docs"], static["offsets"], static["freqs"].astype(np.float32)
    weights = np.repeat(static["weights"], np.diff(offsets))
    shares = weights * freqs / (freqs + static["discounts"][static["norms"][docs]])
    scores = np.zeros(static["norms"].size, np.float32)

    def search(each):
        scores[:] = 0
        for t in each["terms"].tolist():
            part = slice(offsets[t], offsets[t + 1])
            scores[docs[part]] += shares[part]
        best = np.argpartition(-scores, min(TOP, scores.size) - 1)[:TOP] if scores.size else []
        return sorted(((scores[i], i) for i in best if scores[i] > 0), reverse=True)

    return search


def _schema(tantivy):
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _tantivy(workload, static):
    import tantivy

    if static["weights"].min(initial=1) < COMMON:
        raise NotImplementedError("tantivy rounds the weight of a word that all documents have")
    index = tantivy.Index(_schema(tantivy))
    writer = index.writer(heap_size=1 << 30, num_threads=1)
    for words in _texts(workload, static):
        writer.add_document(tantivy.Document(body=" ".join(map(str, words.tolist()))))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    if searcher.num_segments > 1:
        raise NotImplementedError("tantivy split the collection, and its ids are not ours")
    return lambda query: searcher.search(query, TOP, count=False).hits


def _tantivy_pack(workload, static, each):
    """The query as an object: its text is not parsed in the timed call."""
    import tantivy

    schema = _schema(tantivy)
    terms = [tantivy.Query.term_query(schema, "body", str(t)) for t in each["terms"].tolist()]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])


def _bm25s(workload, static):
    import bm25s

    texts = [words.tolist() for words in _texts(workload, static)]
    vocabulary = {str(t): t for t in range(static["weights"].size)}
    k = min(TOP, len(texts))
    model = bm25s.BM25(k1=K1, b=C, method="lucene", backend="numba")
    model.index((texts, vocabulary), create_empty_token=False, show_progress=False)

    def search(each):
        query = [each["terms"].tolist()]
        if not query[0]:
            raise NotImplementedError("bm25s does not take a query without a term")
        ids, scores = model.retrieve(query, k=k, show_progress=False, n_threads=1)
        return zip(scores[0] * (K1 + 1), ids[0], strict=True)  # it leaves that factor out

    return search


def _hits(raw, each):
    pairs = [(score, i) for score, i in raw if score > 0]
    return _ranked([(score, int(i)) for score, i in pairs])


def _addresses(raw, each):
    return _ranked([(score, address.doc) for score, address in raw])


def _ranked(pairs):
    ids, scores = np.full(TOP, -1, np.int64), np.full(TOP, -np.inf, np.float32)
    for rank, (score, i) in enumerate(pairs):
        ids[rank], scores[rank] = i, score
    return {"ids": ids, "scores": scores}


PEERS = (
    Peer(
        "tantivy",
        "searcher, block-max WAND",
        "search",
        _tantivy,
        _addresses,
        "ids and scores",
        pack=_tantivy_pack,
    ),
    Peer("bm25s", "numba backend", "search", _bm25s, _hits, "ids and scores"),
    Peer("numpy", "shares added up", "search", _numpy, _hits, "ids and scores"),
)
