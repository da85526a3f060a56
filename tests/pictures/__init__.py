"""Pictures of the product for docs/pictures, each kind taken by a command of its own."""
