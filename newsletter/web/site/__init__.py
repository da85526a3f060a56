"""What anybody may read: the archive, compare pages, feeds, the API for programs, and the front page."""
