/* SPDX-License-Identifier: Apache-2.0 */
/* see channel_record.h */
#include "channel_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS "iotsafe-channel-2 %" PRIu64 " %s %s %s %u %s %s\n"

size_t channel_record_format(const struct channel_record *r, char ret_text[static RECORD_TEXT_MAX])
{
    char aid[HEX_SIZE(IOTSAFE_AID_MAX)];
    char atr[HEX_SIZE(ATR_MAX)];
    char traits[TRAITS_TEXT_MAX];
    char forms[KEY_FORMS_TEXT_MAX];

    hex_encode(r->aid, r->aid_len, aid);
    hex_encode(r->atr, r->atr_len, atr);
    traits_format(&r->traits, traits);
    key_forms_format(&r->forms, forms);
    return (size_t)snprintf(ret_text, RECORD_TEXT_MAX, WORDS, r->generation, r->session, aid,
                            r->atr_len != 0 ? atr : "-", (unsigned)r->filler, traits, forms);
}

/* A number or a modem's handle. It is put into command lines, and anybody who may use
 * the folder can write a record. */
static bool session_is_plain(const char *session)
{
    return session[0] != '\0' && session[strspn(session, "0123456789abcdefABCDEF")] == '\0';
}

/* The widths below are those of the buffers. */
_Static_assert(SESSION_TEXT_MAX == 40 && HEX_SIZE(IOTSAFE_AID_MAX) == 33 && HEX_SIZE(ATR_MAX) == 67
                   && TRAITS_TEXT_MAX == 96 && KEY_FORMS_TEXT_MAX == 806,
               "sizes of a record's words");

bool channel_record_parse(const char *text, size_t len, struct channel_record *ret_record)
{
    struct channel_record r = { 0 };
    char line[RECORD_TEXT_MAX];
    char aid[HEX_SIZE(IOTSAFE_AID_MAX)];
    char atr[HEX_SIZE(ATR_MAX)];
    char traits[TRAITS_TEXT_MAX];
    char forms[KEY_FORMS_TEXT_MAX];
    unsigned filler;
    int n;

    if (len == 0 || len >= sizeof(line) || memchr(text, '\0', len) != NULL || text[len - 1] != '\n')
        return false;
    memcpy(line, text, len);
    line[len] = '\0';
    if (sscanf(line, "iotsafe-channel-2 %" SCNu64 " %39s %32s %66s %1u %95s %805s", &r.generation,
               r.session, aid, atr, &filler, traits, forms)
            != 7
        || r.generation == 0 || !session_is_plain(r.session) || filler > FILLER_CALLER)
        return false;
    r.filler = (enum filler)filler;
    n = hex_decode(aid, strlen(aid), r.aid, sizeof(r.aid));
    if (n < IOTSAFE_AID_MIN)
        return false;
    r.aid_len = (size_t)n;
    n = strcmp(atr, "-") == 0 ? 0 : hex_decode(atr, strlen(atr), r.atr, sizeof(r.atr));
    if (n < 0 || !traits_parse(traits, &r.traits) || !key_forms_parse(forms, &r.forms))
        return false;
    r.atr_len = (size_t)n;
    *ret_record = r;
    return true;
}

/* ------------------------------------------------------------------ files */

#define NAME_MAX_HERE (DEVICE_LOCK_BASE_MAX + 24)

/* The file of a user in a folder for everybody, else the one of all. */
static void file_name(const struct device_lock *lock, uid_t uid, char ret[static NAME_MAX_HERE])
{
    if (lock->trust == FOLDER_PUBLIC)
        (void)snprintf(ret, NAME_MAX_HERE, "%s.channel2.%u", lock->base, (unsigned)uid);
    else
        (void)snprintf(ret, NAME_MAX_HERE, "%s.channel2", lock->base);
}

static bool is_believed(const struct device_lock *lock, const struct stat *st)
{
    return S_ISREG(st->st_mode)
           && (lock->trust != FOLDER_PUBLIC || st->st_uid == 0 || st->st_uid == geteuid());
}

static void read_file(const struct device_lock *lock, uid_t uid, struct channel_record *youngest)
{
    char name[NAME_MAX_HERE], text[RECORD_TEXT_MAX];
    struct channel_record r;
    struct stat st;
    ssize_t n = -1;
    int fd;

    file_name(lock, uid, name);
    fd = openat(lock->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && is_believed(lock, &st))
        n = read(fd, text, sizeof(text));
    (void)close(fd);
    if (n > 0 && channel_record_parse(text, (size_t)n, &r) && r.generation > youngest->generation)
        *youngest = r;
}

void channel_record_read(const struct device_lock *lock, struct channel_record *ret_record)
{
    memset(ret_record, 0, sizeof(*ret_record));
    if (lock->dir_fd < 0)
        return;
    read_file(lock, geteuid(), ret_record);
    if (lock->trust == FOLDER_PUBLIC && geteuid() != 0)
        read_file(lock, 0, ret_record);
}

static uint64_t clock_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool channel_record_write(const struct device_lock *lock, struct channel_record *record)
{
    const mode_t mode = lock->trust == FOLDER_GROUP ? 0660 : 0644;
    char name[NAME_MAX_HERE], text[RECORD_TEXT_MAX];
    struct channel_record youngest;
    struct stat st;
    size_t len;
    bool ok;
    int fd;

    if (lock->dir_fd < 0)
        return false;
    channel_record_read(lock, &youngest);
    if (youngest.generation == UINT64_MAX)
        return false;
    record->generation = youngest.generation + 1;
    if (record->generation < clock_ms()) /* no number twice, though records are dropped */
        record->generation = clock_ms();
    len = channel_record_format(record, text);
    file_name(lock, geteuid(), name);
    fd = openat(lock->dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
    if (fd < 0)
        return false;
    /* a link that someone laid under our name must not be written through */
    ok = fstat(fd, &st) == 0 && is_believed(lock, &st) && st.st_nlink == 1
         && (st.st_uid != geteuid() || fchmod(fd, mode) == 0) && ftruncate(fd, 0) == 0
         && write(fd, text, len) == (ssize_t)len;
    (void)close(fd);
    return ok;
}

void channel_record_drop(const struct device_lock *lock)
{
    char name[NAME_MAX_HERE];

    if (lock->dir_fd < 0)
        return;
    file_name(lock, geteuid(), name);
    (void)unlinkat(lock->dir_fd, name, 0);
}

bool channel_record_is_shared(const struct device_lock *lock)
{
    return lock->dir_fd >= 0 && lock->trust != FOLDER_PUBLIC;
}
