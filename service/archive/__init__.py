"""A study as one file that another installation reads."""
