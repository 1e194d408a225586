"""Who may do what: every route and every frame against everybody who should not be let in."""
