#include "app/data_audit.h"

#include "app/file_place.h"
#include "app/sealed_keys.h"
#include "base/secret.h"
#include "db/db.h"
#include "db/inspect.h"
#include "db/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE     500
#define TOLD_MAX 20 /* of a kind */

static const char SQL_FILES[] =
    "SELECT id, file_key FROM uploaded_files WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char SQL_USERS[] = "SELECT count(*) FROM users";
static const char SQL_NAMES[] =
    "SELECT a.username, b.username FROM users AS a JOIN users AS b"
    " ON lower(a.username) = lower(b.username) AND a.id < b.id ORDER BY a.id";
static const char SQL_API_NAMES[] =
    "SELECT a.api_name, b.api_name, u.username FROM user_apis AS a JOIN user_apis AS b"
    " ON b.user_id = a.user_id AND lower(a.api_name) = lower(b.api_name) AND a.id < b.id"
    " JOIN users AS u ON u.id = a.user_id ORDER BY a.id";

enum kind { KEYS, ORPHANS, UNFINISHED, FOREIGN, MISSING, NAMES, KINDS };

static const struct {
    bool error;
    const char *code;
    const char *format; /* of the name */
} kinds[] = {
    [KEYS] = {true, "secret_unreadable",
              "%s. Restore the secret file that it was sealed with, or the user enters it again"},
    [ORPHANS] = {false, "file_orphaned",
                 "%s has no row: an upload in progress, or what a crash left; the next start "
                 "deletes it"},
    [UNFINISHED] = {false, "file_unfinished",
                    "%s is temporary: an upload in progress, or what a crash left; the next start "
                    "deletes it"},
    [FOREIGN] = {false, "file_foreign",
                 "%s is not the server's: it is never touched; move it away"},
    [MISSING] = {true, "file_missing",
                 "the file of row %s is not there: restore files/ from a backup, or its user "
                 "uploads it again"},
    [NAMES] = {false, "names_collide", "%s differ only in case: rename or disable one of them"},
};

struct audit {
    const struct tt_settings *settings;
    struct tt_data_audited *audited;
    void (*found)(void *arg, const struct tt_data_finding *finding);
    void *arg;
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_keys keys;
    struct tt_app_file_place files;
    struct tt_buf known; /* keys of files, each with a NUL */
    size_t position;
    size_t count[KINDS];
};

static void report(struct audit *audit, bool error, const char *code, const char *at,
                   const char *what)
{
    audit->found(audit->arg, &(struct tt_data_finding){.error = error,
                                                       .code = code,
                                                       .at = tt_str_from(at),
                                                       .what = tt_str_from(what)});
}

static void report_err(struct audit *audit, const char *at, const struct tt_err *err)
{
    report(audit, true, err->code, at, err->message);
}

static void count_one(struct audit *audit, enum kind kind, const char *at, const char *name)
{
    char text[1000];
    if (audit->count[kind]++ >= TOLD_MAX)
        return;
    snprintf(text, sizeof(text), kinds[kind].format, name);
    report(audit, kinds[kind].error, kinds[kind].code, at, text);
}

static void report_the_rest(struct audit *audit)
{
    for (int kind = 0; kind < KINDS; kind++) {
        char text[200];
        if (audit->count[kind] <= TOLD_MAX)
            continue;
        snprintf(text, sizeof(text), "and %zu more", audit->count[kind] - TOLD_MAX);
        report(audit, kinds[kind].error, kinds[kind].code,
               kind == KEYS || kind == NAMES ? tt_db_place(audit->settings->database_url)
                                             : audit->files.text,
               text);
    }
}

/* ---- sealed keys ---- */

