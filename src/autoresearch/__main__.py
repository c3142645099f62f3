"""`python -m autoresearch`."""

from .cli import main

main()
