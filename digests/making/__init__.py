"""An edition in the making: assembled from the store, changed by editors, each change a version."""
