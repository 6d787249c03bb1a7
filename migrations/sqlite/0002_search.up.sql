-- Full-text search over messages. The index holds no text of its own: it reads the messages through a
-- view that adds the owner as a search term, so that a query meets one user's messages only. A
-- running reply is indexed when it has ended.

CREATE VIEW message_search_source AS
SELECT id, 'u' || user_id AS owner, content FROM chat_messages WHERE status <> 'streaming';

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
