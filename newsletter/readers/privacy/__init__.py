"""What is known about a person: told to them, and forgotten at their word, area by area."""
