/* Runs a fuzz target on files and on the files of folders, without a fuzzer. */
#include "base/buf.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void die(const char *what, const char *path)
{
    fprintf(stderr, "%s: ", what);
    perror(path);
    exit(1);
}

static void replay_file(const char *path)
{
    struct tt_buf text = {0};
    char bytes[4096];
    FILE *file = fopen(path, "rb");

    if (!file)
        die("cannot open", path);
    for (size_t n; (n = fread(bytes, 1, sizeof(bytes), file)) > 0;)
        tt_buf_append(&text, bytes, n);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout); /* an abort follows the name of its input */
    /* Exactly as long as the input, so that a read behind it is seen. */
    uint8_t *copy = malloc(text.len);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    LLVMFuzzerTestOneInput(copy, text.len);
    free(copy);
    tt_buf_free(&text);
}

static int replay_folder(const char *path)
{
    char name[4096];
    int count = 0;
    DIR *dir = opendir(path);

    if (!dir)
        die("cannot open", path);
    for (struct dirent *entry; (entry = readdir(dir)); count++) {
        if (entry->d_name[0] == '.') {
            count--;
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        replay_file(name);
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    struct stat info;
    int count = 0;

    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &info) != 0)
            die("cannot read", argv[i]);
        if (S_ISDIR(info.st_mode)) {
            count += replay_folder(argv[i]);
        } else {
            replay_file(argv[i]);
            count++;
        }
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
