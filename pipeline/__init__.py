"""What the pipeline is: its words, its rules, the order of work."""
