"""Every part of the interface on a few pages with made-up content: to look at, and for the visual smoke test."""
