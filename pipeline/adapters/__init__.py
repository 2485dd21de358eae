"""The outside world in the pipeline's words: one module per vendor, one contract suite per port."""
