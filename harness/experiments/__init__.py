"""What a command carries out and stores, one file per kind. What all have in common is here once: `session` (lock,
commands of the user's, folder, log) and `preflight`. May be imported by `cli`; it may import `config`, `analysis`,
`store` and the rooms below."""
