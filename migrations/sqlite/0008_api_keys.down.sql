DROP TRIGGER users_tokens_ended;
DROP TABLE api_keys;
