"""The database engine: `ENGINE = "eloquent.mongodb"`, its index kinds and what keeps changelists fast."""
