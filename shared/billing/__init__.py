"""What a session comes to: its energy by the intervals of the clock, and what its meter signed."""
