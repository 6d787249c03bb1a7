DROP TRIGGER message_search_insert;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_delete;
DROP TABLE message_search;
DROP TABLE message_search_queue;

CREATE VIRTUAL TABLE message_search USING fts5 (
    owner, content,
    content = 'message_search_source', content_rowid = 'id', tokenize = 'tidetalk'
);

CREATE TRIGGER message_search_insert AFTER INSERT ON chat_messages
WHEN new.status <> 'streaming'
BEGIN
    INSERT INTO message_search (rowid, owner, content)
    VALUES (new.id, 'u' || new.user_id, new.content);
END;

CREATE TRIGGER message_search_finish AFTER UPDATE OF status ON chat_messages
WHEN old.status = 'streaming' AND new.status <> 'streaming'
BEGIN
    INSERT INTO message_search (rowid, owner, content)
    VALUES (new.id, 'u' || new.user_id, new.content);
END;

CREATE TRIGGER message_search_delete AFTER DELETE ON chat_messages
WHEN old.status <> 'streaming'
BEGIN
    INSERT INTO message_search (message_search, rowid, owner, content)
    VALUES ('delete', old.id, 'u' || old.user_id, old.content);
END;

INSERT INTO message_search (message_search) VALUES ('rebuild');
