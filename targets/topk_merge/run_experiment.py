"""The facts of topk-merge: sorted runs of (score, id) into the k best, or into one run."""

import autoresearch as ar

RUNS = {"offsets": "i64[~]", "scores": "f32[~]", "ids": "u64[~]"}

TARGET = ar.Target(
    unit="output item",
    static={"limits": "i64[2]"},
    scratch="scratch(limits)",
    ops={
        "topk": ar.Op(
            steps=("merge_topk(scratch, runs, offsets, scores, ids, best, best_ids)",),
            each={"runs": "i64", "k": "i64", "nq": "i64", **RUNS},
            out={"best": "f32[nq,k]", "best_ids": "u64[nq,k]"},
        ),
        "full": ar.Op(
            steps=("merge_all(scratch, offsets, scores, ids, merged, merged_ids)",),
            each=RUNS,
            out={"merged": "f32[~]", "merged_ids": "u64[~]"},
        ),
    },
    site="lance-format/lance, rust/lance/src/dataset/scanner.rs: knn_combined; and "
    "facebookresearch/faiss, faiss/utils/Heap.cpp: merge_knn_results",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
