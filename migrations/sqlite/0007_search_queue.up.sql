-- The search index is brought up to date beside the turns and not by them: a finished message is
-- queued here, and many are indexed in one statement. FTS5 writes its index out at the end of each
-- statement, which was a fifth of a turn's work.

CREATE TABLE message_search_queue (
    id      INTEGER NOT NULL PRIMARY KEY, -- of the message; without a reference: the trigger below
    user_id INTEGER NOT NULL
) STRICT;

DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;

-- Beginnings of words are found from three letters on; without an index of its own, a beginning of
-- three to five letters would gather the messages of very many words.
DROP TABLE message_search;
CREATE VIRTUAL TABLE message_search USING fts5 (
    owner, content,
    content = 'message_search_source', content_rowid = 'id', tokenize = 'tidetalk', prefix = '3 4 5'
);

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id) VALUES (new.id, new.user_id);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN old.status = 'streaming' AND new.status <> 'streaming'
BEGIN
    INSERT INTO message_search_queue (id, user_id) VALUES (new.id, new.user_id);
END;

-- Taking out what is not in would damage the index.
CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    SELECT 'delete', old.id, 'u' || old.user_id, old.content
    WHERE NOT EXISTS (SELECT 1 FROM message_search_queue WHERE id = old.id);
    DELETE FROM message_search_queue WHERE id = old.id;
END;

INSERT INTO message_search (message_search) VALUES ('rebuild');
