"""Bytes in, one object, one record, one hint. Never decodes."""