static int open_key(void *arg, const struct tt_sealed_key *key, struct tt_err *err)
{
    struct audit *audit = arg;
    struct tt_buf plain = {0};
    struct tt_err why = {0};
    char text[640];
    (void)err;

    audit->audited->api_keys++;
    if (tt_unseal(&audit->keys, key->sealed, key->bound, &plain, &why) != 0) {
        snprintf(text, sizeof(text), "%s %lld of user %lld (%.100s): %.300s",
                 key->column == TT_SEALED_HEADERS ? "header of API key" : "API key",
                 (long long)key->id, (long long)key->user_id, key->name.len ? key->name.data : "",
                 why.message);
        count_one(audit, KEYS, tt_db_place(audit->settings->database_url), text);
    }
    if (plain.data)
        explicit_bzero(plain.data, plain.len);
    tt_buf_free(&plain);
    return 0;
}

static void check_keys(struct audit *audit)
{
    const char *file = audit->settings->secret_file;
    struct tt_err err = {0};

    if (access(file, F_OK) != 0)
        report(audit, true, "secret_file_unreadable", file,
               "it is missing: restore it from a backup, or correct secret_file");
    else if (tt_keys_load(&audit->keys, file, &err) != 0)
        report_err(audit, file, &err);
    else if (tt_sealed_keys_each(audit->db, audit->loop, open_key, audit, &err) != 0)
        report_err(audit, tt_db_place(audit->settings->database_url), &err);
    tt_keys_wipe(&audit->keys);
}

/* ---- files ---- */

static int read_file_keys(struct audit *audit, struct tt_err *err)
{
    int64_t last = 0;

    do {
        const struct tt_db_value values[] = {tt_db_int(last), tt_db_int(PAGE)};
        struct tt_db_query query = {
            .sql = TT_STR(SQL_FILES), .values = values, .count = TT_COUNT(values)};
        struct tt_db_rows *rows = tt_db_read_wait(audit->db, audit->loop, &query, err);
        if (!rows)
            return -1;
        last = 0;
        while (tt_db_next(rows, NULL) == TT_DB_ROW) {
            last = rows->values[0].integer;
            tt_buf_append_str(&audit->known, rows->values[1].text);
            tt_buf_append(&audit->known, "", 1);
            audit->audited->files++;
        }
        tt_db_rows_free(rows);
    } while (last > 0);
    return 0;
}

static bool next_key(void *arg, struct tt_str *key)
{
    struct audit *audit = arg;
    if (audit->position >= audit->known.len)
        return false;
    *key = tt_str_from(audit->known.data + audit->position);
    audit->position += key->len + 1;
    return true;
}

static void found_file(void *arg, enum tt_store_odd odd, struct tt_str name)
{
    static const enum kind of[] = {[TT_STORE_ORPHAN] = ORPHANS,
                                   [TT_STORE_UNFINISHED] = UNFINISHED,
                                   [TT_STORE_FOREIGN] = FOREIGN,
                                   [TT_STORE_MISSING] = MISSING};
    struct audit *audit = arg;
    char text[400];

    snprintf(text, sizeof(text), "%.*s", TT_STR_ARG(name));
    count_one(audit, of[odd], audit->files.text, text);
}

static void check_files(struct audit *audit)
{
    struct tt_err err = {0};

    if (read_file_keys(audit, &err) != 0 ||
        tt_store_compare(&audit->files.store, next_key, found_file, audit, &err) != 0)
        report_err(audit, audit->files.text, &err);
    tt_buf_free(&audit->known);
}

/* ---- names ---- */

/* Rows of two names, and perhaps whose they are. */
static void check_names(struct audit *audit, struct tt_str sql, const char *what)
{
    struct tt_db_query query = {.sql = sql};
    struct tt_err err = {0};
    const char *at = tt_db_place(audit->settings->database_url);
    struct tt_db_rows *rows = tt_db_read_wait(audit->db, audit->loop, &query, &err);

    if (!rows) {
        report_err(audit, at, &err);
        return;
    }
    while (tt_db_next(rows, NULL) == TT_DB_ROW) {
        char text[400];
        int len = snprintf(text, sizeof(text), "%s \"%.*s\" and \"%.*s\"", what,
                           TT_STR_ARG(rows->values[0].text), TT_STR_ARG(rows->values[1].text));
        if (rows->columns > 2 && len > 0 && (size_t)len < sizeof(text))
            snprintf(text + len, sizeof(text) - (size_t)len, " of %.*s",
                     TT_STR_ARG(rows->values[2].text));
        count_one(audit, NAMES, at, text);
    }
    tt_db_rows_free(rows);
}

