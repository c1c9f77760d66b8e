"""Pytest must not import the corpus: every file in it is a script that trains."""

collect_ignore_glob = ["faulty/*", "healthy/*"]
