"""Letters on their way: claimed, intended, posted once, settled; the same promises as an edition's copies."""
