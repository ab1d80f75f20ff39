"""What a reader sees: results as text, Markdown, page, tables and charts, and progress from events while something goes
on. May be imported by `cli`; it may import `config`, `analysis`, `store` and the rooms below."""
