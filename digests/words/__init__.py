"""What an edition says, drafted from its comparisons: subject, preheader, opening, quotes, figures."""
