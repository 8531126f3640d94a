/* SPDX-License-Identifier: Apache-2.0 */
/* A socket whose server is not there yet. Each pause of the module ends in here, so that
 * the server comes at a known moment. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport.h"

#define NEVER 1000000
#define FAR 600000 /* ms; only an answer ends a wait */

static char folder[] = "/tmp/test_socket.XXXXXX";
static char path[64];
static int server = -1;
static int n_pauses, comes_after; /* the server is there after so many pauses */
static struct transport *transport;
static struct iotsafe_op op;

void __real_sleep_ms(int64_t ms, deadline_t deadline);
void __wrap_sleep_ms(int64_t ms, deadline_t deadline);

static void start_server(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    (void)unlink(path);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    server = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(server, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    cr_assert_eq(listen(server, 4), 0);
}

static void stop_server(bool leave_file)
{
    close(server);
    server = -1;
    if (!leave_file)
        (void)unlink(path);
}

void __wrap_sleep_ms(int64_t ms, deadline_t deadline)
{
    if (++n_pauses == comes_after)
        start_server();
    else if (comes_after == NEVER)
        __real_sleep_ms(ms, deadline);
}

static void begin(void)
{
    char text[96];

    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/sim", folder);
    snprintf(text, sizeof(text), "socket:%s", path);
    cr_assert_eq(transport_open(text, "", &transport, &op), IOTSAFE_OK);
    comes_after = NEVER;
}

static void end(void)
{
    if (transport->connected)
        transport->ops->disconnect(transport);
    transport->ops->close(transport);
    stop_server(false);
    (void)rmdir(folder);
}

static enum iotsafe_err try_to_connect(int64_t ms)
{
    n_pauses = 0;
    return transport->ops->connect(transport, 0, deadline_in(ms), &op);
}

TestSuite(socket, .init = begin, .fini = end);

Test(socket, waits_for_a_server_that_is_starting)
{
    comes_after = 3;
    cr_expect_eq(try_to_connect(FAR), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(n_pauses, 3);
}

Test(socket, waits_where_an_old_server_left_its_file)
{
    start_server();
    stop_server(true);
    comes_after = 2;
    cr_expect_eq(try_to_connect(FAR), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(n_pauses, 2);
}

/* It ends long before the deadline, and says what is wrong and not that time is over. */
Test(socket, waits_once_for_a_server_that_does_not_come)
{
    cr_expect_eq(try_to_connect(FAR), IOTSAFE_ERR_NO_SERVICE);
    cr_expect_not_null(strstr(op.text, "No such file"), "%s", op.text);
    cr_expect_gt(n_pauses, 0);
    cr_expect_eq(try_to_connect(FAR), IOTSAFE_ERR_NO_SERVICE);
    cr_expect_eq(n_pauses, 0);
}

Test(socket, waits_for_no_server_that_was_there)
{
    start_server();
    cr_assert_eq(try_to_connect(FAR), IOTSAFE_OK, "%s", op.text);
    transport->ops->disconnect(transport);
    stop_server(false);
    cr_expect_eq(try_to_connect(FAR), IOTSAFE_ERR_NO_SERVICE);
    cr_expect_eq(n_pauses, 0);
}
