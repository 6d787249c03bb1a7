-- Why a file's text cannot be read, once that was tried: a file that takes 20 s to fail must not be
-- tried with each message.
ALTER TABLE uploaded_files ADD COLUMN text_error TEXT NOT NULL DEFAULT '';
