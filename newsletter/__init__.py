"""How a digest gets from the store to its readers."""
