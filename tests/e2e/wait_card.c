/* SPDX-License-Identifier: Apache-2.0 */
/* Waits until the reader whose name contains a text holds a card, or holds
 * none, so that the tests need no sleeps; `patient` sees to it that it ends.
 * With "keep" it stays connected to the card until a signal ends it: pcscd
 * switches off a card that nobody is connected to, and then a slow machine has
 * more exchanges than a fast one. With "exclusive" it keeps others out as well.
 * Sends nothing to the card.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <winscard.h>

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

/* Until this process is ended. */
static bool keep(SCARDCONTEXT context, const char *name, DWORD share)
{
    SCARDHANDLE card = 0;
    DWORD protocol = 0;

    if (SCardConnect(context, name, share, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol)
        != SCARD_S_SUCCESS)
        return false;
    puts("connected");
    fflush(stdout);
    pause();
    return true;
}

static const struct {
    const char *word;
    DWORD wanted;
    DWORD keep; /* how, SCARD_SHARE_...; 0: not at all */
} modes[] = {
    { "present", SCARD_STATE_PRESENT, 0 },
    { "empty", SCARD_STATE_EMPTY, 0 },
    { "keep", SCARD_STATE_PRESENT, SCARD_SHARE_SHARED },
    { "exclusive", SCARD_STATE_PRESENT, SCARD_SHARE_EXCLUSIVE },
};

int main(int argc, char **argv)
{
    SCARDCONTEXT context = 0;
    char name[MAX_READERNAME] = "";
    SCARD_READERSTATE state = { .szReader = name };
    size_t mode = 0, n_modes = sizeof(modes) / sizeof(modes[0]);
    bool reached = false;

    while (argc == 3 && mode < n_modes && strcmp(argv[2], modes[mode].word) != 0)
        mode++;
    if (argc != 3 || mode == n_modes) {
        fprintf(stderr, "usage: wait_card READER present|empty|keep|exclusive\n");
        return 2;
    }

    while (!reached) {
        if (context == 0
            && SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS) {
            context = 0;
        } else if (name[0] == '\0' && !find_reader(context, argv[1], name, sizeof(name))) {
            name[0] = '\0';
        } else {
            state.dwCurrentState = state.dwEventState;
            SCardGetStatusChange(context, 100, &state, 1);
            reached = (state.dwEventState & modes[mode].wanted) != 0;
            continue; /* the call above waited */
        }
        nanosleep(&(struct timespec){ .tv_nsec = 20000000L }, NULL);
    }
    if (reached && modes[mode].keep != 0)
        reached = keep(context, name, modes[mode].keep);
    SCardReleaseContext(context);
    return reached ? 0 : 1;
}
