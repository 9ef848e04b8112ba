"""From annotated photos to a data set that trains: labels, lists, fingerprint, and a config made from it."""
