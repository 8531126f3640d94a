/* SPDX-License-Identifier: Apache-2.0 */
/* Waits until the reader whose name contains a text holds a card, or holds
 * none, so that the tests need no sleeps. Talks to pcscd and to no card.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <winscard.h>

static long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000L + ts.tv_nsec / 1000000L;
}

/* The whole name of the first reader that contains `part`, in `ret_name`. */
static bool find_reader(SCARDCONTEXT context, const char *part, char *ret_name, DWORD cap)
{
    char names[4096];
    DWORD names_len = sizeof(names);

    if (SCardListReaders(context, NULL, names, &names_len) != SCARD_S_SUCCESS)
        return false;
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        if (strstr(name, part) != NULL && strlen(name) < cap) {
            memcpy(ret_name, name, strlen(name) + 1);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    SCARDCONTEXT context = 0;
    char name[MAX_READERNAME] = "";
    SCARD_READERSTATE state = { .szReader = name };
    DWORD wanted = 0;
    long deadline = 0;
    bool reached = false;

    if (argc != 4 || (strcmp(argv[2], "present") != 0 && strcmp(argv[2], "empty") != 0)) {
        fprintf(stderr, "usage: wait_card READER present|empty MILLISECONDS\n");
        return 2;
    }
    wanted = strcmp(argv[2], "present") == 0 ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY;
    deadline = now_ms() + strtol(argv[3], NULL, 10);

    while (!reached && now_ms() < deadline) {
        if (context == 0
            && SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS) {
            context = 0;
        } else if (name[0] == '\0' && !find_reader(context, argv[1], name, sizeof(name))) {
            name[0] = '\0';
        } else {
            state.dwCurrentState = state.dwEventState;
            SCardGetStatusChange(context, 100, &state, 1);
            reached = (state.dwEventState & wanted) != 0;
            continue; /* the call above waited */
        }
        nanosleep(&(struct timespec){ .tv_nsec = 20000000L }, NULL);
    }
    if (context != 0)
        SCardReleaseContext(context);
    if (!reached)
        fprintf(stderr, "wait_card: reader '%s' is not '%s'\n", argv[1], argv[2]);
    return reached ? 0 : 1;
}
