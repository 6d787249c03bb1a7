/* profile: begins one on the running server, waits for its end, and prints what it has found. */
#include "app/cli/cli_internal.h"
#include "script/profile.h"
#include "upstream/local_call.h"

#include <stdio.h>
#include <unistd.h>

#define LINES_SHOWN 25

struct profile {
    struct tt_buf json;
    int64_t samples, interval_ms;
};

static int64_t number_at(struct tt_str json, const char *key)
{
    struct tt_buf text = {0};
    int64_t number = 0;

    tt_cli_pick(json, key, &text);
    tt_str_to_i64(tt_buf_str(&text), &number);
    tt_buf_free(&text);
    return number;
}

/* "12.3%" of all samples. */
static void print_share(int64_t part, int64_t all)
{
    int64_t tenths = all > 0 ? (part * 1000 + all / 2) / all : 0;
    printf("%4lld.%lld%%  ", (long long)(tenths / 10), (long long)(tenths % 10));
}

static void print_entry(const struct tt_settings *settings, struct tt_str entry, int64_t samples,
                        bool function)
{
    char place[TT_SCRIPT_PATH_BYTES];
    struct tt_buf file = {0}, name = {0};

    tt_cli_pick(entry, "file", &file);
    tt_cli_pick(entry, "name", &name);
    tt_script_sources_place(&settings->scripts, tt_buf_str(&file), place, sizeof(place));
    print_share(number_at(entry, "self"), samples);
    if (function)
        print_share(number_at(entry, "total"), samples);
    printf("%s:%lld%s%s\n", place, (long long)number_at(entry, "line"), name.len ? "  " : "",
           name.len ? name.data : "");
    tt_buf_free(&file);
    tt_buf_free(&name);
}

static void print_list(const struct tt_settings *settings, const struct profile *profile,
                       const char *key, bool functions)
{
    struct tt_buf text = {0};
    struct tt_json_value list = tt_cli_pick(tt_buf_str(&profile->json), key, &text), entry;
    size_t cursor = 0;

    for (int i = 0; i < LINES_SHOWN && tt_json_next(&list, &cursor, &entry); i++)
        print_entry(settings, entry.raw, profile->samples, functions);
    tt_buf_free(&text);
}

static void print_profile(const struct tt_settings *settings, struct profile *profile)
{
    struct tt_str json = tt_buf_str(&profile->json);

    profile->samples = number_at(json, "samples");
    printf("%lld sample%s in %lld s, one every %lld ms of each thread that runs a script\n",
           (long long)profile->samples, tt_plural(profile->samples),
           (long long)number_at(json, "seconds"), (long long)number_at(json, "interval_ms"));
    if (profile->samples == 0)
        return;
    printf("\nfunctions: their own time, and with what they call\n");
    print_list(settings, profile, "functions", true);
    printf("\nlines\n");
    print_list(settings, profile, "lines", false);
}

static int ask(const struct tt_settings *settings, const char *method, const char *path,
               struct tt_buf *answer)
{
    struct tt_buf text = {0};
    struct tt_err err = {0};

    tt_buf_clear(answer);
    int status = tt_cli_admin_request(settings, method, path, (struct tt_str){0}, TT_LOCAL_LIMIT_S,
                                      answer, &err);
    if (status >= 200 && status < 300)
        return 0;
    if (status >= 0)
        tt_cli_pick(tt_buf_str(answer), "error", &text);
    tt_cli_fail(0, "profile: %s", status < 0 ? err.message : text.len ? text.data : "refused");
    tt_buf_free(&text);
    return -1;
}

static int make_profile(const struct tt_settings *settings, unsigned seconds, bool json)
{
    struct profile profile = {0};
    struct tt_buf flag = {0};
    char path[64];

    snprintf(path, sizeof(path), "/admin/profile?seconds=%u", seconds);
    int failed = ask(settings, "POST", path, &profile.json);
    for (unsigned left = seconds; !failed; left = 1) { /* it may end a little later */
        while ((left = sleep(left)) > 0)
            ;
        failed = ask(settings, "GET", "/admin/profile", &profile.json);
        if (failed || tt_cli_pick(tt_buf_str(&profile.json), "running", &flag).type != TT_JSON_TRUE)
            break;
    }
    if (!failed && json)
        printf("%.*s\n", TT_STR_ARG(tt_str_trim(tt_buf_str(&profile.json))));
    else if (!failed)
        print_profile(settings, &profile);
    tt_buf_free(&profile.json);
    tt_buf_free(&flag);
    return failed ? TT_EXIT_FAILED : TT_EXIT_OK;
}

/* "10s" or "10". */
static bool read_seconds(const char *word, uint64_t *seconds)
{
    struct tt_str text = tt_str_from(word);

    if (tt_str_ends(text, TT_STR("s")))
        text.len--;
    return tt_str_to_u64(text, seconds) == 0 && *seconds >= 1 && *seconds <= TT_PROFILE_SECONDS_MAX;
}

int tt_cli_profile(int argc, char **argv)
{
    bool json = tt_cli_flag(&argc, argv, "--json");
    struct tt_settings settings;
    uint64_t seconds = 10;

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int code = argc > 1 || (argc == 1 && !read_seconds(argv[0], &seconds))
                   ? tt_cli_fail(TT_EXIT_USAGE,
                                 "usage: tidetalk profile [SECONDS] [--json]; 1s to "
                                 "%ds, 10s by default",
                                 TT_PROFILE_SECONDS_MAX)
                   : make_profile(&settings, (unsigned)seconds, json);
    tt_settings_free(&settings);
    return code;
}
