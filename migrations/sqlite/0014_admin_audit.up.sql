-- What was done over the admin listener, newest rows only; see core/app/audit.h.
CREATE TABLE admin_audit (
    id           INTEGER PRIMARY KEY,
    created_at   TEXT NOT NULL,
    who          TEXT NOT NULL,    -- uid:N, token, page
    action       TEXT NOT NULL,    -- method and path
    status       INTEGER NOT NULL, -- of the answer
    code         TEXT NOT NULL,    -- of the error, '' for none
    scripts_hash TEXT,
    changed      TEXT              -- JSON: names of files
) STRICT;
