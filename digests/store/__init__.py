"""What is known: tools, comparisons and their revisions, and what readers say of them."""
