"""Speed beside what a user would otherwise pick, on the same machine and in the same run; see README.md here."""
