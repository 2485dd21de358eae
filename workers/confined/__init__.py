"""What runs inside the confined child, and nowhere else: everything that decodes.

Parents start it by `workers/decoding.py`; it imports no part of Darkroom but the pure core.
"""
