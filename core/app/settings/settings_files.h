/* Rows of the table of settings (settings.c) about where uploaded files are. */
#pragma once

#define TT_SETTINGS_FILES                                                                          \
    {.key = "files_url",                                                                           \
     .env = "TIDETALK_FILES_URL",                                                                  \
     .fallback = "",                                                                               \
     .check = tt_settings_check_files_url,                                                         \
     .help = "s3://<bucket>[/<folder>], or file:<path> of a folder that servers share; empty = "   \
             "files in the data folder"},                                                          \
        {.key = "s3.endpoint",                                                                     \
         .env = "TIDETALK_S3_ENDPOINT",                                                            \
         .fallback = "",                                                                           \
         .check = tt_settings_check_endpoint,                                                      \
         .help = "address of the server of files_url; empty = Amazon's for s3.region"},            \
        {.key = "s3.region",                                                                       \
         .env = "TIDETALK_S3_REGION",                                                              \
         .fallback = "us-east-1",                                                                  \
         .check = tt_settings_check_region,                                                        \
         .help = "region that requests are signed for"},                                           \
        {.key = "s3.access_key",                                                                   \
         .env = "TIDETALK_S3_ACCESS_KEY",                                                          \
         .fallback = "",                                                                           \
         .help = "id of the key that signs requests"},                                             \
        {.key = "s3.secret_key",                                                                   \
         .env = "TIDETALK_S3_SECRET_KEY",                                                          \
         .fallback = "",                                                                           \
         .secret = true,                                                                           \
         .help = "that key"},                                                                      \
        {.key = "s3.secret_key_file",                                                              \
         .env = "TIDETALK_S3_SECRET_KEY_FILE",                                                     \
         .fallback = "",                                                                           \
         .help = "file with that key on its first line"},                                          \
        {.key = "s3.encryption",                                                                   \
         .env = "TIDETALK_S3_ENCRYPTION",                                                          \
         .fallback = "",                                                                           \
         .check = tt_settings_check_encryption,                                                    \
         .help = "server-side encryption: AES256 or aws:kms; empty = what the bucket does"},       \
    {                                                                                              \
        .key = "s3.ca_file", .env = "TIDETALK_S3_CA_FILE", .fallback = "",                         \
        .help = "certificates that s3.endpoint is checked by; empty = the system's"                \
    }
