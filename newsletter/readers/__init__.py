"""What readers do and what is done about them: joining, moving, voting, lists, and being forgotten."""
