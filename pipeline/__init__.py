"""What the pipeline is: its words, its rules and the order of work."""
