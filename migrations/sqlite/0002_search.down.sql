DROP TRIGGER message_search_delete;
DROP TRIGGER message_search_finish;
DROP TRIGGER message_search_insert;
DROP TABLE message_search;
DROP VIEW message_search_source;
