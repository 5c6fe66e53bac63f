/* SPDX-License-Identifier: MIT */
/* main() of the fuzz targets where no fuzzer is linked: gives each file of the target's
 * corpus, and nothing at all, to the target and prints TAP. A file that once broke
 * something stays in the corpus, and a target that breaks ends the program, which the
 * runner counts. Arguments name files to try instead. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int tests;

static int replay(const char *path, const char *name)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0, got = 1;
    while (file && got > 0) {
        uint8_t *grown = realloc(bytes, size + 65536);
        if (!grown)
            break;
        bytes = grown;
        got = fread(bytes + size, 1, 65536, file);
        size += got;
    }
    int read = file && got == 0;
    if (read)
        LLVMFuzzerTestOneInput(bytes, size);
    printf("%s %d - replay %s (%zu bytes)\n", read ? "ok" : "not ok", ++tests, name, size);
    fflush(stdout);
    if (file)
        fclose(file);
    free(bytes);
    return read ? 0 : 1;
}

/* The corpus of tests/fuzz/fuzz_NAME is tests/fuzz/corpus/NAME in the sources. */
static int replay_corpus(const char *program)
{
    const char *source = getenv("srcdir"), *name = strstr(program, "fuzz_");
    char folder[3000], path[4000];
    struct dirent *entry;
    int failed = 0;
    for (const char *next = name; next; next = strstr(next + 1, "fuzz_"))
        name = next;
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source ? source : ".",
             name ? name + strlen("fuzz_") : "");
    DIR *files = opendir(folder);
    while (files && (entry = readdir(files)))
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            failed += replay(path, entry->d_name);
        }
    if (files)
        closedir(files);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("ok %d - nothing at all\n", ++tests);
    for (int i = 1; i < argc; i++)
        failed += replay(argv[i], argv[i]);
    if (argc == 1)
        failed = replay_corpus(argv[0]);
    printf("1..%d\n", tests);
    return failed ? 1 : 0;
}
