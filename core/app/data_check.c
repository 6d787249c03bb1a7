/* The signs of a loss. A first start that breaks off never looks like one, wherever it breaks off:
 * the database is created before the secret file, and that before the first upload. */
#include "app/data_check.h"

#include "app/file_place.h"
#include "app/node_start.h"
#include "base/log.h"
#include "base/secret.h"
#include "db/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct data {
    const struct tt_settings *settings;
    bool has_key;
    bool key_in_data_dir; /* created there by a start; elsewhere it may be older than that */
    struct tt_keys keys;
    struct tt_db_contents database;
    struct tt_store_count files;
    char files_place[400];
};

/* Whether the secret file's folder is the data folder or inside it, with all links resolved. */
static bool is_in_data_dir(const struct tt_settings *settings)
{
    char folder[4200];

    snprintf(folder, sizeof(folder), "%s", settings->secret_file);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[1] = 0;
    char *data_dir = realpath(settings->data_dir, NULL);
    char *place = realpath(slash ? folder : ".", NULL);
    size_t len = data_dir ? strlen(data_dir) : 0;
    bool inside = data_dir && place && strncmp(place, data_dir, len) == 0 &&
                  (place[len] == 0 || place[len] == '/');
    free(data_dir);
    free(place);
    return inside;
}

/* With `read_key` the secret file must be readable, if it exists. */
static int look(struct data *data, bool read_key, struct tt_err *err)
{
    const struct tt_settings *settings = data->settings;
    struct tt_app_file_place place;
    struct stat st;

    data->has_key = lstat(settings->secret_file, &st) == 0;
    data->key_in_data_dir = data->has_key && is_in_data_dir(settings);
    if (data->has_key && read_key && tt_keys_load(&data->keys, settings->secret_file, err) != 0)
        return -1;
    if (tt_db_inspect(settings->database_url, data->keys.seal_id, &data->database, err) != 0)
        return -1;
    if (data->database.has_users)
        return 0; /* its files are in its rows; there may be many */
    tt_app_file_place_open(&place, settings);
    int rc = tt_store_count(&place.store, &data->files, err);
    snprintf(data->files_place, sizeof(data->files_place), "%s", place.text);
    tt_app_file_place_close(&place);
    return rc;
}

static bool database_is_lost(const struct data *data)
{
    bool none = data->database.missing || data->database.empty;

    return data->database.log_left || data->files.files > 0 || (none && data->key_in_data_dir);
}

static const char *state_of(const struct tt_db_contents *database)
{
    return database->missing ? "is missing" : database->empty ? "is empty" : "has no users";
}

static int refuse_database(const struct data *data, struct tt_err *err)
{
    const struct tt_settings *settings = data->settings;
    const char *place = tt_db_place(settings->database_url);
    bool uploads = data->files.files > 0;
    char beside[300];

    if (uploads)
        snprintf(beside, sizeof(beside), "%.160s has uploaded files (%zu)", data->files_place,
                 data->files.files);
    else
        snprintf(beside, sizeof(beside), "there is %.160s%s",
                 data->key_in_data_dir ? settings->secret_file : place,
                 data->key_in_data_dir ? "" : "-wal");
    return tt_err_set(err, 0, "database_lost",
                      "the database %.120s %s, but %s. Restore it from a backup, or correct "
                      "data_dir or database_url. \"tidetalk serve --accept-loss\" starts without "
                      "it%s",
                      place, state_of(&data->database), beside,
                      uploads ? " and deletes these files" : "");
}

static int refuse_key(const struct data *data, struct tt_err *err)
{
    const struct tt_settings *settings = data->settings;
    const struct tt_db_contents *database = &data->database;
    char state[64] = "is missing";

    if (data->has_key)
        snprintf(state, sizeof(state), "holds another key (%s)", data->keys.seal_id);
    if (tt_app_is_node(settings))
        return tt_err_set(
            err, 0, "seal_key_lost",
            "the secret file %.160s %s, but the API keys in the database are sealed "
            "with key %s: give this node the secret file of the others. If it is lost, "
            "\"tidetalk serve --accept-loss\" starts the first node all the same, "
            "and users must enter those API keys again",
            settings->secret_file, state, database->sealed_with);
    return tt_err_set(
        err, 0, "seal_key_lost",
        "the secret file %.160s %s, but %lld stored API keys were sealed with key %s. "
        "Restore the file from a backup, or correct secret_file; \"tidetalk serve "
        "--accept-loss\" starts all the same, and users must enter those API keys "
        "again",
        settings->secret_file, state, (long long)database->unreadable, database->sealed_with);
}

static void log_accepted(const struct data *data, const struct tt_data_loss *loss)
{
    const struct tt_settings *settings = data->settings;

    if (loss->database)
        tt_log(TT_LOG_WARN,
               "loss accepted: the start goes on without the database, uploaded files are deleted",
               TT_F_Z("database", tt_db_place(settings->database_url)),
               TT_F_Z("state", state_of(&data->database)),
               TT_F_BOOL("log_discarded", data->database.log_left),
               TT_F_INT("files", (int64_t)data->files.files),
               TT_F_INT("bytes", (int64_t)data->files.bytes));
    if (loss->seal_key)
        tt_log(TT_LOG_WARN, "loss accepted: stored API keys cannot be read",
               TT_F_Z("secret_file", settings->secret_file),
               TT_F_INT("api_keys", data->database.unreadable),
               TT_F_Z("sealed_with", data->database.sealed_with));
    if (!loss->database && !loss->seal_key)
        tt_log(TT_LOG_WARN, "nothing is lost: start without --accept-loss");
}

int tt_data_check(const struct tt_settings *settings, struct tt_data_loss *loss, struct tt_err *err)
{
    struct data data = {.settings = settings};

    *loss = (struct tt_data_loss){0};
    int result = look(&data, true, err);
    if (result == 0) {
        loss->database = database_is_lost(&data);
        loss->seal_key = data.database.unreadable > 0 && !data.database.accepted;
        if (settings->accept_loss)
            log_accepted(&data, loss);
        else if (loss->database)
            result = refuse_database(&data, err);
        else if (loss->seal_key)
            result = refuse_key(&data, err);
    }
    tt_keys_wipe(&data.keys);
    return result;
}

int tt_data_check_database(const struct tt_settings *settings, struct tt_err *err)
{
    struct data data = {.settings = settings};
    int result = look(&data, false, err);

    if (result == 0 && database_is_lost(&data))
        result = refuse_database(&data, err);
    tt_keys_wipe(&data.keys);
    return result;
}
