-- Sums of a user's bytes, for the quota.
CREATE INDEX uploaded_files_by_user ON uploaded_files (user_id, file_size);

-- Keys of rows that are gone, whoever deleted them (a session's or a user's deletion cascades):
-- their bytes are removed after the commit, and what that misses is found here again.
CREATE TABLE removed_files (
    file_key TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER uploaded_files_removed AFTER DELETE ON uploaded_files
BEGIN
    INSERT OR IGNORE INTO removed_files (file_key) VALUES (old.file_key);
END;
