/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `iotsafe-softsim admin`. */
#include "admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct words {
    const struct admin_verb *verb;
    json_t *args;
    json_t *options;
    const char *file; /* to be sent along */
};

static bool take_option(struct words *w, char **argv, int argc, int *i)
{
    const char *name = argv[*i] + 2;

    if (admin_name_in(w->verb->flags, name))
        return json_object_set_new(w->options, name, json_string("yes")) == 0;
    if (!admin_name_in(w->verb->options, name) || *i + 1 >= argc)
        return false;
    (*i)++;
    return json_object_set_new(w->options, name, json_string(argv[*i])) == 0;
}

static bool take_words(struct words *w, int argc, char **argv)
{
    size_t n = 0;

    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(w, argv, argc, &i))
                return false;
            continue;
        }
        if (json_array_append_new(w->args, json_string(argv[i])) != 0)
            return false;
        n++;
        if (w->verb->last_is_file && n == w->verb->max_args)
            w->file = argv[i];
    }
    return n >= w->verb->min_args && n <= w->verb->max_args;
}

static bool read_file(const char *path, struct buf *ret, struct err *err)
{
    FILE *f = fopen(path, "re");
    uint8_t bytes[4096];
    size_t n;

    if (f == NULL)
        return err_set(err, "%s: %s", path, strerror(errno));
    while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0 && ret->len <= ADMIN_LINE_MAX / 4)
        buf_put(ret, bytes, n);
    n = (size_t)ferror(f);
    fclose(f);
    if (n != 0 || ret->failed || ret->len > ADMIN_LINE_MAX / 4)
        return err_set(err, "%s: cannot be read, or too long", path);
    return true;
}

static char *make_request(const struct words *w, struct err *err)
{
    struct buf data = { 0 };
    json_t *req;
    char *hex = NULL, *line = NULL;

    if (w->file == NULL || read_file(w->file, &data, err))
        hex = softsim_hex_text(data.data, data.len);
    if (hex != NULL) {
        req = json_pack("{s:s, s:O, s:O, s:s}", "verb", w->verb->name, "args", w->args, "options",
                        w->options, "data", hex);
        line = req == NULL ? NULL : json_dumps(req, JSON_COMPACT);
        json_decref(req);
        if (line == NULL)
            err_set(err, "an argument is not UTF-8");
    }
    free(hex);
    buf_clear(&data);
    return line;
}

static bool send_line(int fd, const char *line)
{
    size_t len = strlen(line) + 1;
    char *text = malloc(len);
    size_t at = 0;

    if (text == NULL)
        return false;
    memcpy(text, line, len - 1);
    text[len - 1] = '\n';
    while (at < len) {
        ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    free(text);
    return at == len;
}

static json_t *receive_reply(int fd)
{
    struct buf in = { 0 };
    uint8_t bytes[8192];
    json_error_t jerr;
    json_t *reply = NULL;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        buf_put(&in, bytes, (size_t)n);
        if (memchr(bytes, '\n', (size_t)n) != NULL || in.failed)
            break;
    }
    if (in.len != 0)
        reply = json_loadb((const char *)in.data, in.len, 0, &jerr);
    buf_clear(&in);
    return reply;
}

static int converse(int fd, const char *line)
{
    json_t *reply = send_line(fd, line) ? receive_reply(fd) : NULL;
    const char *text = json_string_value(json_object_get(reply, "text"));
    bool ok = json_is_true(json_object_get(reply, "ok"));

    if (text == NULL)
        fprintf(stderr, "iotsafe-softsim: admin: the connection ended without a reply\n");
    else if (ok)
        fputs(text, stdout);
    else
        fprintf(stderr, "iotsafe-softsim: admin: %s\n", text);
    ok = ok && text != NULL;
    json_decref(reply);
    return ok ? EXIT_DONE : EXIT_REFUSED;
}

static int perform(const char *path, const struct words *w)
{
    struct addr addr;
    struct err err = { "out of memory" };
    char *line = make_request(w, &err);
    int status = EXIT_REFUSED;
    int fd = -1;

    if (line == NULL || !addr_parse_unix(path, &addr, &err)) {
        fprintf(stderr, "iotsafe-softsim: admin: %s\n", err.text);
        free(line);
        return EXIT_REFUSED;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&addr.sa, addr.len) != 0)
        fprintf(stderr, "iotsafe-softsim: admin: %s: %s\n", addr.path, strerror(errno));
    else
        status = converse(fd, line);
    if (fd >= 0)
        close(fd);
    free(line);
    return status;
}

static void print_verbs(FILE *out)
{
    fprintf(out, "usage: iotsafe-softsim admin PATH VERB ...\n");
    for (size_t i = 0; admin_verb_row(i) != NULL; i++)
        fprintf(out, "  %s %s\n", admin_verb_row(i)->name, admin_verb_row(i)->usage);
}

int admin_client(int argc, char **argv)
{
    struct words w = { 0 };
    int status = EXIT_USAGE;

    if (argc >= 1 && strcmp(argv[0], "--help") == 0) {
        print_verbs(stdout);
        return EXIT_DONE;
    }
    w.verb = argc < 2 ? NULL : admin_verb_find(argv[1]);
    if (w.verb == NULL) {
        print_verbs(stderr);
        return EXIT_USAGE;
    }
    w.args = json_array();
    w.options = json_object();
    if (take_words(&w, argc - 2, argv + 2))
        status = perform(argv[0], &w);
    else
        fprintf(stderr, "usage: iotsafe-softsim admin PATH %s %s\n", w.verb->name, w.verb->usage);
    json_decref(w.args);
    json_decref(w.options);
    return status;
}
