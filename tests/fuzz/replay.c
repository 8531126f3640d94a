/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files of a corpus folder, as an ordinary test:
 * each file whole and cut at every length; with --whole not cut. Prints TAP. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int replay_file(const char *folder, const char *name, int whole)
{
    char path[4096];
    uint8_t bytes[65536];
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    n = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    for (size_t len = whole ? n : 0; len <= n; len++) {
        uint8_t *exact = malloc(len != 0 ? len : 1); /* so that an overrun shows */

        if (exact == NULL)
            return -1;
        for (size_t i = 0; i < len; i++)
            exact[i] = bytes[i];
        (void)LLVMFuzzerTestOneInput(exact, len);
        free(exact);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    int whole = argc == 3 && strcmp(argv[1], "--whole") == 0;
    const char *folder = argc == 2 + whole ? argv[argc - 1] : "";
    int count = 0;
    DIR *dir = opendir(folder);

    if (dir == NULL) {
        (void)fprintf(stderr, "usage: replay [--whole] CORPUS\n");
        return 2;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        (void)printf("%sok %d - %s\n", replay_file(folder, entry->d_name, whole) == 0 ? "" : "not ",
                     count, entry->d_name);
    }
    (void)closedir(dir);
    (void)printf("1..%d\n", count);
    return count > 0 ? 0 : 1;
}