static void count_users(struct audit *audit)
{
    struct tt_db_query query = {.sql = TT_STR(SQL_USERS)};
    struct tt_db_rows *rows = tt_db_read_wait(audit->db, audit->loop, &query, NULL);

    if (rows && tt_db_next(rows, NULL) == TT_DB_ROW)
        audit->audited->users = (size_t)rows->values[0].integer;
    tt_db_rows_free(rows);
}

/* ---- all ---- */

static void check_durability(struct audit *audit)
{
    struct tt_db_contents contents;
    const char *url = audit->settings->database_url;

    if (audit->settings->replicated &&
        tt_db_inspect(url, audit->keys.seal_id, &contents, NULL) == 0 && !contents.replicated)
        report(audit, false, "not_replicated", tt_db_place(url),
               "durability is replicated, but synchronous_standby_names is empty or "
               "synchronous_commit is off or local: a failover may lose acknowledged rows");
}

/* A database that cannot be read is the only finding. */
static bool check_database(struct audit *audit)
{
    const struct tt_settings *settings = audit->settings;
    const char *at = tt_db_place(settings->database_url);
    struct tt_migrate_report migrations = {0};
    struct tt_err err = {0};
    bool good = false;

    if (!tt_db_exists(settings->database_url))
        report(audit, true, "database_lost", at,
               "it does not exist: restore it from a backup, or correct data_dir or database_url");
    else if (tt_db_verify(settings->database_url, true, &err) != 0 ||
             tt_db_migrate(settings->database_url, settings->migrations_dir, true, &migrations,
                           &err) != 0)
        report_err(audit, at, &err);
    else if (strstr(migrations.text.data ? migrations.text.data : "", " pending"))
        report(audit, true, "migration_missing", at,
               "it is of an older version: run \"tidetalk migrate\" first");
    else
        good = true;
    tt_buf_free(&migrations.text);
    return good;
}

static int open_database(struct audit *audit, struct tt_err *err)
{
    struct tt_db_settings database = {.url = audit->settings->database_url};

    audit->loop = tt_loop_new(err);
    audit->db = audit->loop ? tt_db_open(&database, NULL, err) : NULL;
    return audit->db ? tt_db_attach(audit->db, audit->loop, err) : -1;
}

void tt_data_audit(const struct tt_settings *settings, struct tt_data_audited *audited,
                   void (*found)(void *arg, const struct tt_data_finding *finding), void *arg)
{
    struct audit audit = {.settings = settings, .audited = audited, .found = found, .arg = arg};
    struct tt_err err = {0};

    *audited = (struct tt_data_audited){0};
    tt_app_file_place_open(&audit.files, settings);
    if (!check_database(&audit)) {
        tt_app_file_place_close(&audit.files);
        return;
    }
    if (open_database(&audit, &err) == 0) {
        check_keys(&audit);
        check_files(&audit);
        check_names(&audit, TT_STR(SQL_NAMES), "the users");
        check_names(&audit, TT_STR(SQL_API_NAMES), "the API configurations");
        count_users(&audit);
        check_durability(&audit);
        report_the_rest(&audit);
    } else {
        report_err(&audit, tt_db_place(settings->database_url), &err);
    }
    if (audit.db) {
        tt_db_detach(audit.db, audit.loop);
        tt_db_close(audit.db);
    }
    tt_loop_free(audit.loop);
    tt_app_file_place_close(&audit.files);
}
