"""Annotating together: the questions of a dataset, the queue that gives its records, and what people answer."""
