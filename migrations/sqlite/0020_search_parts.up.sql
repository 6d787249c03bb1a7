-- All of a long message can be found. A message of more than 32 KiB is indexed in parts, one a job,
-- which overlap so that words and phrases across a border are found; message_parts has their texts,
-- because an entry can be taken out of the index only with the very text that was put in. A part's
-- id is that of its message times 65,536, plus its number.

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;

CREATE TEMP TABLE message_search_long AS
SELECT id FROM chat_messages
WHERE status <> 'streaming' AND length(CAST(content AS BLOB)) > 32768
  AND id NOT IN (SELECT id FROM message_search_queue);

INSERT INTO message_search (message_search, rowid, owner, content)
SELECT 'delete', id, owner, content FROM message_search_source
WHERE id IN (SELECT id FROM message_search_long);

DROP VIEW message_search_source;
CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, content FROM chat_messages
WHERE status <> 'streaming' AND length(CAST(content AS BLOB)) <= 32768;

CREATE TABLE message_search_queue_new (
    id      INTEGER NOT NULL PRIMARY KEY, -- of the message; without a reference: the trigger below
    user_id INTEGER NOT NULL,
    size    INTEGER NOT NULL,             -- bytes to index
    is_long INTEGER NOT NULL,             -- it is indexed in parts
    next    INTEGER NOT NULL DEFAULT 0,   -- byte at which the next part begins, without its overlap
    parts   INTEGER NOT NULL DEFAULT 0    -- made so far
) STRICT;
INSERT INTO message_search_queue_new (id, user_id, size, is_long)
SELECT id, user_id, length(CAST(content AS BLOB)), length(CAST(content AS BLOB)) > 32768
FROM chat_messages
WHERE id IN (SELECT id FROM message_search_queue UNION ALL SELECT id FROM message_search_long);
DROP TABLE message_search_queue;
ALTER TABLE message_search_queue_new RENAME TO message_search_queue;
DROP TABLE message_search_long;
-- In which order parts are made: those of the message that has the fewest. Costs short ones nothing.
CREATE INDEX message_search_queue_long ON message_search_queue (parts, id) WHERE is_long = 1;

CREATE TABLE message_parts (
    id      INTEGER NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    ends    INTEGER NOT NULL, -- byte of the message
    content TEXT    NOT NULL
) STRICT;
CREATE VIEW message_part_source AS
SELECT id, 'u' || user_id AS owner, content FROM message_parts;
CREATE VIRTUAL TABLE message_part_search USING fts5 (
    owner, content,
    content = 'message_part_source', content_rowid = 'id', tokenize = 'tidetalk', prefix = '3 4 5'
);
-- Messages that were deleted: their parts go one a job, too.
CREATE TABLE message_parts_gone (
    message_id INTEGER NOT NULL PRIMARY KEY
) STRICT;

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, length(CAST(new.content AS BLOB)), length(CAST(new.content AS BLOB)) > 32768);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN old.status = 'streaming' AND new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id, size, is_long)
    VALUES (new.id, new.user_id, length(CAST(new.content AS BLOB)), length(CAST(new.content AS BLOB)) > 32768);
END;

-- Taking out what is not in, or another text than the one that was put in, would damage the index.
CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, old.content
    WHERE length(CAST(old.content AS BLOB)) <= 32768
      AND NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    INSERT INTO message_parts_gone (message_id)
    SELECT old.id WHERE length(CAST(old.content AS BLOB)) > 32768;
    DELETE FROM message_search_queue WHERE id = old.id;
END;
