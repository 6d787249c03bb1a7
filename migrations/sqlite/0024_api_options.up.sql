-- What a configuration adds to its requests.
ALTER TABLE user_apis ADD COLUMN upstream_model TEXT NOT NULL DEFAULT '';  -- '': as model_name
ALTER TABLE user_apis ADD COLUMN options TEXT NOT NULL DEFAULT '{}';       -- JSON: models/model_options
ALTER TABLE user_apis ADD COLUMN headers TEXT NOT NULL DEFAULT '[]';       -- JSON: names, sealed values
ALTER TABLE user_apis ADD COLUMN more_keys TEXT NOT NULL DEFAULT '[]';     -- JSON: sealed keys
ALTER TABLE user_apis ADD COLUMN refused TEXT NOT NULL DEFAULT '';         -- parameters, learnt: names, commas

-- A session's own options; NULL: none.
ALTER TABLE chat_sessions ADD COLUMN options TEXT;
