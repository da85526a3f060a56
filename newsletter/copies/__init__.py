"""From an edition to each reader's copy: whom it is for, what each chose, and what is filled in."""
