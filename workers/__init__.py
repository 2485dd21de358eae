"""The hands: the only place where uploaded bytes are decoded."""
