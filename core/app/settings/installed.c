#include "app/settings/installed.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The folder of the program's installation: <prefix>/bin/tidetalk has <prefix>/share/tidetalk. "" =
 * it cannot be known. */
static void share_folder(char out[static PATH_MAX])
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    out[0] = '\0';
    for (int i = 0; i < 2 && len > 0; i++) { /* the program's name, then bin */
        program[len] = '\0';
        char *slash = strrchr(program, '/');
        len = slash ? slash - program : 0;
    }
    if (len >= 0 && len < PATH_MAX - 20)
        snprintf(out, PATH_MAX, "%.*s/share/tidetalk", (int)len, program);
}

const char *tt_installed_find(const struct tt_conf_value *value,
                              char out[static TT_INSTALLED_PATH_BYTES])
{
    char folder[PATH_MAX];

    if (strcmp(value->origin, "default") != 0 || access(value->text.data, F_OK) == 0)
        return value->text.data;
    share_folder(folder);
    snprintf(out, TT_INSTALLED_PATH_BYTES, "%s/%s", folder, value->text.data);
    return *folder && access(out, F_OK) == 0 ? out : value->text.data;
}

void tt_installed_places(char *out, size_t size)
{
    char here[PATH_MAX], folder[PATH_MAX];

    share_folder(folder);
    snprintf(out, size, "%s and %s", getcwd(here, sizeof(here)) ? here : ".", folder);
}
