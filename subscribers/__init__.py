"""Who receives it: people, their consent, and what they did with what they got."""
