"""The facts of ivf-partition: the coarse step of an inverted file."""

import autoresearch as ar

TARGET = ar.Target(
    unit="query x centroid",
    static={"centroids": "f32[nlist,d]"},
    prepare="prepare(centroids)",
    scratch="scratch(state)",
    ops={
        "select": ar.Op(
            steps=("select(state, scratch, q, nprobe, ids, dists)",),
            each={"q": "f32[nq,d]", "nprobe": "i64"},
            out={"ids": "i64[nq,nprobe]", "dists": "f32[nq,nprobe]"},
            oracle="topk",
        ),
    },
    site="lance-format/lance, rust/lance-index/src/vector/kmeans.rs: kmeans_find_partitions; "
    "facebookresearch/faiss, faiss/IndexFlat.cpp: IndexFlat::search as the quantizer of IndexIVF",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
