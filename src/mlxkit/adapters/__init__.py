"""Outside systems, one file each: nothing else imports them, and their errors are translated here."""
