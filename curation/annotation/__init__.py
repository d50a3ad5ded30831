"""Annotation by several people: a dataset's questions, the queue that hands out its records, and the answers."""
