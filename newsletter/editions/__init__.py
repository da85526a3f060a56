"""An edition until it leaves: made from the store, edited, approved by name, and steered by operators."""
