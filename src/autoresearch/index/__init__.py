"""Indexes with the names and shapes of faiss, on the kernels that were promoted."""
