"""What people read of an evaluation: a page, a Markdown text. A view of the facts, which computes nothing."""
