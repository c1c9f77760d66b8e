"""From a Record to something a person wants to read: a page, or lines in a terminal. No torch."""
