ALTER TABLE chat_messages DROP COLUMN delivered;
ALTER TABLE chat_messages DROP COLUMN runs;
