-- Script generations that have served, with the bytes of their files: what a rollback and a start
-- without usable files go back to. Bounded by whoever adds one.
CREATE TABLE script_files (
    hash  TEXT NOT NULL PRIMARY KEY, -- sha256 of the bytes
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE script_generations (
    number     INTEGER PRIMARY KEY,
    hash       TEXT NOT NULL, -- of the whole bundle
    created_at TEXT NOT NULL,
    made_by    TEXT NOT NULL,
    restores   INTEGER,       -- the generation that it brought back
    changed    TEXT NOT NULL, -- JSON: paths that differ from the one before
    outcome    TEXT NOT NULL CHECK (outcome IN ('current', 'replaced', 'rolled_back'))
) STRICT;
CREATE INDEX script_generations_by_hash ON script_generations (hash, number);

CREATE TABLE script_generation_files (
    generation INTEGER NOT NULL REFERENCES script_generations (number) ON DELETE CASCADE,
    path       TEXT NOT NULL,
    file_hash  TEXT NOT NULL REFERENCES script_files (hash),
    PRIMARY KEY (generation, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX script_generation_files_by_hash ON script_generation_files (file_hash);
