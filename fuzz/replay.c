/* SPDX-License-Identifier: Apache-2.0 */
/* replay - runs a fuzz target over the files of a folder, for builds without libFuzzer. */
#include "base/file.h"

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { INPUT_MAX = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
        if (argc != 2) {
                fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
                return 2;
        }
        DIR *dir = opendir(argv[1]);
        if (!dir) {
                perror(argv[1]);
                return 1;
        }
        size_t count = 0;
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
                if (entry->d_name[0] == '.')
                        continue;
                struct err e = {0};
                AUTO_STR *path = file_join(argv[1], entry->d_name);
                AUTO(buf) *input = file_read(path, INPUT_MAX, &e);
                if (!input) {
                        fprintf(stderr, "%s\n", e.text);
                        return 1;
                }
                LLVMFuzzerTestOneInput((const uint8_t *)buf_data(input), buf_len(input));
                count++;
        }
        closedir(dir);
        printf("%s: %zu inputs replayed\n", argv[0], count);
        return count ? 0 : 1;
}
