/* What the tests of app share: a folder to be in, and settings read as the program reads them. */
#pragma once
#include "app/settings/settings.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "unit_test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE TT_TEST_DATA "/../.."

struct home {
    char dir[64];
    struct tt_settings settings;
    bool loaded;
    struct tt_err err;
    char *words[32];
    int rest;
};

static inline void home_put(struct home *home, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", home->dir, name);
    write_text_file(path, text);
}

static inline void home_forget(struct home *home)
{
    if (home->loaded)
        tt_settings_free(&home->settings);
    home->loaded = false;
}

/* Loads with up to eight words; the result of tt_settings_load. */
static inline int home_load(struct home *home, const char *const *words, int count)
{
    home_forget(home);
    home->err = (struct tt_err){0};
    for (int i = 0; i < count; i++)
        home->words[i] = (char *)(uintptr_t)words[i];
    home->loaded = true;
    return tt_settings_load(&home->settings, count, home->words, &home->rest, home->words,
                            &home->err);
}

#define HOME_LOAD(home, ...)                                                                       \
    home_load(home, (const char *const[]){__VA_ARGS__},                                            \
              (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static inline int home_setup(void **state)
{
    struct home *home = TT_NEW(struct home);
    extern char **environ;

    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    tt_secret_setup();
    for (char **variable = environ; *variable;) {
        char name[128];
        snprintf(name, sizeof(name), "%s", *variable);
        name[strcspn(name, "=")] = 0;
        if (strncmp(name, "TIDETALK_", 9) == 0)
            unsetenv(name);
        else
            variable++;
    }
    snprintf(home->dir, sizeof(home->dir), "/tmp/tt_app_test.XXXXXX");
    assert_non_null(mkdtemp(home->dir));
    assert_int_equal(chdir(home->dir), 0);
    *state = home;
    return 0;
}

static inline int home_remove_entry(const char *path, const struct stat *st, int type,
                                    struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int home_teardown(void **state)
{
    struct home *home = *state;
    home_forget(home);
    assert_int_equal(chdir("/"), 0);
    nftw(home->dir, home_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(home);
    return 0;
}

#define HOME_TEST(function) cmocka_unit_test_setup_teardown(function, home_setup, home_teardown)
