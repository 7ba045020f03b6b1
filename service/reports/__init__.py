"""What a study was, for who checks it or writes about it: its manifest and its report."""
