"""What is held about a person: found, handed out, erased, and not kept for longer than it is needed."""
