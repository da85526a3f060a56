"""Looking after the service while nobody looks: what is wrong, since when, and whom to tell."""
