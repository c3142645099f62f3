"""From lab to product: what an op's share of real work is, and whether a champion moves that work.

Knows sessions, pipelines and how to ship a kernel; a trial knows nothing of it.
"""
