"""When editions go: appointments, their turns, and what people do with single ones."""
