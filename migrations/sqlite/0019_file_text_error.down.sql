ALTER TABLE uploaded_files DROP COLUMN text_error;
