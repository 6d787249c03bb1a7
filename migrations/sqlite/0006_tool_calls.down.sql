ALTER TABLE chat_messages DROP COLUMN tool_calls;
