DROP TRIGGER uploaded_files_removed;
DROP TABLE removed_files;
DROP INDEX uploaded_files_by_user;
