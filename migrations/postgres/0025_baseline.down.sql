DROP TABLE message_parts, message_search_queue, database_writers, admin_audit, login_attempts, idempotency_keys,
    usage_days, script_generation_files, script_generations, script_files, settings, removed_files,
    uploaded_files, responses, reply_chunks, chat_messages, chat_sessions, api_keys, user_apis,
    revoked_tokens, users;
DROP FUNCTION message_search_put, message_search_take, tidetalk_snippet, tidetalk_part_end, tidetalk_phrases,
    tidetalk_phrase, tidetalk_words, tidetalk_is_run, tidetalk_tokens, uploaded_files_removed, users_tokens_ended;
