"""Operator tools: the `darkroom` command and the stack it runs on one machine."""
