"""Speed compared with the usual alternatives, on the same machine and in the same run; see README.md here."""
