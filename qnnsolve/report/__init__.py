"""What people read: text, JSON and Markdown."""
