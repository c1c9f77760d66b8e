"""`python -m steadygrad` is the steadygrad command."""

from steadygrad.cli import main

if __name__ == "__main__":
    main()
