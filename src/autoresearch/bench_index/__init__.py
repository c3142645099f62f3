"""Our indexes and faiss's side by side: the same vectors, lists, threads and queries."""
