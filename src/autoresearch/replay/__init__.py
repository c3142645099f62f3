"""Search strategies replayed on spaces that were measured in full: what a prior is worth, in
evaluations. Nothing here runs a kernel except `brute`, which makes the spaces."""
