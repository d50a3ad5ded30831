"""The pictures of the guide, docs/img, made anew: `python -m tests.browser.guide_images [--only NAME,…]`."""
