"""Lists from elsewhere: a file is read line by line, each line judged, and many taken in at once."""
